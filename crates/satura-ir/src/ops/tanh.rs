//! Hyperbolic tangent.

unary_op! {
    /// The hyperbolic tangent, elementwise. Floats.
    Tanh, "tanh",
    float: f64::tanh,
}
