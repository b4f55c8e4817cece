//! The converters: one function an op, and the one table.
//!
//! A row says which op it reads, in which versions of its domain. A converter takes every input and attribute of the op, adapts old forms, and adds IR ops;
//! an attribute that it does not take is reported as an error.

mod activation;
mod attention;
mod cast;
mod constant;
mod control;
mod crop;
mod einsum;
mod elementwise;
mod flex_attention;
mod gradient;
mod image;
mod indexing;
mod legacy;
mod local_norm;
mod loss;
mod matmul;
mod microsoft;
mod ml;
mod movement;
mod ngrams;
mod norm;
mod pool;
mod quantize;
mod random;
mod recurrent;
mod reduce;
mod resample;
mod resize;
mod sample;
mod select;
mod sequence;
mod signal;
mod state;
mod text;
mod training;
mod window;

use crate::node::Convert;
use elementwise::{binary, fold, swapped, unary};
use satura_import::Converter;
use satura_ir::ops::{self, ArgKind, RandomKind, ReduceKind};

/// The newest operator set that the table was written for.
const LATEST: i64 = 28;

const fn row(op: &'static str, since: i64, until: i64, run: Convert) -> Converter<Convert> {
    Converter { domain: "", op, since, until, run }
}

const fn of(
    domain: &'static str,
    op: &'static str,
    since: i64,
    until: i64,
    run: Convert,
) -> Converter<Convert> {
    Converter { domain, op, since, until, run }
}

const PREVIEW: &str = "ai.onnx.preview";
const TRAINING: &str = "ai.onnx.preview.training";
const ML: &str = "ai.onnx.ml";
const MS: &str = "com.microsoft";

