//! Conjunction.

use crate::Algebra;

binary_op! {
    /// Logical and of bools, bitwise and of integers, elementwise with broadcasting.
    And, "and", Algebra::RING,
    int: |a, b, _| Ok(a & b),
    boolean: |a, b| a & b,
    known: |a, b| match (a.as_const(), b.as_const()) {
        (Some(0), _) | (_, Some(0)) => Some(0.into()),
        (Some(a), Some(b)) => Some((a & b).into()),
        _ => None,
    },
}
