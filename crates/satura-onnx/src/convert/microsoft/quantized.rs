//! Ops on quantised tensors: on the numbers that they stand for.

use super::super::quantize::{centre, one_or_many, quantised, real, requantised};
use super::super::{activation, matmul, quantize as standard, reduce, window};
use super::activation::channels_last;
use super::as_standard;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::{Op, ValueId, ops};
use satura_tensor::DType;

/// `op(x, x_scale, x_zero, y_scale, y_zero)` on the numbers. `run` sees the node with the numbers as its only input.
fn on_numbers(cx: &mut NodeCx<'_>, run: impl FnOnce(&mut NodeCx<'_>, ValueId) -> Emitted) -> Converted {
    let ([x, x_scale], [x_zero, y_scale, y_zero]) = cx.args()?;
    let y_scale = y_scale.ok_or_else(|| {
        Diagnostic::error(Code::InputCount, "the scale of the result is missing").at_input(3)
    })?;
    let to = cx.dtype(x)?;
    let numbers = real(cx, x, x_scale, x_zero)?;
    cx.inputs = vec![Some(numbers)];
    let result = run(cx, numbers)?;
    Ok(vec![quantised(cx, result, y_scale, y_zero, to)?])
}

pub(in crate::convert) fn sigmoid(cx: &mut NodeCx<'_>) -> Converted {
    on_numbers(cx, |cx, x| cx.map(ops::Sigmoid {}, x))
}

pub(in crate::convert) fn leaky_relu(cx: &mut NodeCx<'_>) -> Converted {
    let alpha = Real::from(cx.attrs.float("alpha")?.unwrap_or(0.01));
    on_numbers(cx, |cx, x| cx.map(ops::LeakyRelu { alpha }, x))
}

/// `opset` is the version of the standard op whose axis is meant.
pub(in crate::convert) fn softmax(cx: &mut NodeCx<'_>) -> Converted {
    cx.version = cx.attrs.int("opset")?.unwrap_or(13);
    on_numbers(cx, |cx, _| Ok(activation::softmax(cx, |axis| ops::Softmax { axis }.into())?[0]))
}

pub(in crate::convert) fn reduce_mean(cx: &mut NodeCx<'_>) -> Converted {
    cx.version = 13;
    on_numbers(cx, |cx, _| Ok(reduce::mean(cx)?[0]))
}

/// An op on windows, whose channels may come last.
fn windows(cx: &mut NodeCx<'_>, run: fn(&mut NodeCx<'_>) -> Converted) -> Emitted {
    match cx.attrs.flag("channels_last")?.unwrap_or(false) {
        true => Ok(channels_last(cx, run)?[0]),
        false => Ok(run(cx)?[0]),
    }
}

pub(in crate::convert) fn average_pool(cx: &mut NodeCx<'_>) -> Converted {
    cx.version = 11;
    on_numbers(cx, |cx, _| windows(cx, window::average_pool))
}

pub(in crate::convert) fn global_average_pool(cx: &mut NodeCx<'_>) -> Converted {
    on_numbers(cx, |cx, _| windows(cx, window::global_average_pool))
}

/// The inputs of the node; which must be there, is asked for by position.
fn needed(cx: &NodeCx<'_>, i: usize) -> Emitted {
    let input = cx.inputs.get(i).copied().flatten();
    input.ok_or_else(|| Diagnostic::error(Code::InputCount, "the input is missing").at_input(i))
}

fn optional(cx: &NodeCx<'_>, i: usize) -> Option<ValueId> {
    cx.inputs.get(i).copied().flatten()
}

/// An op on the numbers that two quantised tensors stand for.
pub(in crate::convert) fn binary(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let (a, a_scale, b, b_scale) = (needed(cx, 0)?, needed(cx, 1)?, needed(cx, 3)?, needed(cx, 4)?);
    let (y_scale, y_zero) = (needed(cx, 6)?, optional(cx, 7));
    let to = cx.dtype(a)?;
    let (a, b) = (real(cx, a, a_scale, optional(cx, 2))?, real(cx, b, b_scale, optional(cx, 5))?);
    let result = cx.one(op, &[a, b])?;
    Ok(vec![quantised(cx, result, y_scale, y_zero, to)?])
}

