//! Negation.

unary_op! {
    /// `-x`, elementwise. Numbers; integers wrap.
    Neg, "neg",
    float: |x| -x,
    int: |x| -x,
    known: |x| crate::ops::support::exact(-x.clone()),
}
