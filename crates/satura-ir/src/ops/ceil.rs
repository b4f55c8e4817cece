//! Rounding up.

unary_op! {
    /// The least whole number not below the element. Floats.
    Ceil, "ceil",
    float: f64::ceil,
}
