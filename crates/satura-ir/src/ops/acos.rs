//! Inverse cosine.

use super::Sqrt;
use super::arith::div;
use super::atan::{around_one, double_angle};

float_composite! {
    /// The angle between 0 and pi whose cosine is `x`, elementwise; NaN beyond 1. Floats.
    Acos {},
    "acos",
    eval: |_, x| x.acos(),
    // The tangent of half the angle is `sqrt((1 - x) / (1 + x))`, infinite at -1.
    decompose: |_, cx, x| {
        let [low, high] = around_one(cx, x)?;
        let ratio = div(cx, low, high)?;
        let tangent = cx.one(Sqrt {}, &[ratio])?;
        double_angle(cx, tangent)
    },
}
