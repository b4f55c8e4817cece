//! Each element once.

use super::axis_index;
use super::ordering::compare;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{DType, Dim, Shape, Tensor};
use std::cmp::Ordering;

crate::op_struct! {
    /// The elements of `x` (or its slices along an axis), each once. Four outputs, the last three i64 vectors: the elements (a vector, or `x` with a shorter axis); the position of the
    /// first occurrence of each in `x`; for each of `x` its position among the unique ones; how often each occurs. Positions count elements in row-major order, or slices. Slices
    /// compare by their first element that differs. Any dtype.
    pub struct Unique {
        /// The axis whose slices are compared; `none` compares elements.
        pub axis: Option<i64>,
        /// Whether the result is sorted, NaN last; if not, it is in the order of first occurrence.
        pub sorted: bool,
    }
}

impl OpDef for Unique {
    const NAME: &'static str = "unique";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn outputs(&self) -> usize {
        4
    }

    /// How many elements are unique depends on the data; how many there are does not.
    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let vector = |count: Dim| Shape(vec![count]);
        let (kept, count) = match (cx.shape(0).ok(), self.axis) {
            (Some(x), Some(axis)) => {
                let axis = axis_index(axis, x.len())?;
                let mut kept = x.clone();
                let count = std::mem::replace(&mut kept.0[axis], Dim::unknown());
                (Some(kept), count)
            }
            (Some(x), None) => (Some(vector(Dim::unknown())), x.elements()),
            (None, None) => (Some(vector(Dim::unknown())), Dim::unknown()),
            (None, Some(_)) => (None, Dim::unknown()),
        };
        let dtype = cx.dtype(0)?;
        let kept = kept.map_or_else(|| Type::unranked(dtype), |shape| Type::tensor(dtype, shape));
        let [first, each, counts] =
            [Dim::unknown(), count, Dim::unknown()].map(|n| Type::tensor(DType::I64, vector(n)));
        Ok(vec![kept, first, each, counts])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        // Slice `j` is made of the elements `(o * n + j) * inner + i`.
        let (axis, sizes) = match self.axis {
            Some(axis) => (axis_index(axis, x.rank())?, x.shape().to_vec()),
            None => (0, vec![x.elements()]),
        };
        let n = sizes[axis];
        let outer: usize = sizes[..axis].iter().product();
        let inner: usize = sizes[axis + 1..].iter().product();
        let elements = x.to_elements();
        let order = |a: &usize, b: &usize| {
            let differs = (0..outer * inner).map(|at| {
                let (o, i) = (at / inner, at % inner);
                compare(&elements, (o * n + a) * inner + i, (o * n + b) * inner + i)
            });
            differs.into_iter().find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
        };
        let mut sorted: Vec<usize> = (0..n).collect();
        // Stable, so the first of each group is its first occurrence.
        sorted.sort_by(order);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for j in sorted {
            match groups.last_mut() {
                Some(group) if order(&group[0], &j) == Ordering::Equal => group.push(j),
                _ => groups.push(vec![j]),
            }
        }
        if !self.sorted {
            groups.sort_by_key(|group| group[0]);
        }
        let mut inverse = vec![0i64; n];
        for (at, group) in groups.iter().enumerate() {
            group.iter().for_each(|j| inverse[*j] = at as i64);
        }
        let count = groups.len();
        let mut to = sizes;
        to[axis] = count;
        let kept = x.rearranged(&to, |at| {
            let (row, i) = (at / inner, at % inner);
            (row / count * n + groups[row % count][0]) * inner + i
        });
        let vector = |f: fn(&Vec<usize>) -> usize| {
            Tensor::from_vec(groups.iter().map(|g| f(g) as i64).collect::<Vec<_>>(), &[count])
        };
        Ok(vec![kept, vector(|group| group[0]), Tensor::from_vec(inverse, &[n]), vector(Vec::len)])
    }
}
