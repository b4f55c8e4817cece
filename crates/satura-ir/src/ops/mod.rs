//! The ops: one file each, and the one list.

#[macro_use]
mod macros;
mod support;

mod abs;
mod acos;
mod acosh;
mod add;
mod and;
mod arg_reduce;
mod arith;
mod asin;
mod asinh;
mod atan;
mod atanh;
mod avg_pool;
mod batch_norm;
mod bit_cast;
mod broadcast;
mod broadcast_dyn;
mod cast;
mod ceil;
mod checks;
mod clip;
mod concat;
mod constant;
mod conv;
mod conv_integer;
mod conv_transpose;
mod cos;
mod cosh;
mod decode_image;
mod deform_conv;
mod det;
mod dft;
mod dict_vectorize;
mod div;
mod dropout;
mod elu;
mod equal;
mod erf;
mod exp;
mod flatten;
mod floor;
mod gather;
mod gather_elements;
mod gather_nd;
mod gelu;
mod grid_sample;
mod group_norm;
mod gru;
mod hard_sigmoid;
mod hard_swish;
mod hardmax;
mod if_op;
mod instance_norm;
mod iota;
mod is_nan;
mod layer_norm;
mod leaky_relu;
mod less;
mod less_equal;
mod log;
mod log_softmax;
mod lookup;
mod loop_op;
mod lstm;
mod matmul;
mod max;
mod max_pool;
mod mean;
mod min;
mod mul;
mod neg;
mod non_max_suppression;
mod non_zero;
mod norm;
mod not;
mod optional;
mod optional_get;
mod optional_has;
mod or;
mod ordering;
mod pad;
mod pad_dyn;
mod pair_coupling;
mod pow;
mod random;
mod range_dyn;
#[cfg(feature = "regex")]
mod re2;
mod recurrent;
mod reduce;
mod regex_match;
mod relu;
mod rem;
mod reshape;
mod reshape_dyn;
mod resize;
mod resize_dyn;
mod rnn;
mod roi_align;
mod round;
mod sampling;
mod scan;
mod scatter_elements;
mod scatter_nd;
mod select;
mod seq_at;
mod seq_concat;
mod seq_construct;
mod seq_empty;
mod seq_erase;
mod seq_insert;
mod seq_length;
mod seq_split;
mod sequence;
mod shape_of;
mod shift;
mod sigmoid;
mod sign;
mod silu;
mod sin;
mod sinh;
mod size;
mod slice;
mod slice_dyn;
mod softmax;
mod softplus;
mod split;
mod sqrt;
mod squeeze;
mod string_concat;
mod string_normalize;
mod string_split;
mod sub;
mod tan;
mod tanh;
mod tile_dyn;
mod top_k;
mod transpose;
mod tree_ensemble;
mod unique;
mod unsqueeze;
mod window;
mod xor;
mod zip_map;

