//! Activations whose rule says more than those of what they are made of.

use crate::vjp::{Gradients, Vjp};
use satura_ir::{OpError, ops};

/// `g` where `x` is positive, 0 elsewhere, at 0 too.
pub(super) fn relu(cx: &mut Vjp<'_>) -> Gradients {
    let zero = cx.scalar(cx.inputs[0], 0.0)?;
    let positive = cx.less(zero, cx.inputs[0])?;
    Vjp::single(cx.select(positive, cx.gradient, zero)?)
}

/// `g` where `x` is positive, `alpha * g` elsewhere, at 0 too.
pub(super) fn leaky_relu(cx: &mut Vjp<'_>, op: &ops::LeakyRelu) -> Gradients {
    let zero = cx.scalar(cx.inputs[0], 0.0)?;
    let positive = cx.less(zero, cx.inputs[0])?;
    let less = cx.scaled(cx.gradient, op.alpha.get())?;
    Vjp::single(cx.select(positive, cx.gradient, less)?)
}

/// `g` within the bounds and on them; a bound gets the gradient of what it holds back.
pub(super) fn clip(cx: &mut Vjp<'_>) -> Gradients {
    let &[x, low, high] = cx.inputs else { return Err(OpError::arity("clip has 3 inputs")) };
    let zero = cx.scalar(cx.gradient, 0.0)?;
    let (below, above) = (cx.less(x, low)?, cx.less(high, x)?);
    let within = cx.select(below, zero, cx.gradient)?;
    let within = cx.select(above, zero, within)?;
    let mut gradients = vec![Some(within), None, None];
    // Where the bounds contradict each other, the upper one holds.
    let crossed = cx.less(high, low)?;
    if cx.wanted[1] {
        let held = cx.select(below, cx.gradient, zero)?;
        let held = cx.select(crossed, zero, held)?;
        gradients[1] = Some(cx.unbroadcast(held, low)?);
    }
    if cx.wanted[2] {
        let held = cx.one(ops::Or {}, &[above, crossed])?;
        let held = cx.select(held, cx.gradient, zero)?;
        gradients[2] = Some(cx.unbroadcast(held, high)?);
    }
    Ok(gradients)
}

/// `y * (g - sum(g * y))`.
pub(super) fn softmax(cx: &mut Vjp<'_>, op: &ops::Softmax) -> Gradients {
    let y = cx.outputs[0];
    let product = cx.mul(cx.gradient, y)?;
    let sum = along(cx, product, op.axis)?;
    let rest = cx.sub(cx.gradient, sum)?;
    Vjp::single(cx.mul(y, rest)?)
}

/// `g - e^y * sum(g)`.
pub(super) fn log_softmax(cx: &mut Vjp<'_>, op: &ops::LogSoftmax) -> Gradients {
    let weights = cx.one(ops::Exp {}, &[cx.outputs[0]])?;
    let sum = along(cx, cx.gradient, op.axis)?;
    let product = cx.mul(weights, sum)?;
    Vjp::single(cx.sub(cx.gradient, product)?)
}

/// The sum along an axis, which stays.
fn along(cx: &mut Vjp<'_>, x: satura_ir::ValueId, axis: i64) -> crate::vjp::Emitted {
    cx.one(ops::Reduce { kind: ops::ReduceKind::Sum, axes: Some(vec![axis]), keep: true }, &[x])
}
