//! Named tolerances: the only place where a bound on a difference is written down.

/// How far two elements may be apart: `|a - b| <= absolute + relative * |b|`, `b` being the expected one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Relative to the expected element.
    pub relative: f64,
    /// In the unit of the elements.
    pub absolute: f64,
}

impl Tolerance {
    /// A tolerance of those bounds.
    pub const fn new(relative: f64, absolute: f64) -> Self {
        Tolerance { relative, absolute }
    }
}

/// The tolerances in use, each with its reason.
pub mod tolerances {
    use super::Tolerance;

    /// Same bits (NaN equals NaN): for moves, integers, and passes whose contract is exact.
    pub const EXACT: Tolerance = Tolerance::new(0.0, 0.0);
    /// One f32 operation against f64 rounded once: a few units in the last place.
    pub const F32_OP: Tolerance = Tolerance::new(2e-6, 1e-6);
    /// A pass that reorders f32 arithmetic without dropping terms; sums of some hundred terms.
    pub const ROUNDING: Tolerance = Tolerance::new(1e-4, 1e-5);
    /// A whole f32 model against another implementation: different summation orders through a few dozen layers.
    pub const MODEL: Tolerance = Tolerance::new(1e-3, 1e-4);
    /// A small f32 model against its recorded outputs.
    pub const RECORDED: Tolerance = Tolerance::new(1e-4, 1e-4);
    /// One f16 rounding.
    pub const F16_OP: Tolerance = Tolerance::new(1e-3, 1e-4);
    /// One bf16 rounding.
    pub const BF16_OP: Tolerance = Tolerance::new(8e-3, 1e-3);
}
