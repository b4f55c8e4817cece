//! Exponential linear unit.

use super::{Exp, Less, Mul, Select, Sub};
use crate::attr::Real;

float_composite! {
    /// `x` where it is not negative, else `alpha * (e^x - 1)`, elementwise. Floats.
    Elu {
        /// The negated limit at minus infinity.
        pub alpha: Real,
    },
    "elu",
    eval: |op, x| if x < 0.0 { op.alpha.get() * x.exp_m1() } else { x },
    decompose: |op, cx, x| {
        let zero = cx.scalar_like(x, 0.0)?;
        let one = cx.scalar_like(x, 1.0)?;
        let alpha = cx.scalar_like(x, op.alpha.get())?;
        let negative = cx.one(Less {}, &[x, zero])?;
        let raised = cx.one(Exp {}, &[x])?;
        let shifted = cx.one(Sub {}, &[raised, one])?;
        let scaled = cx.one(Mul {}, &[shifted, alpha])?;
        cx.one(Select {}, &[negative, scaled, x])
    },
}
