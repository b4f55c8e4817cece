//! Sine.

unary_op! {
    /// The sine of an angle in radians, elementwise; NaN of an infinity. Floats.
    Sin, "sin",
    float: f64::sin,
}
