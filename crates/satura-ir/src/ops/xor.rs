//! Exclusive disjunction.

use crate::Algebra;

binary_op! {
    /// Whether two bools differ; bitwise exclusive or of integers; elementwise with broadcasting.
    Xor, "xor", Algebra::RING,
    int: |a, b, _| Ok(a ^ b),
    boolean: |a, b| a ^ b,
    known: |a, b| Some((a.as_const()? ^ b.as_const()?).into()),
}
