//! Division.

use crate::{Algebra, OpError};

binary_op! {
    /// `a / b`, elementwise with broadcasting. Numbers; integers round towards zero, and a division by zero is an error.
    Div, "div", Algebra::ELEMENTWISE,
    float: |a, b| a / b,
    int: |a, b, _| if b == 0 { Err(OpError::value("division by zero")) } else { Ok(a / b) },
    known: |a, b| match (a.as_const(), b.as_const()) {
        (_, Some(0)) => None,
        (Some(a), Some(b)) => a.checked_div(b).map(Into::into),
        // Rounding down is rounding towards zero where neither is negative.
        _ => (a.is_non_negative() && b.is_positive()).then(|| a.floor_div(b)),
    },
}
