//! Leaky rectified linear unit.

use super::{Less, Mul, Select};
use crate::attr::Real;

float_composite! {
    /// `x` where it is not negative, else `alpha * x`, elementwise. Floats.
    LeakyRelu {
        /// The slope below 0.
        pub alpha: Real,
    },
    "leaky_relu",
    eval: |op, x| if x < 0.0 { op.alpha.get() * x } else { x },
    decompose: |op, cx, x| {
        let zero = cx.scalar_like(x, 0.0)?;
        let alpha = cx.scalar_like(x, op.alpha.get())?;
        let negative = cx.one(Less {}, &[x, zero])?;
        let scaled = cx.one(Mul {}, &[x, alpha])?;
        cx.one(Select {}, &[negative, scaled, x])
    },
}
