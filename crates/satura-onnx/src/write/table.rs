//! The writers: one function an op, and the one table.
//!
//! An op without a row is a composite that no operator set has; it is written as its decomposition.

use super::cx::{Cx, Form, NoForm};
use super::elementwise::{self, ARITHMETIC, logic, plain};
use super::functions::{self, function};
use super::takes::{FLOAT, NUMBERS};
use super::{
    activation, contract, control, indexing, labels, movement, norm, random, recurrent, reduce, resize,
    sample, scatter, select, sequence, shapes, texts, trees, window,
};
use satura_ir::{Op, OpDef, ops};

/// How one op is written.
pub(super) type Write = fn(&mut Cx<'_>, &Op) -> Form;

/// A row of the table.
pub(super) struct Row {
    /// The name of the op.
    pub(super) op: &'static str,
    write: Write,
}

macro_rules! rows {
    ($($op:ident: $write:expr,)*) => {
        &[$(Row {
            op: <ops::$op as OpDef>::NAME,
            write: |cx, op| {
                let Op::$op(op) = op else { return Err(NoForm::new("the row is that of another op")) };
                let write: fn(&mut Cx<'_>, &ops::$op) -> Form = $write;
                write(cx, op)
            },
        }),*]
    };
}

/// Rounding of bfloat16 and the trigonometric functions of it came with operator set 22.
pub(super) const WRITERS: &[Row] = rows! {
    // Elementwise, of one input.
    Neg: elementwise::neg,
    Abs: |cx, _| plain(cx, "Abs", NUMBERS),
    Sign: |cx, _| plain(cx, "Sign", NUMBERS),
    Floor: |cx, _| plain(cx, "Floor", FLOAT),
    Ceil: |cx, _| plain(cx, "Ceil", FLOAT),
    Round: |cx, _| plain(cx, "Round", FLOAT),
    Exp: |cx, _| plain(cx, "Exp", FLOAT),
    Log: |cx, _| plain(cx, "Log", FLOAT),
    Sqrt: |cx, _| plain(cx, "Sqrt", FLOAT),
    Sin: |cx, _| plain(cx, "Sin", FLOAT),
    Cos: |cx, _| plain(cx, "Cos", FLOAT),
    Tan: |cx, _| plain(cx, "Tan", FLOAT),
    Tanh: |cx, _| plain(cx, "Tanh", FLOAT),
    Sigmoid: |cx, _| plain(cx, "Sigmoid", FLOAT),
    Erf: |cx, _| plain(cx, "Erf", FLOAT),
    Not: elementwise::not,
    IsNan: elementwise::is_nan,
    Cast: elementwise::cast,
    BitCast: elementwise::bit_cast,
    // Elementwise, of two and three.
    Add: |cx, _| plain(cx, "Add", ARITHMETIC),
    Sub: |cx, _| plain(cx, "Sub", ARITHMETIC),
    Mul: |cx, _| plain(cx, "Mul", ARITHMETIC),
    Div: |cx, _| plain(cx, "Div", ARITHMETIC),
    Pow: elementwise::pow,
    Rem: elementwise::rem,
    Max: |cx, _| plain(cx, "Max", NUMBERS),
    Min: |cx, _| plain(cx, "Min", NUMBERS),
    And: |cx, _| logic(cx, "And", "BitwiseAnd"),
    Or: |cx, _| logic(cx, "Or", "BitwiseOr"),
    Xor: |cx, _| logic(cx, "Xor", "BitwiseXor"),
    Equal: elementwise::equal,
    Less: elementwise::less,
    LessEqual: elementwise::less_equal,
    Select: elementwise::select,
    Shift: functions::shift,
    Acos: |cx, _| function(cx, "Acos"),
    Acosh: |cx, _| function(cx, "Acosh"),
    Asin: |cx, _| function(cx, "Asin"),
    Asinh: |cx, _| function(cx, "Asinh"),
    Atan: |cx, _| function(cx, "Atan"),
    Atanh: |cx, _| function(cx, "Atanh"),
    Cosh: |cx, _| function(cx, "Cosh"),
    Sinh: |cx, _| function(cx, "Sinh"),
    // Movement.
    Reshape: movement::reshape,
    ReshapeDyn: movement::reshape_dyn,
    Transpose: movement::transpose,
    Broadcast: movement::broadcast,
    BroadcastDyn: movement::broadcast_dyn,
    Slice: movement::slice,
    SliceDyn: movement::slice_dyn,
    Pad: movement::pad,
    PadDyn: movement::pad_dyn,
    Concat: movement::concat,
    TileDyn: movement::tile_dyn,
    Squeeze: movement::squeeze,
    Unsqueeze: movement::unsqueeze,
    Flatten: movement::flatten,
    Split: movement::split,
    // Shapes and positions as data.
    ShapeOf: shapes::shape_of,
    Size: shapes::size,
    Iota: shapes::iota,
    RangeDyn: shapes::range_dyn,
    // Reductions and contractions.
    Reduce: reduce::reduce,
    Mean: reduce::mean,
    ArgReduce: reduce::arg_reduce,
    Scan: reduce::scan,
    MatMul: contract::matmul,
    // Indexing.
    Gather: indexing::gather,
    GatherElements: indexing::gather_elements,
    GatherNd: indexing::gather_nd,
    ScatterElements: scatter::scatter_elements,
    ScatterNd: scatter::scatter_nd,
    // Sorting and selecting.
    NonZero: select::non_zero,
    Unique: select::unique,
    TopK: select::top_k,
    NonMaxSuppression: select::non_max_suppression,
    // Sampling at positions that are values; transforms; random numbers.
    GridSample: sample::grid_sample,
    RoiAlign: sample::roi_align,
    DeformConv: sample::deform_conv,
    Det: sample::det,
    Dft: sample::dft,
    Random: random::random,
    Dropout: random::dropout,
    // Windows over spatial axes.
    Conv: contract::conv,
    ConvTranspose: contract::conv_transpose,
    ConvInteger: contract::conv_integer,
    MaxPool: window::max_pool,
    AvgPool: window::avg_pool,
    Resize: resize::resize,
    ResizeDyn: resize::resize_dyn,
    // Activations.
    Relu: activation::relu,
    LeakyRelu: activation::leaky_relu,
    Elu: activation::elu,
    HardSigmoid: activation::hard_sigmoid,
    HardSwish: activation::hard_swish,
    Silu: activation::silu,
    Softplus: activation::softplus,
    Gelu: activation::gelu,
    Clip: activation::clip,
    // Normalisation.
    Softmax: norm::softmax,
    LogSoftmax: norm::log_softmax,
    BatchNorm: norm::batch_norm,
    LayerNorm: norm::layer_norm,
    InstanceNorm: norm::instance_norm,
    GroupNorm: norm::group_norm,
    // Recurrent layers.
    Rnn: recurrent::rnn,
    Lstm: recurrent::lstm,
    Gru: recurrent::gru,
    // Control flow.
    If: control::if_op,
    Loop: control::loop_op,
    // Sequences and optionals.
    SeqConstruct: sequence::construct,
    SeqEmpty: sequence::empty,
    SeqInsert: sequence::insert,
    SeqErase: sequence::erase,
    SeqAt: sequence::at,
    SeqLength: sequence::length,
    SeqSplit: sequence::split,
    SeqConcat: sequence::concat,
    Optional: sequence::optional,
    OptionalHas: sequence::optional_has,
    OptionalGet: sequence::optional_get,
    // Texts and images.
    StringConcat: texts::concat,
    StringSplit: texts::split,
    StringNormalize: texts::normalize,
    RegexMatch: texts::regex,
    DecodeImage: texts::decode_image,
    // Labels, maps and trees.
    Lookup: labels::lookup,
    ZipMap: labels::zip_map,
    DictVectorize: labels::dict_vectorize,
    TreeEnsemble: trees::tree_ensemble,
};

/// The writer of an op, if it has a row.
pub(super) fn find(op: &str) -> Option<Write> {
    WRITERS.iter().find(|row| row.op == op).map(|row| row.write)
}
