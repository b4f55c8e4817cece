//! Rounding to the nearest.

unary_op! {
    /// The nearest whole number, the even one of two. Floats.
    Round, "round",
    float: f64::round_ties_even,
}
