//! Square root.

unary_op! {
    /// The square root, elementwise; NaN below 0, `-0.0` of `-0.0`. Floats.
    Sqrt, "sqrt",
    float: f64::sqrt,
}