/// One after the other, each with its scale and zero point.
pub(in crate::convert) fn concat(cx: &mut NodeCx<'_>) -> Converted {
    let axis = cx.attrs.int("axis")?.ok_or_else(|| satura_import::Attributes::<()>::missing("axis"))?;
    let (y_scale, y_zero) = (needed(cx, 0)?, needed(cx, 1)?);
    let to = cx.dtype(y_zero)?;
    let mut parts = Vec::new();
    for at in (2..cx.inputs.len()).step_by(3) {
        let (x, scale) = (needed(cx, at)?, needed(cx, at + 1)?);
        parts.push(real(cx, x, scale, optional(cx, at + 2))?);
    }
    let joined = cx.one(ops::Concat { axis }, &parts)?;
    Ok(vec![quantised(cx, joined, y_scale, Some(y_zero), to)?])
}

/// `condition ? x : y`.
pub(in crate::convert) fn select(cx: &mut NodeCx<'_>) -> Converted {
    let ([condition, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero], []) = cx.args()?;
    let to = cx.dtype(x)?;
    let (x, y) = (real(cx, x, x_scale, Some(x_zero))?, real(cx, y, y_scale, Some(y_zero))?);
    let result = cx.select(condition, x, y)?;
    Ok(vec![quantised(cx, result, z_scale, Some(z_zero), to)?])
}

/// `alpha * op(a) * op(b) + c` of quantised matrices; `c` has the scale of the products. Without a scale of the result it is f32.
pub(in crate::convert) fn gemm(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, a_scale, a_zero, b, b_scale, b_zero], [c, y_scale, y_zero]) = cx.args()?;
    let alpha = cx.attrs.float("alpha")?.unwrap_or(1.0);
    let (a, b) = (centre(cx, a, Some(a_zero))?, centre(cx, b, Some(b_zero))?);
    let operand = |cx: &mut NodeCx<'_>, x: ValueId, name: &str| match cx.attrs.flag(name)? {
        Some(true) => cx.transpose(x, &[1, 0]),
        Some(false) | None => Ok(x),
    };
    let (a, b) = (operand(cx, a, "transA")?, operand(cx, b, "transB")?);
    let mut sum = matmul::product(cx, a, b)?[0];
    if let Some(c) = c {
        sum = cx.add(sum, c)?;
    }
    let a_scale = one_or_many(cx, a_scale)?;
    let a_scale = cx.scale(a_scale, f64::from(alpha))?;
    let b_scale = one_or_many(cx, b_scale)?;
    if let (Some(y_scale), Some(y_zero)) = (y_scale, y_zero) {
        return Ok(vec![requantised(cx, sum, [a_scale, b_scale, y_scale], y_zero)?]);
    }
    let wide = cx.cast(sum, DType::F32)?;
    let factor = cx.mul(a_scale, b_scale)?;
    Ok(vec![cx.mul(wide, factor)?])
}

/// A convolution of quantised numbers, whose channels may come last.
pub(in crate::convert) fn conv(cx: &mut NodeCx<'_>) -> Converted {
    match cx.attrs.flag("channels_last")?.unwrap_or(false) {
        true => channels_last(cx, standard::qlinear_conv),
        false => standard::qlinear_conv(cx),
    }
}

/// A sum of small integers in 32 bits.
pub(in crate::convert) fn reduce_sum(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let wide = if cx.dtype(x)?.is_signed_int() { DType::I32 } else { DType::U32 };
    cx.inputs = vec![Some(cx.cast(x, wide)?)];
    cx.version = 11;
    reduce::reduce(cx, ops::ReduceKind::Sum, 13)
}

/// Scales and zero points are those of an axis where they are vectors, else those of everything.
pub(in crate::convert) fn quantize(cx: &mut NodeCx<'_>) -> Converted {
    as_standard(cx, 21, standard::quantize)
}

/// The way back.
pub(in crate::convert) fn dequantize(cx: &mut NodeCx<'_>) -> Converted {
    as_standard(cx, 21, standard::dequantize)
}
