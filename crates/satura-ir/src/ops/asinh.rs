//! Inverse hyperbolic sine.

use super::arith::{add, below, div, large, ln_1p, mul, plus, select, with_sign};
use super::{Abs, Log, Sqrt};
use std::f64::consts::LN_2;

float_composite! {
    /// `ln(x + sqrt(x^2 + 1))`, elementwise. Floats.
    Asinh {},
    "asinh",
    eval: |_, x| x.asinh(),
    // For `a = |x|` it is `ln(1 + a + a^2 / (1 + sqrt(a^2 + 1)))`, which loses nothing near 0, and `ln(2a)` where `a^2` would be too large.
    decompose: |_, cx, x| {
        let size = cx.one(Abs {}, &[x])?;
        let square = mul(cx, size, size)?;
        let shifted = plus(cx, square, 1.0)?;
        let root = cx.one(Sqrt {}, &[shifted])?;
        let divisor = plus(cx, root, 1.0)?;
        let part = div(cx, square, divisor)?;
        let argument = add(cx, size, part)?;
        let near = ln_1p(cx, argument)?;
        let log = cx.one(Log {}, &[size])?;
        let far = plus(cx, log, LN_2)?;
        let bound = large(cx.dtype(x)?);
        let small = below(cx, size, bound)?;
        let result = select(cx, small, near, far)?;
        with_sign(cx, result, x)
    },
}
