//! Equality.

use super::support::Compare;
use crate::Algebra;

compare_op! {
    /// `a == b`, elementwise with broadcasting, to bool; NaN equals nothing. One dtype, any.
    Equal, "equal", Algebra { commutative: true, ..Algebra::ELEMENTWISE },
    Compare {
        float: |a, b| a == b,
        int: |a, b| a == b,
        boolean: Some(|a, b| a == b),
        complex: Some(|a, b| a == b),
        string: Some(|a, b| a == b),
    },
    known: |a, b| {
        let difference = a.clone() - b.clone();
        match difference.as_const() {
            Some(d) => Some(d == 0),
            None => (difference.is_positive() || (-difference).is_positive()).then_some(false),
        }
    },
}
