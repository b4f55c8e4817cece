//! Inverse hyperbolic tangent.

use super::arith::{ATANH_REACH, atanh_series, below, div, select, times};
use super::atan::around_one;
use super::{Abs, Log};

float_composite! {
    /// `ln((1 + x) / (1 - x)) / 2`, elementwise; infinite at 1 and -1, NaN beyond. Floats.
    Atanh {},
    "atanh",
    eval: |_, x| x.atanh(),
    // Near 0 the logarithm of what is close to 1 would lose digits: there the Taylor series serves.
    decompose: |_, cx, x| {
        let [low, high] = around_one(cx, x)?;
        let ratio = div(cx, high, low)?;
        let log = cx.one(Log {}, &[ratio])?;
        let far = times(cx, log, 0.5)?;
        let near = atanh_series(cx, x)?;
        let size = cx.one(Abs {}, &[x])?;
        let small = below(cx, size, ATANH_REACH)?;
        select(cx, small, near, far)
    },
}
