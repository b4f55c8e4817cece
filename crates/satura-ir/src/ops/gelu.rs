//! Gaussian error linear unit.

use super::{Add, Erf, Mul, Tanh};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

/// The coefficient of the cubic term in the approximate form.
const CUBIC: f64 = 0.044715;
/// `sqrt(2 / pi)`.
const SLOPE: f64 = FRAC_2_SQRT_PI / SQRT_2;

float_composite! {
    /// `x` times the normal distribution's probability below `x`, elementwise: `x/2 * (1 + erf(x / sqrt(2)))`, or, in the approximate form,
    /// `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))`. Floats.
    Gelu {
        /// Whether the form with the hyperbolic tangent is meant.
        pub approximate: bool,
    },
    "gelu",
    eval: |op, x| {
        let inner = if op.approximate { (SLOPE * (x + CUBIC * x * x * x)).tanh() } else { super::erf::erf(x * FRAC_1_SQRT_2) };
        0.5 * x * (1.0 + inner)
    },
    decompose: |op, cx, x| {
        let inner = if op.approximate {
            let cubic = cx.scalar_like(x, CUBIC)?;
            let slope = cx.scalar_like(x, SLOPE)?;
            let square = cx.one(Mul {}, &[x, x])?;
            let cube = cx.one(Mul {}, &[square, x])?;
            let scaled = cx.one(Mul {}, &[cube, cubic])?;
            let sum = cx.one(Add {}, &[x, scaled])?;
            let argument = cx.one(Mul {}, &[sum, slope])?;
            cx.one(Tanh {}, &[argument])?
        } else {
            let factor = cx.scalar_like(x, FRAC_1_SQRT_2)?;
            let argument = cx.one(Mul {}, &[x, factor])?;
            cx.one(Erf {}, &[argument])?
        };
        let one = cx.scalar_like(x, 1.0)?;
        let half = cx.scalar_like(x, 0.5)?;
        let doubled = cx.one(Add {}, &[inner, one])?;
        let halved = cx.one(Mul {}, &[x, half])?;
        cx.one(Mul {}, &[halved, doubled])
    },
}
