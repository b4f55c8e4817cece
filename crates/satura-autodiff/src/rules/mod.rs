//! The rules: one function for each op, and the one list.

mod activation;
mod arithmetic;
mod combine;
mod convolution;
mod elementwise;
mod indexing;
mod matmul;
mod movement;
mod pooling;
mod reduction;

use crate::vjp::{Gradients, Vjp};
use satura_ir::{Op, PrimOp};

/// How an op is differentiated.
pub(crate) enum Rule<'a> {
    /// By its rule.
    Known(Box<dyn Fn(&mut Vjp<'_>) -> Gradients + 'a>),
    /// Its output is constant almost everywhere.
    Zero,
    /// By the rules of what it decomposes into.
    Decompose,
    /// Not: why.
    Missing(&'static str),
}

fn known<'a>(rule: impl Fn(&mut Vjp<'_>) -> Gradients + 'a) -> Rule<'a> {
    Rule::Known(Box::new(rule))
}

/// The rule of an op.
pub(crate) fn rule(op: &Op) -> Rule<'_> {
    if op.is_host() {
        return Rule::Missing("there is no rule for the op");
    }
    match (op.prim(), op) {
        (Some(prim), _) => primitive(prim),
        // Where the rule of the whole says more than those of the parts, or needs fewer nodes.
        (None, Op::Relu(_)) => known(activation::relu),
        (None, Op::LeakyRelu(op)) => known(|cx| activation::leaky_relu(cx, op)),
        (None, Op::Clip(_)) => known(activation::clip),
        (None, Op::Softmax(op)) => known(|cx| activation::softmax(cx, op)),
        (None, Op::LogSoftmax(op)) => known(|cx| activation::log_softmax(cx, op)),
        (None, Op::Hardmax(_) | Op::Size(_)) => Rule::Zero,
        (None, _) => Rule::Decompose,
    }
}

#[deny(clippy::wildcard_enum_match_arm)]
fn primitive(op: PrimOp<'_>) -> Rule<'_> {
    match op {
        PrimOp::Const(_)
        | PrimOp::Sign(_)
        | PrimOp::Floor(_)
        | PrimOp::Ceil(_)
        | PrimOp::Round(_)
        | PrimOp::Not(_)
        | PrimOp::IsNan(_)
        | PrimOp::And(_)
        | PrimOp::Or(_)
        | PrimOp::Xor(_)
        | PrimOp::Equal(_)
        | PrimOp::Less(_)
        | PrimOp::LessEqual(_)
        | PrimOp::ShapeOf(_)
        | PrimOp::Iota(_)
        | PrimOp::ArgReduce(_) => Rule::Zero,
        PrimOp::Neg(_) => known(elementwise::neg),
        PrimOp::Abs(_) => known(elementwise::abs),
        PrimOp::Exp(_) => known(elementwise::exp),
        PrimOp::Log(_) => known(elementwise::log),
        PrimOp::Sqrt(_) => known(elementwise::sqrt),
        PrimOp::Sin(_) => known(elementwise::sin),
        PrimOp::Cos(_) => known(elementwise::cos),
        PrimOp::Tan(_) => known(elementwise::tan),
        PrimOp::Tanh(_) => known(elementwise::tanh),
        PrimOp::Sigmoid(_) => known(elementwise::sigmoid),
        PrimOp::Erf(_) => known(elementwise::erf),
        PrimOp::Cast(_) => known(elementwise::cast),
        PrimOp::BitCast(_) => Rule::Missing("bits have no gradient"),
        PrimOp::Add(_) => known(arithmetic::add),
        PrimOp::Sub(_) => known(arithmetic::sub),
        PrimOp::Mul(_) => known(arithmetic::mul),
        PrimOp::Div(_) => known(arithmetic::div),
        PrimOp::Pow(_) => known(arithmetic::pow),
        PrimOp::Rem(op) => known(move |cx| arithmetic::rem(cx, op)),
        PrimOp::Max(_) => known(combine::max),
        PrimOp::Min(_) => known(combine::min),
        PrimOp::Select(_) => known(combine::select),
        PrimOp::Reshape(_) => known(movement::reshape),
        PrimOp::Transpose(op) => known(move |cx| movement::transpose(cx, op)),
        PrimOp::Broadcast(_) => known(movement::broadcast),
        PrimOp::Slice(op) => known(move |cx| movement::slice(cx, op)),
        PrimOp::Pad(op) => known(move |cx| movement::pad(cx, op)),
        PrimOp::Concat(op) => known(move |cx| movement::concat(cx, op)),
        PrimOp::Reduce(op) => known(move |cx| reduction::reduce(cx, op)),
        PrimOp::Scan(op) => known(move |cx| reduction::scan(cx, op)),
        PrimOp::MatMul(_) => known(matmul::matmul),
        PrimOp::Gather(op) => known(move |cx| indexing::gather(cx, op)),
        PrimOp::GatherElements(op) => known(move |cx| indexing::gather_elements(cx, op)),
        PrimOp::GatherNd(op) => known(move |cx| indexing::gather_nd(cx, op)),
        PrimOp::ScatterElements(op) => known(move |cx| indexing::scatter_elements(cx, op)),
        PrimOp::ScatterNd(op) => known(move |cx| indexing::scatter_nd(cx, op)),
        PrimOp::Conv(op) => known(move |cx| convolution::conv(cx, op)),
        PrimOp::ConvTranspose(op) => known(move |cx| convolution::conv_transpose(cx, op)),
        PrimOp::AvgPool(op) => known(move |cx| pooling::avg_pool(cx, op)),
        PrimOp::MaxPool(op) => known(move |cx| pooling::max_pool(cx, op)),
        PrimOp::Resize(_) => Rule::Missing("there is no rule for resampling"),
        PrimOp::If(_) | PrimOp::Loop(_) => Rule::Missing("there is no rule for control flow"),
    }
}
