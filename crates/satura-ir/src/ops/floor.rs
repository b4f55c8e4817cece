//! Rounding down.

unary_op! {
    /// The greatest whole number not above the element. Floats.
    Floor, "floor",
    float: f64::floor,
}
