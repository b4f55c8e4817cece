//! Inverse hyperbolic cosine.

use super::arith::{add, below, large, ln_1p, mul, plus, select};
use super::{Log, Sqrt};
use std::f64::consts::LN_2;

float_composite! {
    /// `ln(x + sqrt(x^2 - 1))`, elementwise; NaN below 1. Floats.
    Acosh {},
    "acosh",
    eval: |_, x| x.acosh(),
    // With `t = x - 1` it is `ln(1 + t + sqrt(t) sqrt(x + 1))`, which loses nothing near 1, and `ln(2x)` where the sum would be too large.
    decompose: |_, cx, x| {
        let above = plus(cx, x, -1.0)?;
        let shifted = plus(cx, x, 1.0)?;
        let (low, high) = (cx.one(Sqrt {}, &[above])?, cx.one(Sqrt {}, &[shifted])?);
        let root = mul(cx, low, high)?;
        let argument = add(cx, above, root)?;
        let near = ln_1p(cx, argument)?;
        let log = cx.one(Log {}, &[x])?;
        let far = plus(cx, log, LN_2)?;
        let bound = large(cx.dtype(x)?);
        let small = below(cx, x, bound)?;
        select(cx, small, near, far)
    },
}
