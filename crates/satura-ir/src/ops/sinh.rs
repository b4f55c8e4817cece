//! Hyperbolic sine.

use super::arith::{below, div, is_double, mul, odd_series, select, sub, times, with_sign};
use super::{Abs, Exp};
use crate::{Emit, OpError, ValueId};

float_composite! {
    /// `(e^x - e^-x) / 2`, elementwise. Floats.
    Sinh {},
    "sinh",
    eval: |_, x| x.sinh(),
    // Below 1 the difference would cancel: there the Taylor series serves.
    decompose: |_, cx, x| {
        let size = cx.one(Abs {}, &[x])?;
        let [grown, shrunk] = half_exponentials(cx, size)?;
        let far = sub(cx, grown, shrunk)?;
        let far = with_sign(cx, far, x)?;
        let terms = if is_double(cx.dtype(x)?) { 10 } else { 6 };
        let mut coefficients = vec![1.0];
        for k in 1..terms {
            let k = f64::from(k);
            coefficients.push(coefficients[coefficients.len() - 1] / (2.0 * k * (2.0 * k + 1.0)));
        }
        let near = odd_series(cx, x, &coefficients)?;
        let small = below(cx, size, 1.0)?;
        select(cx, small, near, far)
    },
}

/// `e^x / 2` and `e^-x / 2` for `x >= 0`. By way of `e^(x/2)`, so that the first is infinite only where half of it is.
pub(super) fn half_exponentials(cx: &mut dyn Emit, x: ValueId) -> Result<[ValueId; 2], OpError> {
    let halved = times(cx, x, 0.5)?;
    let root = cx.one(Exp {}, &[halved])?;
    let half = times(cx, root, 0.5)?;
    let grown = mul(cx, half, root)?;
    let half = cx.scalar_like(x, 0.5)?;
    let part = div(cx, half, root)?;
    Ok([grown, div(cx, part, root)?])
}
