//! Shorthand for decompositions that are formulas, and the series that several of them share.

use super::{Add, Div, Less, Mul, Select, Sub};
use crate::{Emit, OpError, ValueId};
use satura_tensor::DType;

type Emitted = Result<ValueId, OpError>;

/// `a + b`.
pub(super) fn add(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> Emitted {
    cx.one(Add {}, &[a, b])
}

/// `a - b`.
pub(super) fn sub(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> Emitted {
    cx.one(Sub {}, &[a, b])
}

/// `a * b`.
pub(super) fn mul(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> Emitted {
    cx.one(Mul {}, &[a, b])
}

/// `a / b`.
pub(super) fn div(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> Emitted {
    cx.one(Div {}, &[a, b])
}

/// `a < b`.
pub(super) fn less(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> Emitted {
    cx.one(Less {}, &[a, b])
}

/// `condition ? a : b`.
pub(super) fn select(cx: &mut dyn Emit, condition: ValueId, a: ValueId, b: ValueId) -> Emitted {
    cx.one(Select {}, &[condition, a, b])
}

/// `a + number`.
pub(super) fn plus(cx: &mut dyn Emit, a: ValueId, number: f64) -> Emitted {
    let number = cx.scalar_like(a, number)?;
    add(cx, a, number)
}

/// `a * number`.
pub(super) fn times(cx: &mut dyn Emit, a: ValueId, number: f64) -> Emitted {
    let number = cx.scalar_like(a, number)?;
    mul(cx, a, number)
}

/// `number / a`.
pub(super) fn over(cx: &mut dyn Emit, number: f64, a: ValueId) -> Emitted {
    let number = cx.scalar_like(a, number)?;
    div(cx, number, a)
}

/// `a < number`.
pub(super) fn below(cx: &mut dyn Emit, a: ValueId, number: f64) -> Emitted {
    let number = cx.scalar_like(a, number)?;
    less(cx, a, number)
}

/// `magnitude` with the sign of `like`; what is not below zero counts as positive.
pub(super) fn with_sign(cx: &mut dyn Emit, magnitude: ValueId, like: ValueId) -> Emitted {
    let negative = below(cx, like, 0.0)?;
    let negated = cx.one(super::Neg {}, &[magnitude])?;
    select(cx, negative, negated, magnitude)
}

/// `x * (c_0 + c_1 x^2 + c_2 x^4 + ..)` by Horner's scheme.
pub(super) fn odd_series(cx: &mut dyn Emit, x: ValueId, coefficients: &[f64]) -> Emitted {
    let Some((last, rest)) = coefficients.split_last() else { return cx.scalar_like(x, 0.0) };
    let square = mul(cx, x, x)?;
    let mut sum = cx.scalar_like(x, *last)?;
    for coefficient in rest.iter().rev() {
        let scaled = mul(cx, sum, square)?;
        sum = plus(cx, scaled, *coefficient)?;
    }
    mul(cx, x, sum)
}

/// Whether arithmetic on this dtype is more precise than that of f32.
pub(super) fn is_double(dtype: DType) -> bool {
    dtype == DType::F64
}

/// Up to this magnitude [`atanh_series`] gives the full precision of a dtype.
pub(super) const ATANH_REACH: f64 = 0.2;

/// The inverse hyperbolic tangent of `x` within [`ATANH_REACH`] of 0, by its Taylor series `x + x^3/3 + x^5/5 + ..`: the first term left out is below half a unit in the last place.
pub(super) fn atanh_series(cx: &mut dyn Emit, x: ValueId) -> Emitted {
    let terms = if is_double(cx.dtype(x)?) { 12 } else { 6 };
    let coefficients: Vec<f64> = (0..terms).map(|k| 1.0 / f64::from(2 * k + 1)).collect();
    odd_series(cx, x, &coefficients)
}

/// `ln(1 + x)` for `x >= 0` without loss near 0: there it is `2 artanh(x / (2 + x))`.
pub(super) fn ln_1p(cx: &mut dyn Emit, x: ValueId) -> Emitted {
    let divisor = plus(cx, x, 2.0)?;
    let ratio = div(cx, x, divisor)?;
    let series = atanh_series(cx, ratio)?;
    let near = times(cx, series, 2.0)?;
    let shifted = plus(cx, x, 1.0)?;
    let far = cx.one(super::Log {}, &[shifted])?;
    // The ratio is 0.2 where x is 0.5.
    let small = below(cx, x, 0.5)?;
    select(cx, small, near, far)
}

/// From here on the square of `x` is so large that adding 1 changes nothing that shows in the result, and still finite.
pub(super) fn large(dtype: DType) -> f64 {
    if dtype == DType::F16 { 1e2 } else { 1e9 }
}
