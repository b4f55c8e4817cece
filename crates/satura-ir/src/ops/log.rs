//! Natural logarithm.

unary_op! {
    /// `ln(x)`, elementwise; minus infinity of 0, NaN below. Floats.
    Log, "log",
    float: f64::ln,
}
