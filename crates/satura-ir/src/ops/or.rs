//! Disjunction.

use crate::Algebra;

binary_op! {
    /// Logical or of bools, bitwise or of integers, elementwise with broadcasting.
    Or, "or", Algebra::RING,
    int: |a, b, _| Ok(a | b),
    boolean: |a, b| a | b,
    known: |a, b| Some((a.as_const()? | b.as_const()?).into()),
}
