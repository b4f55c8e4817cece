//! Sign.

unary_op! {
    /// -1, 0 or 1 by the sign of the element; NaN stays NaN. Numbers.
    Sign, "sign",
    float: |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else if x.is_nan() { x } else { 0.0 },
    int: |x| x.signum(),
    known: |x| x.as_const().map(|v| v.signum().into()),
}
