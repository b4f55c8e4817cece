//! Sigmoid linear unit, also called swish.

use super::{Mul, Sigmoid};

float_composite! {
    /// `x * sigmoid(x)`, elementwise. Floats.
    Silu {},
    "silu",
    eval: |_, x| x * (1.0 / (1.0 + (-x).exp())),
    decompose: |_, cx, x| {
        let gate = cx.one(Sigmoid {}, &[x])?;
        cx.one(Mul {}, &[x, gate])
    },
}
