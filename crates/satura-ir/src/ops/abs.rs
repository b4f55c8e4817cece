//! Absolute value.

unary_op! {
    /// `|x|`, elementwise. Numbers; the least signed integer stays as it is.
    Abs, "abs",
    float: f64::abs,
    int: |x| x.abs(),
    known: |x| if x.is_non_negative() { Some(x.clone()) } else { x.as_const()?.checked_abs().map(Into::into) },
}
