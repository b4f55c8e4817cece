//! The greater of two.

use crate::Algebra;

binary_op! {
    /// The greater, elementwise with broadcasting; NaN if either is. Numbers and bool (as or).
    Max, "max", Algebra::RING,
    float: |a, b| if a.is_nan() || a > b { a } else { b },
    int: |a, b, _| Ok(a.max(b)),
    boolean: |a, b| a | b,
    known: |a, b| Some(a.maximum(b)),
}
