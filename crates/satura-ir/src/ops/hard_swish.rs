//! Piecewise quadratic swish.

use super::{HardSigmoid, Mul};

float_composite! {
    /// `x * hard_sigmoid(x)` with slope 1/6 and value 1/2 at 0, elementwise. Floats.
    HardSwish {},
    "hard_swish",
    eval: |_, x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
    decompose: |_, cx, x| {
        let gate = cx.one(HardSigmoid { alpha: (1.0 / 6.0).into(), beta: 0.5.into() }, &[x])?;
        cx.one(Mul {}, &[x, gate])
    },
}
