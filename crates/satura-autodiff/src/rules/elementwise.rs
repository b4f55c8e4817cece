//! Elementwise ops of one input. `g` is the gradient of the output `y`, `x` the input.

use crate::vjp::{Gradients, Vjp};
use satura_ir::ops;
use std::f64::consts::FRAC_2_SQRT_PI;

/// `-g`.
pub(super) fn neg(cx: &mut Vjp<'_>) -> Gradients {
    Vjp::single(cx.neg(cx.gradient)?)
}

/// `g * sign(x)`; 0 at 0.
pub(super) fn abs(cx: &mut Vjp<'_>) -> Gradients {
    let sign = cx.one(ops::Sign {}, &[cx.inputs[0]])?;
    Vjp::single(cx.mul(cx.gradient, sign)?)
}

/// `g * y`.
pub(super) fn exp(cx: &mut Vjp<'_>) -> Gradients {
    Vjp::single(cx.mul(cx.gradient, cx.outputs[0])?)
}

/// `g / x`.
pub(super) fn log(cx: &mut Vjp<'_>) -> Gradients {
    Vjp::single(cx.div(cx.gradient, cx.inputs[0])?)
}

/// `g / (2 * y)`.
pub(super) fn sqrt(cx: &mut Vjp<'_>) -> Gradients {
    let half = cx.scaled(cx.gradient, 0.5)?;
    Vjp::single(cx.div(half, cx.outputs[0])?)
}

/// `g * cos(x)`.
pub(super) fn sin(cx: &mut Vjp<'_>) -> Gradients {
    let cos = cx.one(ops::Cos {}, &[cx.inputs[0]])?;
    Vjp::single(cx.mul(cx.gradient, cos)?)
}

/// `-g * sin(x)`.
pub(super) fn cos(cx: &mut Vjp<'_>) -> Gradients {
    let sin = cx.one(ops::Sin {}, &[cx.inputs[0]])?;
    let product = cx.mul(cx.gradient, sin)?;
    Vjp::single(cx.neg(product)?)
}

/// `g * (1 + y^2)`.
pub(super) fn tan(cx: &mut Vjp<'_>) -> Gradients {
    let square = cx.mul(cx.outputs[0], cx.outputs[0])?;
    let one = cx.scalar(square, 1.0)?;
    let slope = cx.add(one, square)?;
    Vjp::single(cx.mul(cx.gradient, slope)?)
}

/// `g * (1 - y^2)`.
pub(super) fn tanh(cx: &mut Vjp<'_>) -> Gradients {
    let square = cx.mul(cx.outputs[0], cx.outputs[0])?;
    let one = cx.scalar(square, 1.0)?;
    let slope = cx.sub(one, square)?;
    Vjp::single(cx.mul(cx.gradient, slope)?)
}

/// `g * y * (1 - y)`.
pub(super) fn sigmoid(cx: &mut Vjp<'_>) -> Gradients {
    let y = cx.outputs[0];
    let one = cx.scalar(y, 1.0)?;
    let rest = cx.sub(one, y)?;
    let slope = cx.mul(y, rest)?;
    Vjp::single(cx.mul(cx.gradient, slope)?)
}

/// `g * 2 / sqrt(pi) * e^(-x^2)`.
pub(super) fn erf(cx: &mut Vjp<'_>) -> Gradients {
    let x = cx.inputs[0];
    let square = cx.mul(x, x)?;
    let exponent = cx.neg(square)?;
    let bell = cx.one(ops::Exp {}, &[exponent])?;
    let slope = cx.scaled(bell, FRAC_2_SQRT_PI)?;
    Vjp::single(cx.mul(cx.gradient, slope)?)
}

/// `g` in the dtype of `x`.
pub(super) fn cast(cx: &mut Vjp<'_>) -> Gradients {
    let to = cx.dtype(cx.inputs[0])?;
    Vjp::single(cx.one(ops::Cast { to }, &[cx.gradient])?)
}
