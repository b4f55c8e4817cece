//! Positions of the greatest or least elements along an axis.

use super::axis_index;
use super::checks::same_number;
use super::reduce::{reduced_shape, reduction_targets};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::attr_enum! {
    /// Which element is looked for.
    pub enum ArgKind {
        /// The greatest.
        Max = "max",
        /// The least.
        Min = "min",
    }
}

crate::op_struct! {
    /// The position along `axis` of the greatest or least element, as i64. Floats and integers. NaN counts as greater than any other for `max` and as less for `min`, so a
    /// NaN is found where there is one. The axis must not be empty.
    pub struct ArgReduce {
        /// Greatest or least.
        pub kind: ArgKind,
        /// The axis; negative counts from the back.
        pub axis: i64,
        /// Whether the axis stays, with extent 1.
        pub keep: bool,
        /// Whether the last of several equal elements is given, instead of the first.
        pub last: bool,
    }
}

impl OpDef for ArgReduce {
    const NAME: &'static str = "arg_reduce";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        same_number(Self::NAME, cx)?;
        Ok(vec![DType::I64])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?).map(|s| vec![s])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let shape = super::checks::output_sizes(&self.shape(&Shape::of(x.shape()))?)?;
        let axis = axis_index(self.axis, x.rank())?;
        let (extent, inner) = (x.shape()[axis], x.shape()[axis + 1..].iter().product::<usize>());
        let targets = reduction_targets(x.shape(), &[axis]);
        let count = shape.iter().product();
        let at = |i: usize| i / inner % extent;
        let found = match (x.to_elements(), self.kind) {
            (Elements::Float(v), ArgKind::Max) => self.find(
                &v,
                &targets,
                count,
                |a, b| a.is_nan() && !b.is_nan() || a > b,
                |a, b| a == b || a.is_nan() && b.is_nan(),
            ),
            (Elements::Float(v), ArgKind::Min) => self.find(
                &v,
                &targets,
                count,
                |a, b| a.is_nan() && !b.is_nan() || a < b,
                |a, b| a == b || a.is_nan() && b.is_nan(),
            ),
            (Elements::Int(v), ArgKind::Max) => self.find(&v, &targets, count, |a, b| a > b, |a, b| a == b),
            (Elements::Int(v), ArgKind::Min) => self.find(&v, &targets, count, |a, b| a < b, |a, b| a == b),
            _ => return Err(OpError::dtype(format!("arg_reduce does not take {}", x.dtype()))),
        };
        let found = found.into_iter().map(|i| at(i) as i64).collect::<Vec<_>>();
        Ok(vec![Tensor::from_vec(found, &shape)])
    }
}

impl ArgReduce {
    fn shape(&self, x: &Shape) -> Result<Shape, OpError> {
        let axis = axis_index(self.axis, x.len())?;
        if x[axis].is(0) {
            return Err(OpError::shape(format!("axis {axis} has extent 0: it has no {:?}", self.kind)));
        }
        reduced_shape(x, Some(&[self.axis]), self.keep)
    }

    /// For each target, the position of the element that wins.
    fn find<T: Copy>(
        &self,
        values: &[T],
        targets: &[usize],
        count: usize,
        beats: impl Fn(&T, &T) -> bool,
        equals: impl Fn(&T, &T) -> bool,
    ) -> Vec<usize> {
        let mut best: Vec<Option<usize>> = vec![None; count];
        for (i, target) in targets.iter().enumerate() {
            let wins = best[*target]
                .is_none_or(|b| beats(&values[i], &values[b]) || self.last && equals(&values[i], &values[b]));
            if wins {
                best[*target] = Some(i);
            }
        }
        best.into_iter().flatten().collect()
    }
}