pub use abs::Abs;
pub use acos::Acos;
pub use acosh::Acosh;
pub use add::Add;
pub use and::And;
pub use arg_reduce::{ArgKind, ArgReduce};
pub use asin::Asin;
pub use asinh::Asinh;
pub use atan::Atan;
pub use atanh::Atanh;
pub use avg_pool::AvgPool;
pub use batch_norm::BatchNorm;
pub use bit_cast::BitCast;
pub use broadcast::Broadcast;
pub use broadcast_dyn::BroadcastDyn;
pub use cast::Cast;
pub use ceil::Ceil;
pub use clip::Clip;
pub use concat::Concat;
pub use constant::Const;
pub use conv::Conv;
pub use conv_integer::ConvInteger;
pub use conv_transpose::ConvTranspose;
pub use cos::Cos;
pub use cosh::Cosh;
pub use decode_image::{DecodeImage, PixelFormat};
pub use deform_conv::DeformConv;
pub use det::Det;
pub use dft::Dft;
pub use dict_vectorize::DictVectorize;
pub use div::Div;
pub use dropout::Dropout;
pub use elu::Elu;
pub use equal::Equal;
pub use erf::Erf;
pub use exp::Exp;
pub use flatten::Flatten;
pub use floor::Floor;
pub use gather::Gather;
pub use gather_elements::GatherElements;
pub use gather_nd::GatherNd;
pub use gelu::Gelu;
pub use grid_sample::{GridPadding, GridSample};
pub use group_norm::GroupNorm;
pub use gru::Gru;
pub use hard_sigmoid::HardSigmoid;
pub use hard_swish::HardSwish;
pub use hardmax::Hardmax;
pub use if_op::If;
pub use instance_norm::InstanceNorm;
pub use iota::Iota;
pub use is_nan::IsNan;
pub use layer_norm::LayerNorm;
pub use leaky_relu::LeakyRelu;
pub use less::Less;
pub use less_equal::LessEqual;
pub use log::Log;
pub use log_softmax::LogSoftmax;
pub use lookup::Lookup;
pub use loop_op::Loop;
pub use lstm::Lstm;
pub use matmul::MatMul;
pub use max::Max;
pub use max_pool::MaxPool;
pub use mean::Mean;
pub use min::Min;
pub use mul::Mul;
pub use neg::Neg;
pub use non_max_suppression::NonMaxSuppression;
pub use non_zero::NonZero;
pub use not::Not;
pub use optional::Optional;
pub use optional_get::OptionalGet;
pub use optional_has::OptionalHas;
pub use or::Or;
pub use pad::Pad;
pub use pad_dyn::{PadDyn, PadMode};
pub use pair_coupling::PairCoupling;
pub use pow::Pow;
pub use random::{Random, RandomKind};
pub use range_dyn::RangeDyn;
pub use recurrent::{Direction, RnnActivation, RnnActivationKind};
pub use reduce::{Reduce, ReduceKind};
pub use regex_match::RegexMatch;
pub use relu::Relu;
pub use rem::{Rem, RemKind};
pub use reshape::Reshape;
pub use reshape_dyn::ReshapeDyn;
pub use resize::{CoordMode, NearestMode, Resize, ResizeMode};
pub use resize_dyn::{ResizeBy, ResizeDyn, ResizePolicy};
pub use rnn::Rnn;
pub use roi_align::{RoiAlign, RoiPool};
pub use round::Round;
pub use scan::Scan;
pub use scatter_elements::{ScatterElements, ScatterKind};
pub use scatter_nd::ScatterNd;
pub use select::Select;
pub use seq_at::SeqAt;
pub use seq_concat::SeqConcat;
pub use seq_construct::SeqConstruct;
pub use seq_empty::SeqEmpty;
pub use seq_erase::SeqErase;
pub use seq_insert::SeqInsert;
pub use seq_length::SeqLength;
pub use seq_split::SeqSplit;
pub use shape_of::ShapeOf;
pub use shift::{Shift, ShiftKind};
pub use sigmoid::Sigmoid;
pub use sign::Sign;
pub use silu::Silu;
pub use sin::Sin;
pub use sinh::Sinh;
pub use size::Size;
pub use slice::Slice;
pub use slice_dyn::SliceDyn;
pub use softmax::Softmax;
pub use softplus::Softplus;
pub use split::Split;
pub use sqrt::Sqrt;
pub use squeeze::Squeeze;
pub use string_concat::StringConcat;
pub use string_normalize::{CaseChange, StringNormalize};
pub use string_split::StringSplit;
pub use sub::Sub;
pub use support::{axis_index, axis_indices};
pub use tan::Tan;
pub use tanh::Tanh;
pub use tile_dyn::TileDyn;
pub use top_k::TopK;
pub use transpose::Transpose;
pub use tree_ensemble::{TreeAggregate, TreeEnsemble, TreeTest};
pub use unique::Unique;
pub use unsqueeze::Unsqueeze;
pub use xor::Xor;
pub use zip_map::ZipMap;

use crate::attr::{AttrText, Attrs};
use crate::op::{Algebra, Arity, Composite, OpDef, ops};
use crate::{ConstStore, Datum, Emit, EvalCx, InferCx, OpError, SymTensor, Type, ValueId};
use satura_tensor::Tensor;

