//! Inverse sine.

use super::Sqrt;
use super::arith::{div, mul, plus};
use super::atan::{around_one, double_angle};

float_composite! {
    /// The angle between -pi/2 and pi/2 whose sine is `x`, elementwise; NaN beyond 1. Floats.
    Asin {},
    "asin",
    eval: |_, x| x.asin(),
    // The tangent of half the angle is `x / (1 + sqrt(1 - x^2))`; the factors of `1 - x^2` do not cancel near 1.
    decompose: |_, cx, x| {
        let [low, high] = around_one(cx, x)?;
        let square = mul(cx, low, high)?;
        let cosine = cx.one(Sqrt {}, &[square])?;
        let divisor = plus(cx, cosine, 1.0)?;
        let tangent = div(cx, x, divisor)?;
        double_angle(cx, tangent)
    },
}
