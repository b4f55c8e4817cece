//! Subtraction.

use crate::Algebra;

binary_op! {
    /// `a - b`, elementwise with broadcasting. Numbers of any kind; integers wrap.
    Sub, "sub", Algebra::ELEMENTWISE,
    float: |a, b| a - b,
    int: |a, b, _| Ok(a - b),
    complex: |a, b| [a[0] - b[0], a[1] - b[1]],
    known: |a, b| crate::ops::support::exact(a.clone() - b.clone()),
}
