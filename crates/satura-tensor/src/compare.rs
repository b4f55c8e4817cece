//! Comparing two tensors element by element.

use crate::{Elements, Tensor, Tolerance};
use std::fmt;

/// The outcome of [`compare`].
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Whether dtype and shape are the same; if not, nothing else was looked at.
    pub same_type: bool,
    /// Greatest absolute difference, in the unit of the elements.
    pub max_absolute: f64,
    /// Greatest difference relative to the expected element.
    pub max_relative: f64,
    /// Row-major position of the first element beyond the tolerance, with the actual and the expected element.
    pub first_beyond: Option<(usize, String, String)>,
    /// How many elements are beyond the tolerance.
    pub beyond: usize,
}

impl Comparison {
    /// Whether every element is within the tolerance.
    pub fn agrees(&self) -> bool {
        self.same_type && self.beyond == 0
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.same_type {
            return f.write_str("dtype or shape differ");
        }
        write!(f, "max abs {:.3e}, max rel {:.3e}", self.max_absolute, self.max_relative)?;
        if let Some((at, actual, expected)) = &self.first_beyond {
            write!(
                f,
                ", {} beyond tolerance, first at element {at}: {actual}, expected {expected}",
                self.beyond
            )?;
        }
        Ok(())
    }
}

/// Compares `actual` with `expected` under `tolerance`. NaN agrees with NaN, an infinity with the same infinity; integers, bools and strings must be
/// equal unless the tolerance allows an integer difference.
pub fn compare(actual: &Tensor, expected: &Tensor, tolerance: Tolerance) -> Comparison {
    let same_type = actual.dtype() == expected.dtype() && actual.shape() == expected.shape();
    let mut result =
        Comparison { same_type, max_absolute: 0.0, max_relative: 0.0, first_beyond: None, beyond: 0 };
    if !same_type {
        return result;
    }
    let mut number = |at: usize, a: f64, e: f64| {
        if a == e || (a.is_nan() && e.is_nan()) {
            return;
        }
        let difference = if a.is_finite() && e.is_finite() { (a - e).abs() } else { f64::INFINITY };
        result.max_absolute = result.max_absolute.max(difference);
        result.max_relative = result.max_relative.max(difference / e.abs().max(f64::MIN_POSITIVE));
        if difference.is_infinite() || difference > tolerance.absolute + tolerance.relative * e.abs() {
            result.beyond += 1;
            result.first_beyond.get_or_insert_with(|| (at, a.to_string(), e.to_string()));
        }
    };
    match (actual.to_elements(), expected.to_elements()) {
        (Elements::Float(a), Elements::Float(e)) => {
            a.iter().zip(&e).enumerate().for_each(|(i, (a, e))| number(i, *a, *e))
        }
        (Elements::Complex(a), Elements::Complex(e)) => {
            a.iter().zip(&e).enumerate().for_each(|(i, (a, e))| {
                number(i, a[0], e[0]);
                number(i, a[1], e[1]);
            })
        }
        (Elements::Int(a), Elements::Int(e)) => {
            a.iter()
                .zip(&e)
                .enumerate()
                .for_each(|(i, (a, e))| number(i, (a - e) as f64 + *e as f64, *e as f64));
        }
        (Elements::Bool(a), Elements::Bool(e)) => {
            a.iter().zip(&e).enumerate().for_each(|(i, (a, e))| number(i, f64::from(*a), f64::from(*e)));
        }
        (Elements::String(a), Elements::String(e)) => {
            for (i, (a, e)) in a.iter().zip(&e).enumerate().filter(|(_, (a, e))| a != e) {
                result.beyond += 1;
                let text = |s: &[u8]| String::from_utf8_lossy(s).into_owned();
                result.first_beyond.get_or_insert_with(|| (i, text(a), text(e)));
            }
        }
        _ => result.same_type = false,
    }
    result
}
