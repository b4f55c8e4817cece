//! The order of elements, for ops that sort.

use satura_tensor::Elements;
use std::cmp::Ordering;

/// How elements `a` and `b` compare: numbers by value, NaN above all of them and equal to itself; false before true; complex numbers by their real part first; strings by their bytes.
pub(super) fn compare(elements: &Elements, a: usize, b: usize) -> Ordering {
    match elements {
        Elements::Float(v) => float(v[a], v[b]),
        Elements::Int(v) => v[a].cmp(&v[b]),
        Elements::Bool(v) => v[a].cmp(&v[b]),
        Elements::Complex(v) => float(v[a][0], v[b][0]).then(float(v[a][1], v[b][1])),
        Elements::String(v) => v[a].cmp(&v[b]),
    }
}

fn float(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
