//! Normalisation by the norm of a vector, by neighbouring channels, and to mean 0 and variance 1.

use super::pool::{magnitude_power, root};
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops::{self, ReduceKind};
use satura_tensor::Dim;

/// `x / |x|` along an axis, `|x|` being the sum of magnitudes or the root of the sum of squares; 0 where that is 0.
pub(super) fn lp_normalization(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(-1);
    let p = match cx.attrs.int("p")?.unwrap_or(2) {
        1 => 1.0,
        2 => 2.0,
        p => return Err(bad_attribute("p", format!("{p} is neither 1 nor 2"))),
    };
    let power = magnitude_power(cx, x, p)?;
    let sum = cx.reduce(ReduceKind::Sum, power, Some(&[axis]))?;
    let norm = root(cx, sum, p)?;
    let zero = cx.scalar_like(x, 0.0)?;
    let vanishes = cx.equal(norm, zero)?;
    let one = cx.scalar_like(x, 1.0)?;
    let divisor = cx.select(vanishes, one, norm)?;
    let ratio = cx.div(x, divisor)?;
    Ok(vec![cx.select(vanishes, zero, ratio)?])
}

/// `x / (bias + alpha * mean)^beta`, the mean being that of the squares of `size` neighbouring channels, those that do not exist counting as 0.
pub(super) fn lrn(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let size = cx.attrs.int("size")?.ok_or_else(|| Attributes::<()>::missing("size"))?;
    let size = sizes("size", &[size], 1)?[0];
    let mut real =
        |name: &str, default: f32| Ok::<f64, Diagnostic>(f64::from(cx.attrs.float(name)?.unwrap_or(default)));
    let (alpha, beta, bias) = (real("alpha", 1e-4)?, real("beta", 0.75)?, real("bias", 1.0)?);
    let dims = cx.dims(x, "its channels")?;
    let [batch, channels, spatial @ ..] = &dims[..] else {
        return Err(Diagnostic::error(Code::Shape, "an input without channels"));
    };
    let area = spatial.iter().fold(Dim::from(1), |product, d| product * d.clone());
    let square = cx.mul(x, x)?;
    let flat = cx.reshape(square, vec![batch.clone(), Dim::from(1), channels.clone(), area])?;
    let before = (size - 1) / 2;
    let pool = ops::AvgPool {
        kernel: vec![size, 1],
        strides: vec![1, 1],
        pads_low: vec![before, 0],
        pads_high: vec![size - 1 - before, 0],
        dilations: vec![1, 1],
        ceil: false,
        count_pad: true,
    };
    let mean = cx.one(pool, &[flat])?;
    let mean = cx.reshape(mean, dims.clone())?;
    let scaled = cx.scale(mean, alpha)?;
    let shifted = cx.add_scalar(scaled, bias)?;
    let beta = cx.scalar_like(x, beta)?;
    let divisor = cx.one(ops::Pow {}, &[shifted, beta])?;
    Ok(vec![cx.div(x, divisor)?])
}

/// `(x - mean) / (deviation + 1e-9)` over some axes, by default all but the channels.
pub(super) fn mean_variance(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let axes = Some(cx.attrs.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]));
    let mean = cx.one(ops::Mean { axes: axes.clone(), keep: true }, &[x])?;
    let centred = cx.sub(x, mean)?;
    let square = cx.mul(centred, centred)?;
    let variance = cx.one(ops::Mean { axes, keep: true }, &[square])?;
    let deviation = cx.map(ops::Sqrt {}, variance)?;
    let divisor = cx.add_scalar(deviation, 1e-9)?;
    Ok(vec![cx.div(centred, divisor)?])
}
