//! Cosine.

unary_op! {
    /// The cosine of an angle in radians, elementwise; NaN of an infinity. Floats.
    Cos, "cos",
    float: f64::cos,
}
