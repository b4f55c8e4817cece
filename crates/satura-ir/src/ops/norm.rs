//! What the normalisations share: statistics of rows, channel parameters, and their decomposition.

use super::checks::same_extent;
use super::{Add, Div, Mean, Mul, Reshape, Sqrt, Sub};
use crate::attr::Real;
use crate::{Emit, InferCx, OpError, ValueId};
use satura_tensor::{Dim, Shape};

/// Shifts and scales each row of `width` elements to mean 0 and variance 1, in place.
pub(super) fn normalise_rows(values: &mut [f64], width: usize, epsilon: Real) {
    for row in values.chunks_exact_mut(width.max(1)) {
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
        let deviation = (variance + epsilon.get()).sqrt();
        row.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
    }
}

/// `x * scale + bias` for `x: [N, C, ..]` of `inner` elements a channel, in place.
pub(super) fn scale_channels(values: &mut [f64], inner: usize, scale: &[f64], bias: &[f64]) {
    for (block, channel) in values.chunks_exact_mut(inner.max(1)).zip((0..scale.len()).cycle()) {
        block.iter_mut().for_each(|x| *x = *x * scale[channel] + bias[channel]);
    }
}

/// Checks that `x` is `[N, C, ..]` and that the inputs from 1 to `last` are `[C]`; gives the shape of `x`, its channels perhaps known from a parameter.
pub(super) fn channel_shape(cx: &InferCx<'_>, last: usize) -> Result<Shape, OpError> {
    let mut shape = cx.shape(0)?.clone();
    if shape.len() < 2 {
        return Err(OpError::shape(format!("the input {shape} has no channel axis")));
    }
    for i in 1..=last {
        let Some(parameter) = cx.ty(i).shape() else { continue };
        let [channels] = &parameter[..] else {
            return Err(OpError::shape(format!("input {i} is {parameter}, a vector is expected")));
        };
        same_extent(&shape[1], channels, || {
            format!("input {i} is {parameter}, the input {shape} has {} channels", shape[1])
        })?;
        if shape[1].as_const().is_none() {
            shape.0[1] = channels.clone();
        }
    }
    Ok(shape)
}

/// Checks the same of tensors to evaluate: sizes of `x`, and of each parameter.
pub(super) fn check_channels(x: &[usize], parameters: &[&[usize]]) -> Result<(), OpError> {
    let [_, channels, ..] = x else {
        return Err(OpError::shape(format!("the input {x:?} has no channel axis")));
    };
    match parameters.iter().position(|p| **p != [*channels]) {
        Some(i) => Err(OpError::shape(format!(
            "input {} is {:?}, the input {x:?} has {channels} channels",
            i + 1,
            parameters[i]
        ))),
        None => Ok(()),
    }
}

/// Emits `(x - mean) / sqrt(variance + epsilon)` over `axes`.
pub(super) fn emit_normalised(
    cx: &mut dyn Emit,
    x: ValueId,
    axes: Vec<i64>,
    epsilon: Real,
) -> Result<ValueId, OpError> {
    let mean = |cx: &mut dyn Emit, x| cx.one(Mean { axes: Some(axes.clone()), keep: true }, &[x]);
    let middle = mean(cx, x)?;
    let centred = cx.one(Sub {}, &[x, middle])?;
    let squares = cx.one(Mul {}, &[centred, centred])?;
    let variance = mean(cx, squares)?;
    let epsilon = cx.scalar_like(x, epsilon.get())?;
    let shifted = cx.one(Add {}, &[variance, epsilon])?;
    let deviation = cx.one(Sqrt {}, &[shifted])?;
    cx.one(Div {}, &[centred, deviation])
}

/// Emits a parameter `[C]` as `[C, 1, ..]`, which broadcasts to `[N, C, ..]` of that rank.
pub(super) fn emit_along_channels(
    cx: &mut dyn Emit,
    parameter: ValueId,
    rank: usize,
) -> Result<ValueId, OpError> {
    let shape = cx.shape(parameter)?;
    let ones = std::iter::repeat_n(Dim::from(1), rank.saturating_sub(2));
    cx.one(Reshape { shape: shape.iter().cloned().chain(ones).collect() }, &[parameter])
}

/// Emits `x * scale + bias`.
pub(super) fn emit_affine(
    cx: &mut dyn Emit,
    x: ValueId,
    scale: ValueId,
    bias: ValueId,
) -> Result<ValueId, OpError> {
    let scaled = cx.one(Mul {}, &[x, scale])?;
    cx.one(Add {}, &[scaled, bias])
}
