//! Logical negation.

unary_op! {
    /// True where the element is false, elementwise. Bool.
    Not, "not",
    boolean: |x| !x,
    known: |x| x.as_const().map(|v| i64::from(v == 0).into()),
}
