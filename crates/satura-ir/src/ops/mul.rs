//! Multiplication.

use crate::Algebra;

binary_op! {
    /// `a * b`, elementwise with broadcasting. Numbers of any kind; integers wrap.
    Mul, "mul", Algebra::RING,
    float: |a, b| a * b,
    // The product of two u64 is beyond i128; its low bits, which are what is stored, are right all the same.
    int: |a, b, _| Ok(a.wrapping_mul(b)),
    complex: |a, b| [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]],
    known: |a, b| crate::ops::support::exact(a.clone() * b.clone()),
}
