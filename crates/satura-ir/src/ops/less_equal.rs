//! Less or equal.

use super::support::Compare;
use crate::Algebra;

compare_op! {
    /// `a <= b`, elementwise with broadcasting, to bool; false if either is NaN. Numbers.
    LessEqual, "less_equal", Algebra::ELEMENTWISE,
    Compare { float: |a, b| a <= b, int: |a, b| a <= b, boolean: None, complex: None, string: None },
    known: |a, b| {
        let difference = b.clone() - a.clone();
        if difference.is_non_negative() { Some(true) } else { (-difference).is_positive().then_some(false) }
    },
}
