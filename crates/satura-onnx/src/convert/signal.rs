//! Signals: window functions, Fourier transforms, mel filters.

use super::elementwise::scalar;
use super::movement::as_i64;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim, Tensor, cast};
use std::f64::consts::TAU;

fn output_dtype(cx: &mut NodeCx<'_>) -> Result<DType, Diagnostic> {
    cx.attrs.int("output_datatype")?.map_or(Ok(DType::F32), crate::types::dtype)
}

/// The sum of `factors[k] * cos(2 pi k i / n)`, for `i` up to the size; `n` is the size of a periodic window, one less of a symmetric one.
pub(super) fn window(cx: &mut NodeCx<'_>, factors: &[f64]) -> Converted {
    let ([size], []) = cx.args()?;
    let to = output_dtype(cx)?;
    let periodic = cx.attrs.flag("periodic")?.unwrap_or(true);
    let size = scalar(cx, size, "the size")?;
    let size = as_i64(cx, size)?;
    let (zero, one) = (cx.constant(Tensor::scalar(0i64))?, cx.constant(Tensor::scalar(1i64))?);
    let positions = cx.one(ops::RangeDyn {}, &[zero, size, one])?;
    let length = if periodic { size } else { cx.sub(size, one)? };
    let wide = if to == DType::F64 { DType::F64 } else { DType::F32 };
    let (positions, length) = (cx.cast(positions, wide)?, cx.cast(length, wide)?);
    let turn = cx.div(positions, length)?;
    let mut sum = cx.scalar(wide, factors[0])?;
    for (k, factor) in (1u8..).zip(&factors[1..]) {
        let angle = cx.scale(turn, TAU * f64::from(k))?;
        let wave = cx.map(ops::Cos {}, angle)?;
        let part = cx.scale(wave, *factor)?;
        sum = cx.add(sum, part)?;
    }
    Ok(vec![cx.cast(sum, to)?])
}

/// The number in an input, where there is one.
fn number(cx: &NodeCx<'_>, value: Option<ValueId>, what: &str) -> Result<Option<usize>, Diagnostic> {
    let Some(value) = value else { return Ok(None) };
    match cx.need_ints(value, what)?[..] {
        [number] => positive(number, what).map(Some),
        _ => Err(Diagnostic::error(Code::Shape, format!("{what} must be one number"))),
    }
}

fn positive(number: i64, what: &str) -> Result<usize, Diagnostic> {
    usize::try_from(number)
        .ok()
        .filter(|n| (1..=1 << 31).contains(n))
        .ok_or_else(|| Diagnostic::error(Code::BadValue, format!("{what} is {number}")))
}

/// The axis is an attribute before operator set 20 (1 by default), an input since (the last but one by default).
pub(super) fn dft(cx: &mut NodeCx<'_>) -> Converted {
    let (x, length, axis) = if cx.version < 20 {
        let ([x], [length]) = cx.args()?;
        (x, length, cx.attrs.int("axis")?.unwrap_or(1))
    } else {
        let ([x], [length, axis]) = cx.args()?;
        let axis = match axis {
            Some(axis) => match cx.need_ints(axis, "the axis")?[..] {
                [axis] => axis,
                _ => return Err(Diagnostic::error(Code::Shape, "the axis must be one number")),
            },
            None => -2,
        };
        (x, length, axis)
    };
    let length = number(cx, length, "the length of the transform")?;
    let inverse = cx.attrs.flag("inverse")?.unwrap_or(false);
    let onesided = cx.attrs.flag("onesided")?.unwrap_or(false);
    cx.emit(ops::Dft { axis, length, inverse, onesided }, &[x])
}

