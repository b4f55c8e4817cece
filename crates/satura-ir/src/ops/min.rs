//! The lesser of two.

use crate::Algebra;

binary_op! {
    /// The lesser, elementwise with broadcasting; NaN if either is. Numbers and bool (as and).
    Min, "min", Algebra::RING,
    float: |a, b| if a.is_nan() || a < b { a } else { b },
    int: |a, b, _| Ok(a.min(b)),
    boolean: |a, b| a & b,
    known: |a, b| Some(a.minimum(b)),
}
