//! Activations.

use super::elementwise::unary;
use crate::node::{Converted, NodeCx};
use satura_ir::attr::Real;
use satura_ir::{Op, ValueId, ops};

fn real(cx: &mut NodeCx<'_>, name: &str, default: f32) -> Result<Real, satura_import::Diagnostic> {
    Ok(Real::from(cx.attrs.float(name)?.unwrap_or(default)))
}

pub(super) fn leaky_relu(cx: &mut NodeCx<'_>) -> Converted {
    let alpha = real(cx, "alpha", 0.01)?;
    unary(cx, ops::LeakyRelu { alpha })
}

pub(super) fn elu(cx: &mut NodeCx<'_>) -> Converted {
    let alpha = real(cx, "alpha", 1.0)?;
    unary(cx, ops::Elu { alpha })
}

pub(super) fn hard_sigmoid(cx: &mut NodeCx<'_>) -> Converted {
    let (alpha, beta) = (real(cx, "alpha", 0.2)?, real(cx, "beta", 0.5)?);
    unary(cx, ops::HardSigmoid { alpha, beta })
}

pub(super) fn gelu(cx: &mut NodeCx<'_>) -> Converted {
    let approximate = cx.attrs.choice("approximate", &[("none", false), ("tanh", true)])?.unwrap_or(false);
    unary(cx, ops::Gelu { approximate })
}

/// `gamma * elu(x, alpha)`.
pub(super) fn selu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let alpha = real(cx, "alpha", 1.673_263_2)?;
    let gamma = real(cx, "gamma", 1.050_701)?;
    let elu = cx.one(ops::Elu { alpha }, &[x])?;
    let gamma = cx.scalar_like(x, gamma.get())?;
    cx.emit(ops::Mul {}, &[elu, gamma])
}

/// `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`, which is `alpha * elu(x / alpha)`.
pub(super) fn celu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let alpha = real(cx, "alpha", 1.0)?;
    let alpha = cx.scalar_like(x, alpha.get())?;
    let scaled = cx.one(ops::Div {}, &[x, alpha])?;
    let elu = cx.one(ops::Elu { alpha: Real::from(1.0f32) }, &[scaled])?;
    cx.emit(ops::Mul {}, &[elu, alpha])
}

/// `x / (1 + |x|)`.
pub(super) fn softsign(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let magnitude = cx.one(ops::Abs {}, &[x])?;
    let one = cx.scalar_like(x, 1.0)?;
    let divisor = cx.one(ops::Add {}, &[one, magnitude])?;
    cx.emit(ops::Div {}, &[x, divisor])
}

/// `x * tanh(softplus(x))`.
pub(super) fn mish(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let softplus = cx.one(ops::Softplus {}, &[x])?;
    let tanh = cx.one(ops::Tanh {}, &[softplus])?;
    cx.emit(ops::Mul {}, &[x, tanh])
}

/// `x * sigmoid(alpha * x)`.
pub(super) fn swish(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let alpha = real(cx, "alpha", 1.0)?.get();
    if alpha == 1.0 {
        return cx.emit(ops::Silu {}, &[x]);
    }
    let alpha = cx.scalar_like(x, alpha)?;
    let scaled = cx.one(ops::Mul {}, &[x, alpha])?;
    let gate = cx.one(ops::Sigmoid {}, &[scaled])?;
    cx.emit(ops::Mul {}, &[x, gate])
}

/// `x` above zero, `slope * x` below.
pub(super) fn prelu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, slope], []) = cx.args()?;
    let zero = cx.scalar_like(x, 0.0)?;
    let negative = cx.one(ops::Less {}, &[x, zero])?;
    let scaled = cx.one(ops::Mul {}, &[x, slope])?;
    cx.emit(ops::Select {}, &[negative, scaled, x])
}

/// `x` where it is above `alpha`, else 0.
pub(super) fn thresholded_relu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let alpha = real(cx, "alpha", 1.0)?;
    let (alpha, zero) = (cx.scalar_like(x, alpha.get())?, cx.scalar_like(x, 0.0)?);
    let above = cx.one(ops::Less {}, &[alpha, x])?;
    cx.emit(ops::Select {}, &[above, x, zero])
}

/// `x + bias` below `-lambd`, `x - bias` above `lambd`, else 0.
pub(super) fn shrink(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let (bias, lambd) = (real(cx, "bias", 0.0)?.get(), real(cx, "lambd", 0.5)?.get());
    let (low, high) = (cx.scalar_like(x, -lambd)?, cx.scalar_like(x, lambd)?);
    let (bias, zero) = (cx.scalar_like(x, bias)?, cx.scalar_like(x, 0.0)?);
    let below = cx.one(ops::Less {}, &[x, low])?;
    let above = cx.one(ops::Less {}, &[high, x])?;
    let raised = cx.one(ops::Add {}, &[x, bias])?;
    let lowered = cx.one(ops::Sub {}, &[x, bias])?;
    let rest = cx.one(ops::Select {}, &[above, lowered, zero])?;
    cx.emit(ops::Select {}, &[below, raised, rest])
}

/// Softmax and its logarithm. Before operator set 13, all axes from `axis` (1 by default) on are one; since, it is one axis (the last by default).
pub(super) fn softmax(cx: &mut NodeCx<'_>, of_axis: fn(i64) -> Op) -> Converted {
    let ([x], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?;
    if cx.version >= 13 {
        return cx.emit(of_axis(axis.unwrap_or(-1)), &[x]);
    }
    let axis = axis.unwrap_or(1);
    if let Some(rank) = cx.rank(x)
        && ops::axis_index(axis, rank)? + 1 == rank
    {
        return cx.emit(of_axis(-1), &[x]);
    }
    let flat = cx.one(ops::Flatten { axis }, &[x])?;
    let result = cx.one(of_axis(-1), &[flat])?;
    reshape_like(cx, result, x)
}

/// `value` in the shape of `like`.
fn reshape_like(cx: &mut NodeCx<'_>, value: ValueId, like: ValueId) -> Converted {
    if let Some(shape) = cx.shape(like).cloned() {
        return cx.emit(ops::Reshape { shape }, &[value]);
    }
    let shape = cx.one(ops::ShapeOf { start: 0, end: None }, &[like])?;
    cx.emit(ops::ReshapeDyn { allow_zero: true }, &[value, shape])
}