/// `[batch, length, 1 or 2]` to `[batch, frames, frequencies, 2]`: the transform of parts that follow each other at a fixed distance, each weighted by a window.
pub(super) fn stft(cx: &mut NodeCx<'_>) -> Converted {
    let ([signal, step], [window, length]) = cx.args()?;
    let onesided = cx.attrs.flag("onesided")?.unwrap_or(true);
    let step = number(cx, Some(step), "the step")?.unwrap_or(1);
    let [_, extent, _] = cx.dims_of(signal, "the signal")?;
    let extent = cx.constant_dim(&extent, "the length of the signal")?;
    let window_size = match window {
        Some(window) => {
            let [size] = cx.dims_of(window, "the window")?;
            Some(cx.constant_dim(&size, "the window")?)
        }
        None => None,
    };
    let length = number(cx, length, "the length of a frame")?.or(window_size).unwrap_or(extent);
    if length > extent || window_size.is_some_and(|size| size > length) {
        let message =
            format!("frames of {length} elements of a signal of {extent}, the window has {window_size:?}");
        return Err(Diagnostic::error(Code::Shape, message));
    }
    let (frames, width) = (1 + (extent - length) / step, window_size.unwrap_or(length));
    let size = |n: usize| i64::try_from(n).map(Dim::from).unwrap_or(Dim::from(0));
    let starts = cx.iota(DType::I64, vec![size(frames), Dim::from(1)], 0)?;
    let distance = cx.constant(Tensor::scalar(i64::try_from(step).unwrap_or(i64::MAX)))?;
    let starts = cx.mul(starts, distance)?;
    let offsets = cx.iota(DType::I64, vec![size(width)], 0)?;
    let positions = cx.add(starts, offsets)?;
    let mut parts = cx.one(ops::Gather { axis: 1 }, &[signal, positions])?;
    if let Some(window) = window {
        let column = cx.reshape(window, vec![size(width), Dim::from(1)])?;
        parts = cx.mul(parts, column)?;
    }
    cx.emit(ops::Dft { axis: 2, length: Some(length), inverse: false, onesided }, &[parts])
}

fn real(cx: &NodeCx<'_>, value: ValueId, what: &str) -> Result<f64, Diagnostic> {
    match cx.floats(value).as_deref() {
        Some([number]) => Ok(*number),
        Some(_) => Err(Diagnostic::error(Code::Shape, format!("{what} must be one number"))),
        None => Err(Diagnostic::error(Code::NotConstant, format!("{what} must be a constant number"))),
    }
}

/// More bins or frequencies are no sound.
const MOST_BINS: usize = 1 << 20;

/// Triangular filters, evenly spaced on the mel scale, as a constant `[frequencies, bins]`: the `j`th one rises from edge `j` to edge `j + 1` and falls to edge `j + 2`.
pub(super) fn mel_weight_matrix(cx: &mut NodeCx<'_>) -> Converted {
    let ([bins, length, rate, low, high], []) = cx.args()?;
    let to = output_dtype(cx)?;
    let bins = number(cx, Some(bins), "the number of bins")?.unwrap_or(1);
    let length = number(cx, Some(length), "the length of the transform")?.unwrap_or(1);
    let rate = number(cx, Some(rate), "the sample rate")?.unwrap_or(1);
    let (low, high) = (real(cx, low, "the lower edge")?, real(cx, high, "the upper edge")?);
    let frequencies = length / 2 + 1;
    if frequencies.saturating_mul(bins) > MOST_BINS * 64 || bins > MOST_BINS {
        return Err(Diagnostic::error(
            Code::ResourceLimit,
            format!("{bins} filters of {frequencies} frequencies"),
        ));
    }
    let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / std::f64::consts::LN_10;
    let hertz = |mel: f64| 700.0 * (mel / 2595.0 * std::f64::consts::LN_10).exp_m1();
    let count = |n: usize| u32::try_from(n).map(f64::from).unwrap_or(f64::INFINITY);
    let step = (mel(high) - mel(low)) / (count(bins) + 2.0);
    let edges: Vec<f64> = (0..bins + 2)
        .map(|j| ((count(length) + 1.0) * hertz(mel(low) + count(j) * step) / count(rate)).floor())
        .collect();
    let mut weights = vec![0.0; frequencies * bins];
    for j in 0..bins {
        let [left, center, right] = [edges[j], edges[j + 1], edges[j + 2]];
        if !(left >= 0.0 && right <= count(frequencies)) {
            let message =
                format!("filter {j} reaches from {left} to {right}, there are {frequencies} frequencies");
            return Err(Diagnostic::error(Code::BadValue, message));
        }
        for i in 0..frequencies {
            let at = count(i);
            let weight = &mut weights[i * bins + j];
            if left == center && at == center {
                *weight = 1.0;
            } else if left <= at && at <= center {
                *weight = (at - left) / (center - left);
            }
            if center <= at && at < right {
                *weight = (right - at) / (right - center);
            }
        }
    }
    let weights = cast(&Tensor::from_vec(weights, &[frequencies, bins]), to)
        .ok_or_else(|| Diagnostic::error(Code::DType, format!("{to} has no numbers")))?;
    let weights: Emitted = cx.constant(weights);
    Ok(vec![weights?])
}
