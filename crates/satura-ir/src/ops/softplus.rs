//! Smooth rectifier.

use super::{Abs, Add, Exp, Log, Max, Neg};

float_composite! {
    /// `ln(1 + e^x)`, elementwise. Floats.
    Softplus {},
    "softplus",
    eval: |_, x| if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() },
    // The larger part is taken out of the logarithm, so the exponential cannot overflow.
    decompose: |_, cx, x| {
        let zero = cx.scalar_like(x, 0.0)?;
        let one = cx.scalar_like(x, 1.0)?;
        let size = cx.one(Abs {}, &[x])?;
        let negated = cx.one(Neg {}, &[size])?;
        let raised = cx.one(Exp {}, &[negated])?;
        let shifted = cx.one(Add {}, &[raised, one])?;
        let rest = cx.one(Log {}, &[shifted])?;
        let positive = cx.one(Max {}, &[x, zero])?;
        cx.one(Add {}, &[positive, rest])
    },
}
