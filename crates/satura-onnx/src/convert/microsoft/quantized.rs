//! Ops on quantised tensors: on the numbers that they stand for.

use super::super::quantize::{centre, one_or_many, quantised, real, requantised, to_integers};
use super::super::{activation, matmul, quantize as standard, reduce, window};
use super::activation::channels_last;
use super::as_standard;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::{ValueId, ops};
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

/// `opset` is the version of the standard op whose axis is meant. Shares are counted in whole steps: there are `floor(1 / y_scale)` of them in 1, and halves go up.
pub(in crate::convert) fn softmax(cx: &mut NodeCx<'_>) -> Converted {
    cx.args::<1, 4>()?;
    let (x, x_scale, x_zero) = (needed(cx, 0)?, needed(cx, 1)?, optional(cx, 2));
    let (y_scale, y_zero) = (needed(cx, 3)?, optional(cx, 4));
    cx.version = cx.attrs.int("opset")?.unwrap_or(13);
    let to = cx.dtype(x)?;
    let numbers = real(cx, x, x_scale, x_zero)?;
    cx.inputs = vec![Some(numbers)];
    let shares = activation::softmax(cx, |axis| ops::Softmax { axis }.into())?[0];
    let y_scale = one_or_many(cx, y_scale)?;
    let one = cx.scalar_like(y_scale, 1.0)?;
    let steps = cx.div(one, y_scale)?;
    let steps = cx.map(ops::Floor {}, steps)?;
    let counted = cx.mul(shares, steps)?;
    let raised = cx.add_scalar(counted, 0.5)?;
    let whole = cx.map(ops::Floor {}, raised)?;
    let y_zero = y_zero.map(|zero| one_or_many(cx, zero)).transpose()?;
    Ok(vec![to_integers(cx, whole, y_zero, to)?])
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

/// Two quantised tensors and how their result is to be quantised.
struct Pair {
    /// Without their zero points.
    integers: [ValueId; 2],
    scales: [ValueId; 2],
    y_scale: ValueId,
    y_zero: Option<ValueId>,
    to: DType,
}

impl Pair {
    fn read(cx: &mut NodeCx<'_>) -> Result<Pair, Diagnostic> {
        cx.args::<1, 7>()?;
        let side = |cx: &mut NodeCx<'_>, at: usize| {
            let (x, scale, zero) = (needed(cx, at)?, needed(cx, at + 1)?, optional(cx, at + 2));
            let zero = zero.map(|zero| one_or_many(cx, zero)).transpose()?;
            let integers = centre(cx, x, zero)?;
            Ok::<_, Diagnostic>((cx.cast(integers, DType::F32)?, one_or_many(cx, scale)?))
        };
        let to = cx.dtype(needed(cx, 0)?)?;
        let ((a, a_scale), (b, b_scale)) = (side(cx, 0)?, side(cx, 3)?);
        let (y_scale, y_zero) = (needed(cx, 6)?, optional(cx, 7));
        Ok(Pair {
            integers: [a, b],
            scales: [a_scale, b_scale],
            y_scale: one_or_many(cx, y_scale)?,
            y_zero: y_zero.map(|zero| one_or_many(cx, zero)).transpose()?,
            to,
        })
    }

    /// `saturate(round(x + y_zero))`: of two integers that are as near, the one that is even with the zero point.
    fn rounded(&self, cx: &mut NodeCx<'_>, x: ValueId) -> Converted {
        let x = match self.y_zero {
            Some(zero) => {
                let zero = cx.cast(zero, DType::F32)?;
                cx.add(x, zero)?
            }
            None => x,
        };
        Ok(vec![to_integers(cx, x, None, self.to)?])
    }
}

/// `a + b` in steps of the result: scales are divided first, so that those that are multiples of each other cause no rounding.
pub(in crate::convert) fn add(cx: &mut NodeCx<'_>) -> Converted {
    let pair = Pair::read(cx)?;
    let mut steps = |i: usize| {
        let ratio = cx.div(pair.scales[i], pair.y_scale)?;
        cx.mul(pair.integers[i], ratio)
    };
    let (a, b) = (steps(0)?, steps(1)?);
    let sum = cx.add(a, b)?;
    pair.rounded(cx, sum)
}

/// `a * b` in steps of the result.
pub(in crate::convert) fn multiply(cx: &mut NodeCx<'_>) -> Converted {
    let pair = Pair::read(cx)?;
    let product = cx.mul(pair.integers[0], pair.integers[1])?;
    let ratio = cx.mul(pair.scales[0], pair.scales[1])?;
    let ratio = cx.div(ratio, pair.y_scale)?;
    let scaled = cx.mul(product, ratio)?;
    pair.rounded(cx, scaled)
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
