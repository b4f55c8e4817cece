//! Natural exponential.

unary_op! {
    /// `e^x`, elementwise. Floats.
    Exp, "exp",
    float: f64::exp,
}
