//! Logistic function.

unary_op! {
    /// `1 / (1 + e^-x)`, elementwise. Floats.
    Sigmoid, "sigmoid",
    float: |x| 1.0 / (1.0 + (-x).exp()),
}
