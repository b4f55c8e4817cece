//! Inverse tangent.

use super::arith::{div, is_double, mul, odd_series, over, plus, select, sub, times, with_sign};
use super::{Abs, Sqrt};
use crate::{Emit, OpError, ValueId};
use std::f64::consts::FRAC_PI_2;

float_composite! {
    /// The angle between -pi/2 and pi/2 whose tangent is `x`, elementwise. Floats.
    Atan {},
    "atan",
    eval: |_, x| x.atan(),
    // `pi/2 - atan(1 / x)` brings the argument to 1 or less.
    decompose: |_, cx, x| {
        let size = cx.one(Abs {}, &[x])?;
        let inverse = over(cx, 1.0, size)?;
        let one = cx.scalar_like(x, 1.0)?;
        let beyond = cx.one(super::Less {}, &[one, size])?;
        let reduced = select(cx, beyond, inverse, size)?;
        let angle = near(cx, reduced)?;
        let quarter = cx.scalar_like(x, FRAC_PI_2)?;
        let complement = sub(cx, quarter, angle)?;
        let angle = select(cx, beyond, complement, angle)?;
        with_sign(cx, angle, x)
    },
}

/// The angle of a tangent from 0 to 1: the argument is halved as an angle, `tan(a/2) = t / (1 + sqrt(1 + t^2))`, until the Taylor series is short.
fn near(cx: &mut dyn Emit, tangent: ValueId) -> Result<ValueId, OpError> {
    // After one halving the tangent is at most tan(pi/8), after two tan(pi/16).
    let (halvings, terms) = if is_double(cx.dtype(tangent)?) { (2, 12) } else { (1, 9) };
    let mut t = tangent;
    for _ in 0..halvings {
        let square = mul(cx, t, t)?;
        let shifted = plus(cx, square, 1.0)?;
        let root = cx.one(Sqrt {}, &[shifted])?;
        let divisor = plus(cx, root, 1.0)?;
        t = div(cx, t, divisor)?;
    }
    let term = |k: i32| if k % 2 == 0 { 1.0 } else { -1.0 } / f64::from(2 * k + 1);
    let coefficients: Vec<f64> = (0..terms).map(term).collect();
    let angle = odd_series(cx, t, &coefficients)?;
    times(cx, angle, f64::from(1 << halvings))
}

/// Twice the angle of a tangent that is not negative.
pub(super) fn double_angle(cx: &mut dyn Emit, tangent: ValueId) -> Result<ValueId, OpError> {
    let angle = cx.one(Atan {}, &[tangent])?;
    times(cx, angle, 2.0)
}

/// `1 - x` and `1 + x`.
pub(super) fn around_one(cx: &mut dyn Emit, x: ValueId) -> Result<[ValueId; 2], OpError> {
    let one = cx.scalar_like(x, 1.0)?;
    Ok([sub(cx, one, x)?, plus(cx, x, 1.0)?])
}
