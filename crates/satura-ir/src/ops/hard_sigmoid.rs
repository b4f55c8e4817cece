//! Piecewise linear logistic function.

use super::{Add, Max, Min, Mul};
use crate::attr::Real;

float_composite! {
    /// `alpha * x + beta` kept within 0 and 1, elementwise; NaN stays NaN. Floats.
    HardSigmoid {
        /// The slope.
        pub alpha: Real,
        /// The value at 0.
        pub beta: Real,
    },
    "hard_sigmoid",
    eval: |op, x| (op.alpha.get() * x + op.beta.get()).clamp(0.0, 1.0),
    decompose: |op, cx, x| {
        let zero = cx.scalar_like(x, 0.0)?;
        let one = cx.scalar_like(x, 1.0)?;
        let alpha = cx.scalar_like(x, op.alpha.get())?;
        let beta = cx.scalar_like(x, op.beta.get())?;
        let scaled = cx.one(Mul {}, &[x, alpha])?;
        let shifted = cx.one(Add {}, &[scaled, beta])?;
        let raised = cx.one(Max {}, &[shifted, zero])?;
        cx.one(Min {}, &[raised, one])
    },
}