/// Every op that is read.
pub(crate) const ONNX_OPS: &[Converter<Convert>] = &[
    // Elementwise, of one input.
    row("Abs", 1, LATEST, |cx| unary(cx, ops::Abs {})),
    row("Acos", 7, LATEST, |cx| unary(cx, ops::Acos {})),
    row("Acosh", 9, LATEST, |cx| unary(cx, ops::Acosh {})),
    row("Asin", 7, LATEST, |cx| unary(cx, ops::Asin {})),
    row("Asinh", 9, LATEST, |cx| unary(cx, ops::Asinh {})),
    row("Atan", 7, LATEST, |cx| unary(cx, ops::Atan {})),
    row("Atanh", 9, LATEST, |cx| unary(cx, ops::Atanh {})),
    row("BitwiseNot", 18, LATEST, elementwise::bitwise_not),
    row("Ceil", 1, LATEST, |cx| unary(cx, ops::Ceil {})),
    row("Cos", 7, LATEST, |cx| unary(cx, ops::Cos {})),
    row("Cosh", 9, LATEST, |cx| unary(cx, ops::Cosh {})),
    row("Erf", 9, LATEST, |cx| unary(cx, ops::Erf {})),
    row("Exp", 1, LATEST, |cx| unary(cx, ops::Exp {})),
    row("Floor", 1, LATEST, |cx| unary(cx, ops::Floor {})),
    row("IsInf", 10, LATEST, elementwise::is_inf),
    row("IsNaN", 9, LATEST, |cx| unary(cx, ops::IsNan {})),
    row("Log", 1, LATEST, |cx| unary(cx, ops::Log {})),
    row("Neg", 1, LATEST, |cx| unary(cx, ops::Neg {})),
    row("Not", 1, LATEST, |cx| unary(cx, ops::Not {})),
    row("Reciprocal", 1, LATEST, elementwise::reciprocal),
    row("Round", 11, LATEST, |cx| unary(cx, ops::Round {})),
    row("Sign", 9, LATEST, |cx| unary(cx, ops::Sign {})),
    row("Sin", 7, LATEST, |cx| unary(cx, ops::Sin {})),
    row("Sinh", 9, LATEST, |cx| unary(cx, ops::Sinh {})),
    row("Sqrt", 1, LATEST, |cx| unary(cx, ops::Sqrt {})),
    row("Tan", 7, LATEST, |cx| unary(cx, ops::Tan {})),
    row("Tanh", 1, LATEST, |cx| unary(cx, ops::Tanh {})),
    // Elementwise, of two and more inputs. They broadcast as NumPy does from operator set 7 on.
    row("Add", 1, 6, |cx| legacy::binary(cx, ops::Add {})),
    row("Add", 7, LATEST, |cx| binary(cx, ops::Add {})),
    row("And", 1, 6, |cx| legacy::binary(cx, ops::And {})),
    row("And", 7, LATEST, |cx| binary(cx, ops::And {})),
    row("BitCast", 26, LATEST, cast::bit_cast),
    row("BitShift", 11, LATEST, elementwise::bit_shift),
    row("BitwiseAnd", 18, LATEST, |cx| binary(cx, ops::And {})),
    row("BitwiseOr", 18, LATEST, |cx| binary(cx, ops::Or {})),
    row("BitwiseXor", 18, LATEST, |cx| binary(cx, ops::Xor {})),
    row("Div", 1, 6, |cx| legacy::binary(cx, ops::Div {})),
    row("Div", 7, LATEST, |cx| binary(cx, ops::Div {})),
    row("Equal", 1, 6, |cx| legacy::binary(cx, ops::Equal {})),
    row("Equal", 7, LATEST, |cx| binary(cx, ops::Equal {})),
    row("Greater", 1, 6, |cx| legacy::swapped(cx, ops::Less {})),
    row("Greater", 7, LATEST, |cx| swapped(cx, ops::Less {})),
    row("GreaterOrEqual", 12, LATEST, |cx| swapped(cx, ops::LessEqual {})),
    row("Less", 1, 6, |cx| legacy::binary(cx, ops::Less {})),
    row("Less", 7, LATEST, |cx| binary(cx, ops::Less {})),
    row("LessOrEqual", 12, LATEST, |cx| binary(cx, ops::LessEqual {})),
    row("Max", 1, LATEST, |cx| fold(cx, ops::Max {})),
    row("Mean", 1, LATEST, elementwise::mean),
    row("Min", 1, LATEST, |cx| fold(cx, ops::Min {})),
    row("Mod", 10, LATEST, elementwise::modulo),
    row("Mul", 1, 6, |cx| legacy::binary(cx, ops::Mul {})),
    row("Mul", 7, LATEST, |cx| binary(cx, ops::Mul {})),
    row("Or", 1, 6, |cx| legacy::binary(cx, ops::Or {})),
    row("Or", 7, LATEST, |cx| binary(cx, ops::Or {})),
    row("Pow", 1, 6, |cx| legacy::binary(cx, ops::Pow {})),
    row("Pow", 7, LATEST, elementwise::pow),
    row("Sub", 1, 6, |cx| legacy::binary(cx, ops::Sub {})),
    row("Sub", 7, LATEST, |cx| binary(cx, ops::Sub {})),
    row("Sum", 1, LATEST, |cx| fold(cx, ops::Add {})),
    row("Where", 9, LATEST, elementwise::select),
    row("Xor", 1, 6, |cx| legacy::binary(cx, ops::Xor {})),
    row("Xor", 7, LATEST, |cx| binary(cx, ops::Xor {})),
    row("Cast", 1, 5, legacy::cast),
    row("Cast", 6, LATEST, cast::cast),
    row("CastLike", 15, LATEST, cast::cast_like),
    row("Clip", 1, LATEST, elementwise::clip),
    // Activations.
    row("Celu", 12, LATEST, activation::celu),
    row("Elu", 1, LATEST, activation::elu),
    row("Gelu", 20, LATEST, activation::gelu),
    row("HardSigmoid", 1, LATEST, activation::hard_sigmoid),
    row("HardSwish", 14, LATEST, |cx| unary(cx, ops::HardSwish {})),
    row("Hardmax", 1, LATEST, |cx| activation::softmax(cx, |axis| ops::Hardmax { axis }.into())),
    row("LeakyRelu", 1, LATEST, activation::leaky_relu),
    row("LogSoftmax", 1, LATEST, |cx| activation::softmax(cx, |axis| ops::LogSoftmax { axis }.into())),
    row("Mish", 18, LATEST, activation::mish),
    row("PRelu", 1, 6, legacy::prelu),
    row("PRelu", 7, LATEST, activation::prelu),
    row("Relu", 1, LATEST, |cx| unary(cx, ops::Relu {})),
    row("Selu", 1, 5, legacy::selu),
    row("Selu", 6, LATEST, activation::selu),
    row("Shrink", 9, LATEST, activation::shrink),
    row("Sigmoid", 1, LATEST, |cx| unary(cx, ops::Sigmoid {})),
    row("Softmax", 1, LATEST, |cx| activation::softmax(cx, |axis| ops::Softmax { axis }.into())),
    row("Softplus", 1, LATEST, |cx| unary(cx, ops::Softplus {})),
    row("Softsign", 1, LATEST, activation::softsign),
    row("Swish", 24, LATEST, activation::swish),
    row("ThresholdedRelu", 10, LATEST, activation::thresholded_relu),
    // Movement.
    row("CenterCropPad", 18, LATEST, crop::center_crop_pad),
    row("Col2Im", 18, LATEST, crop::col2im),
    row("Concat", 1, 3, legacy::concat),
    row("Concat", 4, LATEST, movement::concat),
    row("DepthToSpace", 1, LATEST, movement::depth_to_space),
    row("Expand", 8, LATEST, movement::expand),
    row("Flatten", 1, LATEST, movement::flatten),
    row("Pad", 1, 1, legacy::pad),
    row("Pad", 2, LATEST, movement::pad),
    row("Reshape", 1, 4, legacy::reshape),
    row("Reshape", 5, LATEST, movement::reshape),
    row("ReverseSequence", 10, LATEST, select::reverse_sequence),
    row("Slice", 1, LATEST, movement::slice),
    row("SpaceToDepth", 1, LATEST, movement::space_to_depth),
    row("Split", 1, 1, legacy::split),
    row("Split", 2, LATEST, movement::split),
    row("Squeeze", 1, LATEST, movement::squeeze),
    row("Tile", 1, 5, legacy::tile),
    row("Tile", 6, LATEST, movement::tile),
    row("Transpose", 1, LATEST, movement::transpose),
    row("Unsqueeze", 1, LATEST, movement::unsqueeze),
    // Constants, shapes as data, and what does nothing.
    row("Constant", 1, LATEST, constant::constant),
    row("ConstantOfShape", 9, LATEST, constant::constant_of_shape),
    row("Dropout", 1, 6, legacy::dropout),
    row("Dropout", 7, LATEST, constant::dropout),
    row("EyeLike", 9, LATEST, constant::eye_like),
    row("Identity", 1, LATEST, constant::identity),
    row("Range", 11, LATEST, constant::range),
    row("Shape", 1, LATEST, constant::shape),
    row("Size", 1, LATEST, |cx| unary(cx, ops::Size {})),
    row("Trilu", 14, LATEST, constant::trilu),
    // Reductions.
    row("ArgMax", 1, LATEST, |cx| reduce::arg(cx, ArgKind::Max)),
    row("ArgMin", 1, LATEST, |cx| reduce::arg(cx, ArgKind::Min)),
    row("CumProd", 26, LATEST, |cx| reduce::cumulative(cx, ReduceKind::Prod)),
    row("CumSum", 11, LATEST, |cx| reduce::cumulative(cx, ReduceKind::Sum)),
    row("ReduceL1", 1, LATEST, reduce::l1),
    row("ReduceL2", 1, LATEST, reduce::l2),
    row("ReduceLogSum", 1, LATEST, reduce::log_sum),
    row("ReduceLogSumExp", 1, LATEST, reduce::log_sum_exp),
    row("ReduceMax", 1, LATEST, |cx| reduce::reduce(cx, ReduceKind::Max, 18)),
    row("ReduceMean", 1, LATEST, reduce::mean),
    row("ReduceMin", 1, LATEST, |cx| reduce::reduce(cx, ReduceKind::Min, 18)),
    row("ReduceProd", 1, LATEST, |cx| reduce::reduce(cx, ReduceKind::Prod, 18)),
    row("ReduceSum", 1, LATEST, |cx| reduce::reduce(cx, ReduceKind::Sum, 13)),
    row("ReduceSumSquare", 1, LATEST, reduce::sum_square),
    // Matrix products, convolutions, pooling, resampling.
    row("AffineGrid", 20, LATEST, sample::affine_grid),
    row("DeformConv", 19, LATEST, sample::deform_conv),
    row("Det", 11, LATEST, |cx| unary(cx, ops::Det {})),
    row("Einsum", 12, LATEST, einsum::einsum),
    row("Gemm", 1, 6, legacy::gemm),
    row("Gemm", 7, LATEST, matmul::gemm),
    row("GlobalLpPool", 1, LATEST, pool::global_lp_pool),
    row("GridSample", 16, LATEST, sample::grid_sample),
    row("LpPool", 1, LATEST, pool::lp_pool),
    row("MatMul", 1, LATEST, matmul::matmul),
    row("AveragePool", 1, LATEST, window::average_pool),
    row("Conv", 1, LATEST, window::conv),
    row("ConvTranspose", 1, LATEST, window::conv_transpose),
    row("GlobalAveragePool", 1, LATEST, window::global_average_pool),
    row("GlobalMaxPool", 1, LATEST, window::global_max_pool),
    row("MaxPool", 1, LATEST, window::max_pool),
    row("MaxUnpool", 9, LATEST, pool::max_unpool),
    row("Resize", 10, 10, resize::upsample),
    row("Resize", 11, LATEST, resize::resize),
    row("RoiAlign", 10, LATEST, sample::roi_align),
    row("Upsample", 1, 6, legacy::upsample),
    row("Upsample", 7, 9, resize::upsample),
    // Indexing.
    row("Gather", 1, LATEST, indexing::gather),
    row("GatherElements", 11, LATEST, indexing::gather_elements),
    row("GatherND", 11, LATEST, indexing::gather_nd),
    row("OneHot", 9, LATEST, indexing::one_hot),
    row("Scatter", 9, 10, indexing::scatter_elements),
    row("ScatterElements", 11, LATEST, indexing::scatter_elements),
    row("ScatterND", 11, LATEST, indexing::scatter_nd),
    // Sorting and selecting.
    row("Compress", 9, LATEST, select::compress),
    row("NonMaxSuppression", 10, LATEST, select::non_max_suppression),
    row("NonZero", 9, LATEST, |cx| unary(cx, ops::NonZero {})),
    row("TopK", 1, LATEST, select::top_k),
    row("Unique", 11, LATEST, select::unique),
    // Signals.
    row("BlackmanWindow", 17, LATEST, |cx| signal::window(cx, &[0.42, -0.5, 0.08])),
    row("DFT", 17, LATEST, signal::dft),
    row("HammingWindow", 17, LATEST, |cx| signal::window(cx, &[25.0 / 46.0, -21.0 / 46.0])),
    row("HannWindow", 17, LATEST, |cx| signal::window(cx, &[0.5, -0.5])),
    row("MelWeightMatrix", 17, LATEST, signal::mel_weight_matrix),
    row("STFT", 17, LATEST, signal::stft),
    // Normalisation.
    row("BatchNormalization", 1, 6, legacy::batch_norm),
    row("BatchNormalization", 7, LATEST, norm::batch_norm),
    row("GroupNormalization", 18, LATEST, norm::group_norm),
    row("InstanceNormalization", 1, LATEST, norm::instance_norm),
    row("LRN", 1, LATEST, local_norm::lrn),
    row("LayerNormalization", 17, LATEST, norm::layer_norm),
    row("LpNormalization", 1, LATEST, local_norm::lp_normalization),
    row("MeanVarianceNormalization", 9, LATEST, local_norm::mean_variance),
    row("RMSNormalization", 23, LATEST, norm::rms_norm),
    // Recurrent layers.
    row("GRU", 1, LATEST, recurrent::gru),
    row("LSTM", 1, LATEST, recurrent::lstm),
    row("RNN", 1, LATEST, recurrent::rnn),
    // Attention.
    row("Attention", 23, LATEST, attention::attention),
    of(PREVIEW, "FlexAttention", 1, 1, flex_attention::flex_attention),
    row("CausalConvWithState", 27, LATEST, state::causal_convolution),
    row("LinearAttention", 27, LATEST, state::linear_attention),
    row("RotaryEmbedding", 23, LATEST, attention::rotary_embedding),
    row("SwiGLU", 28, LATEST, state::swiglu),
    row("TensorScatter", 24, LATEST, attention::tensor_scatter),
    // Losses.
    row("NegativeLogLikelihoodLoss", 12, LATEST, loss::negative_log_likelihood),
    row("SoftmaxCrossEntropyLoss", 12, LATEST, loss::softmax_cross_entropy),
    // Quantised numbers.
    row("ConvInteger", 10, LATEST, quantize::conv_integer),
    row("DequantizeLinear", 10, LATEST, quantize::dequantize),
    row("DynamicQuantizeLinear", 11, LATEST, quantize::dynamic_quantize),
    row("MatMulInteger", 10, LATEST, quantize::matmul_integer),
    row("QLinearConv", 10, LATEST, quantize::qlinear_conv),
    row("QLinearMatMul", 10, LATEST, quantize::qlinear_matmul),
    row("QuantizeLinear", 10, LATEST, quantize::quantize),
    // Random numbers.
    row("Bernoulli", 15, LATEST, random::bernoulli),
    row("Multinomial", 7, LATEST, random::multinomial),
    row("RandomNormal", 1, LATEST, |cx| random::of_shape(cx, RandomKind::Normal)),
    row("RandomNormalLike", 1, LATEST, |cx| random::like(cx, RandomKind::Normal)),
    row("RandomUniform", 1, LATEST, |cx| random::of_shape(cx, RandomKind::Uniform)),
    row("RandomUniformLike", 1, LATEST, |cx| random::like(cx, RandomKind::Uniform)),
    // Images.
    row("ImageDecoder", 20, LATEST, image::decoder),
    // Texts.
    row("RegexFullMatch", 20, LATEST, text::regex_full_match),
    row("StringConcat", 20, LATEST, text::concat),
    row("StringNormalizer", 10, LATEST, text::normalize),
    row("StringSplit", 20, LATEST, text::split),
    row("TfIdfVectorizer", 9, LATEST, ngrams::tf_idf_vectorizer),
    // Classic machine learning.
    of(ML, "ArrayFeatureExtractor", 1, 5, ml::features::extract),
    of(ML, "Binarizer", 1, 5, ml::features::binarizer),
    of(ML, "CategoryMapper", 1, 5, ml::labels::category_mapper),
    of(ML, "DictVectorizer", 1, 5, ml::labels::dict_vectorizer),
    of(ML, "FeatureVectorizer", 1, 5, ml::features::feature_vectorizer),
    of(ML, "Imputer", 1, 5, ml::features::imputer),
    of(ML, "LabelEncoder", 1, 5, ml::labels::label_encoder),
    of(ML, "LinearClassifier", 1, 5, ml::linear::classifier),
    of(ML, "LinearRegressor", 1, 5, ml::linear::regressor),
    of(ML, "Normalizer", 1, 5, ml::features::normalizer),
    of(ML, "OneHotEncoder", 1, 5, ml::features::one_hot_encoder),
    of(ML, "SVMClassifier", 1, 5, ml::svm::classifier),
    of(ML, "SVMRegressor", 1, 5, ml::svm::regressor),
    of(ML, "Scaler", 1, 5, ml::features::scaler),
    of(ML, "TreeEnsemble", 5, 5, ml::trees::ensemble),
    of(ML, "TreeEnsembleClassifier", 1, 5, ml::trees::classifier),
    of(ML, "TreeEnsembleRegressor", 1, 5, ml::trees::regressor),
    of(ML, "ZipMap", 1, 5, ml::labels::zip_map),
    // Fused and quantised forms, and layers of transformers, of onnxruntime. The first two it has in the standard domain.
    row("LayerNormalization", 1, 16, norm::layer_norm),
    row("SimplifiedLayerNormalization", 1, LATEST, microsoft::norm::simplified),
    of(MS, "Attention", 1, 1, microsoft::attention::attention),
    of(MS, "BiasAdd", 1, 1, microsoft::matmul::bias_add),
    of(MS, "BiasDropout", 1, 1, microsoft::activation::bias_dropout),
    of(MS, "BiasGelu", 1, 1, |cx| microsoft::activation::gelu(cx, false)),
    of(MS, "BiasSoftmax", 1, 1, microsoft::activation::bias_softmax),
    of(MS, "BiasSplitGelu", 1, 1, microsoft::activation::bias_split_gelu),
    of(MS, "BranchwiseRMSNorm", 1, 1, microsoft::norm::branch_rms_norm),
    of(MS, "CDist", 1, 1, microsoft::linear::distances),
    of(MS, "CausalConvWithState", 1, 1, microsoft::movement::causal_convolution),
    of(MS, "ComplexMul", 1, 1, |cx| microsoft::linear::complex_product(cx, false)),
    of(MS, "ComplexMulConj", 1, 1, |cx| microsoft::linear::complex_product(cx, true)),
    of(MS, "ConvTransposeWithDynamicPads", 1, 1, microsoft::activation::conv_transpose_padded),
    of(MS, "CropAndResize", 1, 1, microsoft::movement::crop_and_resize),
    of(MS, "DecoderMaskedMultiHeadAttention", 1, 1, microsoft::attention::decoder_masked),
    of(MS, "DequantizeLinear", 1, 1, microsoft::quantized::dequantize),
    of(MS, "DynamicQuantizeLSTM", 1, 1, microsoft::lstm::dynamic_quantized),
    of(MS, "DynamicQuantizeMatMul", 1, 1, microsoft::matmul::dynamic_quantized),
    of(MS, "EmbedLayerNormalization", 1, 1, microsoft::embed::layer_normalized),
    of(MS, "ExpandDims", 1, 1, microsoft::movement::expand_dims),
    of(MS, "FastGelu", 1, 1, |cx| microsoft::activation::gelu(cx, true)),
    of(MS, "FusedConv", 1, 1, microsoft::activation::fused_conv),
    of(MS, "FusedGemm", 1, 1, microsoft::activation::fused_gemm),
    of(MS, "FusedMatMul", 1, 1, microsoft::matmul::fused),
    of(MS, "FusedMatMulActivation", 1, 1, microsoft::matmul::fused_activation),
    of(MS, "GatedAdd", 1, 1, microsoft::activation::gated_add),
    of(MS, "GatedRMSNorm", 1, 1, microsoft::norm::gated_rms_norm),
    of(MS, "GatherBlockQuantized", 1, 1, microsoft::weights::gather_blocks),
    of(MS, "GatherND", 1, 1, indexing::gather_nd),
    of(MS, "Gelu", 1, 1, |cx| microsoft::activation::gelu(cx, false)),
    of(MS, "GemmFastGelu", 1, 1, microsoft::activation::gemm_fast_gelu),
    of(MS, "GemmaRotaryEmbedding", 1, 1, microsoft::rotary::given),
    of(MS, "GridSample", 1, 1, sample::grid_sample),
    of(MS, "GroupNorm", 1, 1, microsoft::norm::group_norm),
    of(MS, "GroupQueryAttention", 1, 1, microsoft::grouped::attention),
    of(MS, "Inverse", 1, 1, microsoft::linear::inverse),
    of(MS, "Irfft", 1, 1, microsoft::linear::signal),
    of(MS, "IsAllFinite", 1, 1, microsoft::linear::all_finite),
    of(MS, "LinearAttention", 1, 1, state::linear_attention),
    of(MS, "LinearAttentionGate", 1, 1, microsoft::movement::attention_gate),
    of(MS, "MRotaryEmbedding", 1, 1, microsoft::rotary::multimodal),
    of(MS, "MatMulBnb4", 1, 1, microsoft::weights::bnb4),
    of(MS, "MatMulInteger16", 1, 1, microsoft::matmul::integer16),
    of(MS, "MatMulIntegerToFloat", 1, 1, microsoft::matmul::integer_to_float),
    of(MS, "MatMulNBits", 1, 1, microsoft::weights::n_bits),
    of(MS, "MoE", 1, 1, microsoft::moe::moe),
    of(MS, "MulInteger", 1, 1, microsoft::matmul::mul_integer),
    of(MS, "MultiHeadAttention", 1, 1, microsoft::attention::multi_head),
    of(MS, "NGramRepeatBlock", 1, 1, microsoft::movement::no_repeats),
    of(MS, "NhwcConv", 1, 1, |cx| microsoft::activation::channels_last(cx, window::conv)),
    of(MS, "NhwcFusedConv", 1, 1, microsoft::activation::nhwc_fused_conv),
    of(MS, "NhwcMaxPool", 1, 1, microsoft::activation::nhwc_max_pool),
    of(MS, "PackedAttention", 1, 1, microsoft::attention::packed_attention),
    of(MS, "PackedMultiHeadAttention", 1, 1, microsoft::attention::packed_multi_head),
    of(MS, "Pad", 1, 1, microsoft::movement::pad),
    of(MS, "QAttention", 1, 1, microsoft::attention::quantized),
    of(MS, "QEmbedLayerNormalization", 1, 1, microsoft::embed::quantized),
    of(MS, "QGemm", 1, 1, microsoft::quantized::gemm),
    of(MS, "QLinearAdd", 1, 1, microsoft::quantized::add),
    of(MS, "QLinearAveragePool", 1, 1, microsoft::quantized::average_pool),
    of(MS, "QLinearConcat", 1, 1, microsoft::quantized::concat),
    of(MS, "QLinearConv", 1, 1, microsoft::quantized::conv),
    of(MS, "QLinearGlobalAveragePool", 1, 1, microsoft::quantized::global_average_pool),
    of(MS, "QLinearLeakyRelu", 1, 1, microsoft::quantized::leaky_relu),
    of(MS, "QLinearMul", 1, 1, microsoft::quantized::multiply),
    of(MS, "QLinearReduceMean", 1, 1, microsoft::quantized::reduce_mean),
    of(MS, "QLinearSigmoid", 1, 1, microsoft::quantized::sigmoid),
    of(MS, "QLinearSoftmax", 1, 1, microsoft::quantized::softmax),
    of(MS, "QLinearWhere", 1, 1, microsoft::quantized::select),
    of(MS, "QMoE", 1, 1, microsoft::moe::quantized),
    of(MS, "QuantizeLinear", 1, 1, microsoft::quantized::quantize),
    of(MS, "QuickGelu", 1, 1, microsoft::activation::quick_gelu),
    of(MS, "Range", 1, 1, microsoft::movement::range),
    of(MS, "ReduceSumInteger", 1, 1, microsoft::quantized::reduce_sum),
    of(MS, "Rfft", 1, 1, microsoft::linear::spectrum),
    of(MS, "RotaryEmbedding", 1, 1, microsoft::rotary::embedding),
    of(MS, "SampleOp", 1, 1, constant::identity),
    of(MS, "ScaledSiLU", 1, 1, microsoft::activation::scaled_silu),
    of(MS, "SkipGroupNorm", 1, 1, microsoft::norm::skip_group_norm),
    of(MS, "SkipLayerNormalization", 1, 1, microsoft::norm::skip_layer_norm),
    of(MS, "SkipSimplifiedLayerNormalization", 1, 1, microsoft::norm::skip_simplified),
    of(MS, "SwiGLU", 1, 1, microsoft::activation::swiglu),
    of(MS, "TorchEmbedding", 1, 1, microsoft::movement::embedding),
    of(MS, "TransposeMatMul", 1, 1, microsoft::matmul::fused),
    of(MS, "Trilu", 1, 1, constant::trilu),
    of(MS, "UnfoldTensor", 1, 1, microsoft::movement::unfold),
    of(MS, "Unique", 1, 1, microsoft::movement::unique),
    // Gradients, and steps of optimisers.
    of(TRAINING, "Adagrad", 1, 1, training::adagrad),
    of(TRAINING, "Adam", 1, 1, training::adam),
    of(TRAINING, "Gradient", 1, 1, gradient::gradient),
    of(TRAINING, "Momentum", 1, 1, training::momentum),
    // Control flow.
    row("If", 1, LATEST, control::conditional),
    row("Loop", 1, LATEST, control::repeat),
    row("Scan", 8, 8, control::scan_batches),
    row("Scan", 9, LATEST, control::scan),
    row("SequenceMap", 17, LATEST, control::sequence_map),
    // Sequences and optionals.
    row("ConcatFromSequence", 11, LATEST, sequence::concat),
    row("Optional", 15, LATEST, sequence::optional),
    row("OptionalGetElement", 15, LATEST, sequence::get_element),
    row("OptionalHasElement", 15, LATEST, sequence::has_element),
    row("SequenceAt", 11, LATEST, sequence::at),
    row("SequenceConstruct", 11, LATEST, sequence::construct),
    row("SequenceEmpty", 11, LATEST, sequence::empty),
    row("SequenceErase", 11, LATEST, sequence::erase),
    row("SequenceInsert", 11, LATEST, sequence::insert),
    row("SequenceLength", 11, LATEST, sequence::length),
    row("SplitToSequence", 11, LATEST, sequence::split),
];

#[cfg(test)]
mod tests {
    use satura_import::ConverterTable;

    #[test]
    fn rows_do_not_overlap() {
        let table = ConverterTable::new(super::ONNX_OPS);
        let overlaps: Vec<&str> = table.overlaps().iter().map(|row| row.op).collect();
        assert_eq!(overlaps, [""; 0]);
    }
}
