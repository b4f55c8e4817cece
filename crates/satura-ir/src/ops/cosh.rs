//! Hyperbolic cosine.

use super::Abs;
use super::arith::add;
use super::sinh::half_exponentials;

float_composite! {
    /// `(e^x + e^-x) / 2`, elementwise. Floats.
    Cosh {},
    "cosh",
    eval: |_, x| x.cosh(),
    decompose: |_, cx, x| {
        let size = cx.one(Abs {}, &[x])?;
        let [grown, shrunk] = half_exponentials(cx, size)?;
        add(cx, grown, shrunk)
    },
}
