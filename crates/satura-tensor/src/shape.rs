//! Shapes: lists of dimensions, outermost first.

use crate::{Bindings, Dim, Symbol};
use std::fmt;
use std::ops::Deref;

/// The dimensions of a tensor, outermost first. A scalar has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// A shape of known sizes.
    pub fn of(sizes: &[usize]) -> Self {
        Shape(sizes.iter().map(|s| Dim::from(*s)).collect())
    }

    /// The sizes, if every dimension is a constant that is not negative.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|d| d.as_const().and_then(|v| usize::try_from(v).ok())).collect()
    }

    /// Whether every dimension follows from symbols.
    pub fn is_known(&self) -> bool {
        self.0.iter().all(Dim::is_known)
    }

    /// The number of elements, as an expression.
    pub fn elements(&self) -> Dim {
        self.0.iter().fold(Dim::from(1), |product, dim| product * dim.clone())
    }

    /// The shape with every bound symbol replaced.
    pub fn bind(&self, bindings: &Bindings) -> Shape {
        Shape(self.0.iter().map(|d| d.bind(bindings)).collect())
    }

    /// The symbols of all dimensions, each once, in order of appearance.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        self.0.iter().for_each(|d| d.collect_symbols(&mut symbols));
        symbols
    }
}

impl Deref for Shape {
    type Target = [Dim];
    fn deref(&self) -> &[Dim] {
        &self.0
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Self {
        Shape(dims)
    }
}

impl FromIterator<Dim> for Shape {
    fn from_iter<I: IntoIterator<Item = Dim>>(dims: I) -> Self {
        Shape(dims.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    /// `[N, 3, 2*H]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.0.iter().enumerate() {
            write!(f, "{}{dim}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}

/// The shape two operands broadcast to under NumPy's rule, or the axis of the result (outermost = 0) and the two extents that cannot meet.
///
/// Where one extent is 1 the other is taken. Two different extents of which neither is known to be 1 meet only if one of them
/// is a constant other than 1: then the other must equal it at run time. Two different unknowns are taken to be the greater one's
/// expression only when equal; otherwise the result is `max(a, b)`, which is right for 1 against n. What depends on data stays unknown beside anything but a constant other than 1.
pub fn broadcast_dims(a: &[Dim], b: &[Dim]) -> Result<Shape, (usize, Dim, Dim)> {
    let rank = a.len().max(b.len());
    let at = |dims: &[Dim], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(Dim::from(1), |i| dims[i].clone())
    };
    (0..rank)
        .map(|axis| {
            let (x, y) = (at(a, axis), at(b, axis));
            if x == y || y.is(1) {
                return Ok(x);
            }
            if x.is(1) {
                return Ok(y);
            }
            match (x.as_const(), y.as_const()) {
                (Some(_), Some(_)) => Err((axis, x, y)),
                (Some(_), None) => Ok(x),
                (None, Some(_)) => Ok(y),
                (None, None) => Ok(x.maximum(&y)),
            }
        })
        .collect()
}

/// [`broadcast_dims`] for known sizes; `None` where two extents cannot meet.
pub fn broadcast_sizes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |sizes: &[usize], axis: usize| (axis + sizes.len()).checked_sub(rank).map_or(1, |i| sizes[i]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}

/// Strides, in elements, of a contiguous row-major tensor.
pub fn contiguous_strides(sizes: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; sizes.len()];
    for axis in (0..sizes.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * sizes[axis + 1].max(1);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting() {
        let n = Dim::symbol("N");
        let shape = broadcast_dims(&[n.clone(), Dim::from(1)], &[Dim::from(5)]).expect("meets");
        assert_eq!(shape.to_string(), "[N, 5]");
        assert_eq!(broadcast_dims(&[Dim::from(2)], &[Dim::from(3)]), Err((0, Dim::from(2), Dim::from(3))));
        assert_eq!(broadcast_sizes(&[2, 1], &[3]), Some(vec![2, 3]));
    }
}
