//! Comparing values of any type.

use satura_ir::Datum;
use satura_tensor::{Comparison, Tolerance, compare};

/// Compares two values, tensor by tensor. Containers must agree in kind and length; the elements of all tensors in them are counted together.
pub fn compare_data(actual: &Datum, expected: &Datum, tolerance: Tolerance) -> Comparison {
    match (actual, expected) {
        (Datum::Tensor(a), Datum::Tensor(b)) => compare(a, b, tolerance),
        (Datum::Sequence(a), Datum::Sequence(b)) if a.len() == b.len() => all(a.iter().zip(b), tolerance),
        (Datum::Optional(None), Datum::Optional(None)) => same(true),
        (Datum::Optional(Some(a)), Datum::Optional(Some(b))) => compare_data(a, b, tolerance),
        (Datum::Map { keys: a, values: x }, Datum::Map { keys: b, values: y }) => {
            merge(compare(a, b, Tolerance::new(0.0, 0.0)), all(x.iter().zip(y), tolerance))
        }
        _ => same(false),
    }
}

fn same(same_type: bool) -> Comparison {
    Comparison { same_type, max_absolute: 0.0, max_relative: 0.0, first_beyond: None, beyond: 0 }
}

fn all<'a>(pairs: impl Iterator<Item = (&'a Datum, &'a Datum)>, tolerance: Tolerance) -> Comparison {
    pairs.map(|(a, b)| compare_data(a, b, tolerance)).fold(same(true), merge)
}

fn merge(a: Comparison, b: Comparison) -> Comparison {
    Comparison {
        same_type: a.same_type && b.same_type,
        max_absolute: a.max_absolute.max(b.max_absolute),
        max_relative: a.max_relative.max(b.max_relative),
        first_beyond: a.first_beyond.or(b.first_beyond),
        beyond: a.beyond + b.beyond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use satura_tensor::Tensor;

    #[test]
    fn containers_agree_in_kind_length_and_elements() {
        let exact = Tolerance::new(0.0, 0.0);
        let tensor = |x: f32| Datum::Tensor(Tensor::scalar(x));
        let list = |items: &[f32]| Datum::Sequence(items.iter().map(|x| tensor(*x)).collect());
        assert!(compare_data(&list(&[1.0, 2.0]), &list(&[1.0, 2.0]), exact).agrees());
        let different = compare_data(&list(&[1.0, 3.0]), &list(&[1.0, 2.0]), exact);
        assert_eq!((different.same_type, different.beyond, different.max_absolute), (true, 1, 1.0));
        assert!(!compare_data(&list(&[1.0]), &list(&[1.0, 2.0]), exact).same_type);
        assert!(!compare_data(&tensor(1.0), &list(&[1.0]), exact).same_type);
        assert!(
            !compare_data(&Datum::Optional(None), &Datum::Optional(Some(Box::new(tensor(1.0)))), exact)
                .agrees()
        );
    }
}
