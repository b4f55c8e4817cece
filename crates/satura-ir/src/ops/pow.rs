//! Power.

use crate::{Algebra, OpError};

binary_op! {
    /// `a` raised to `b`, elementwise with broadcasting. Numbers; integers wrap, and a negative integer exponent is an error.
    Pow, "pow", Algebra::ELEMENTWISE,
    float: f64::powf,
    int: |a, b, _| integer_power(a, b),
    known: |a, b| {
        let exponent = u32::try_from(b.as_const()?).ok()?;
        a.as_const()?.checked_pow(exponent).map(Into::into)
    },
}

/// By squaring; the low 64 bits are right whatever the size of the power.
fn integer_power(base: i128, exponent: i128) -> Result<i128, OpError> {
    if exponent < 0 {
        return Err(OpError::value(format!(
            "an integer raised to the negative power {exponent} is not an integer"
        )));
    }
    let (mut result, mut square, mut left) = (1i128, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        left >>= 1;
    }
    Ok(result)
}