// The only list of ops. A primitive is what every back end must implement, one that works element by element under `elementwise:`; a composite decomposes; a host op is evaluated by its own file on every device: its result has
// a shape that depends on data, or it is about strings, sequences and other values that no device holds.
ops! {
    elementwise:
        // Of one input.
        neg::Neg, abs::Abs, sign::Sign, floor::Floor, ceil::Ceil, round::Round, exp::Exp, log::Log, sqrt::Sqrt,
        sin::Sin, cos::Cos, tan::Tan, tanh::Tanh, sigmoid::Sigmoid, erf::Erf, not::Not, is_nan::IsNan, cast::Cast,
        bit_cast::BitCast,
        // Of two and three.
        add::Add, sub::Sub, mul::Mul, div::Div, pow::Pow, rem::Rem, max::Max, min::Min, and::And, or::Or, xor::Xor,
        equal::Equal, less::Less, less_equal::LessEqual, select::Select;
    primitive:
        constant::Const,
        // Movement.
        reshape::Reshape, transpose::Transpose, broadcast::Broadcast, slice::Slice, pad::Pad, concat::Concat,
        // Shapes and positions as data.
        shape_of::ShapeOf, iota::Iota,
        // Reductions and contractions.
        reduce::Reduce, arg_reduce::ArgReduce, scan::Scan, matmul::MatMul,
        // Indexing.
        gather::Gather, gather_elements::GatherElements, gather_nd::GatherNd,
        scatter_elements::ScatterElements, scatter_nd::ScatterNd,
        // Windows over spatial axes.
        conv::Conv, conv_transpose::ConvTranspose, max_pool::MaxPool, avg_pool::AvgPool, resize::Resize,
        // Control flow.
        if_op::If, loop_op::Loop;
    composite:
        // Activations.
        relu::Relu, leaky_relu::LeakyRelu, elu::Elu, hard_sigmoid::HardSigmoid, hard_swish::HardSwish, silu::Silu,
        softplus::Softplus, gelu::Gelu, clip::Clip, hardmax::Hardmax,
        // Elementwise functions.
        asin::Asin, acos::Acos, atan::Atan, sinh::Sinh, cosh::Cosh, asinh::Asinh, acosh::Acosh, atanh::Atanh, shift::Shift,
        // Movement whose shape follows from the input's, or from values.
        squeeze::Squeeze, unsqueeze::Unsqueeze, flatten::Flatten, split::Split, reshape_dyn::ReshapeDyn,
        broadcast_dyn::BroadcastDyn, slice_dyn::SliceDyn, pad_dyn::PadDyn, tile_dyn::TileDyn,
        // Shapes and positions as data.
        range_dyn::RangeDyn, size::Size,
        // Normalisation.
        mean::Mean, softmax::Softmax, log_softmax::LogSoftmax, batch_norm::BatchNorm, layer_norm::LayerNorm,
        instance_norm::InstanceNorm, group_norm::GroupNorm,
        // Recurrent layers.
        rnn::Rnn, lstm::Lstm, gru::Gru,
        // Windows and resampling.
        conv_integer::ConvInteger, resize_dyn::ResizeDyn, grid_sample::GridSample, roi_align::RoiAlign, deform_conv::DeformConv,
        // Matrices.
        det::Det,
        // Signals.
        dft::Dft,
        // Training.
        dropout::Dropout;
    host:
        // Results whose shape depends on data, and sorting.
        non_zero::NonZero, unique::Unique, top_k::TopK, non_max_suppression::NonMaxSuppression,
        // Random numbers.
        random::Random,
        // Images.
        decode_image::DecodeImage,
        // Texts.
        regex_match::RegexMatch, string_concat::StringConcat, string_split::StringSplit,
        string_normalize::StringNormalize,
        // Classic machine learning.
        lookup::Lookup, tree_ensemble::TreeEnsemble, pair_coupling::PairCoupling, zip_map::ZipMap,
        dict_vectorize::DictVectorize,
        // Sequences and optionals.
        seq_construct::SeqConstruct, seq_empty::SeqEmpty, seq_insert::SeqInsert, seq_erase::SeqErase, seq_at::SeqAt,
        seq_length::SeqLength, seq_split::SeqSplit, seq_concat::SeqConcat, optional::Optional,
        optional_has::OptionalHas, optional_get::OptionalGet;
}
