//! Tangent.

unary_op! {
    /// The tangent of an angle in radians, elementwise; NaN of an infinity. Floats.
    Tan, "tan",
    float: f64::tan,
}
