//! Less.

use super::support::Compare;
use crate::Algebra;

compare_op! {
    /// `a < b`, elementwise with broadcasting, to bool; false if either is NaN. Numbers.
    Less, "less", Algebra::ELEMENTWISE,
    Compare { float: |a, b| a < b, int: |a, b| a < b, boolean: None, complex: None, string: None },
    known: |a, b| {
        let difference = b.clone() - a.clone();
        if difference.is_positive() { Some(true) } else { (-difference).is_non_negative().then_some(false) }
    },
}
