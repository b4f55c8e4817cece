//! Writing of single elements by index along one axis.

use super::axis_index;
use super::checks::{index_dtype, indices, same_extent};
use super::gather_elements::{check_element_indices, element_positions};
use super::reduce::{ReduceKind, float_step, int_step};
use super::support::join;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::attr_enum! {
    /// What happens to an element that is written.
    pub enum ScatterKind {
        /// The update takes its place; of several updates the last one in row-major order.
        Replace = "replace",
        /// The updates are added to it.
        Add = "add",
        /// It is multiplied by the updates.
        Mul = "mul",
        /// The greatest of it and the updates, NaN if any is.
        Max = "max",
        /// The least of it and the updates, NaN if any is.
        Min = "min",
    }
}

crate::op_struct! {
    /// A copy of `x` in which the element at `[.., indices[.., i, ..], ..]` (the replaced coordinate being that of `axis`) is combined with `updates[.., i, ..]`. `indices`
    /// (i32 or i64) and `updates` (dtype of `x`) have one shape, of the rank of `x` and on the other axes no larger. Any dtype for `replace`, else floats and integers,
    /// which wrap. A negative index counts from the back; one out of range is an error. An element may be written several times.
    pub struct ScatterElements {
        /// The indexed axis; negative counts from the back.
        pub axis: i64,
        /// How.
        pub combine: ScatterKind,
    }
}

impl OpDef for ScatterElements {
    const NAME: &'static str = "scatter_elements";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        scattered_dtype(Self::NAME, self.combine, cx)
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.check(cx.shape(0)?, cx.shape(1)?, cx.shape(2)?)?;
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, at, updates) = (&inputs[0], &inputs[1], &inputs[2]);
        self.check(&Shape::of(x.shape()), &Shape::of(at.shape()), &Shape::of(updates.shape()))?;
        let axis = axis_index(self.axis, x.rank())?;
        let targets = element_positions(x.shape(), axis, at.shape(), &indices(Self::NAME, at)?)?;
        scatter(self.combine, x, &targets, updates).map(|t| vec![t])
    }
}

impl ScatterElements {
    fn check(&self, x: &Shape, indices: &Shape, updates: &Shape) -> Result<(), OpError> {
        check_element_indices(self.axis, x, indices)?;
        same_shape(updates, indices)
    }
}

/// An error unless `updates` can have the shape `expected`.
pub(super) fn same_shape(updates: &Shape, expected: &Shape) -> Result<(), OpError> {
    if updates.len() != expected.len() {
        return Err(OpError::shape(format!("the updates are of shape {updates}, {expected} is expected")));
    }
    (0..expected.len()).try_for_each(|axis| {
        same_extent(&updates[axis], &expected[axis], || {
            format!(
                "the updates have extent {} at axis {axis}, {} is expected",
                updates[axis], expected[axis]
            )
        })
    })
}

/// The dtype of a scatter of inputs `x`, `indices` and `updates`.
pub(super) fn scattered_dtype(
    name: &str,
    combine: ScatterKind,
    cx: &InferCx<'_>,
) -> Result<Vec<DType>, OpError> {
    index_dtype(name, cx, 1)?;
    let (dtype, updates) = (cx.dtype(0)?, cx.dtype(2)?);
    if dtype != updates {
        return Err(OpError::dtype(format!("input 2 is {updates}, input 0 is {dtype}: they must agree")));
    }
    if combine == ScatterKind::Replace || dtype.is_float() || dtype.is_int() {
        Ok(vec![dtype])
    } else {
        Err(OpError::dtype(format!("{name} combines floats and integers, not {dtype}")))
    }
}

/// A copy of `x` with `updates`, element by element, combined into the elements at `targets`.
pub(super) fn scatter(
    combine: ScatterKind,
    x: &Tensor,
    targets: &[usize],
    updates: &Tensor,
) -> Result<Tensor, OpError> {
    let kind = match combine {
        ScatterKind::Replace => {
            let both = join(&[x.clone(), updates.clone()])?;
            let mut sources: Vec<usize> = (0..x.elements()).collect();
            targets.iter().enumerate().for_each(|(update, target)| sources[*target] = x.elements() + update);
            return Ok(both.rearranged(x.shape(), |i| sources[i]));
        }
        ScatterKind::Add => ReduceKind::Sum,
        ScatterKind::Mul => ReduceKind::Prod,
        ScatterKind::Max => ReduceKind::Max,
        ScatterKind::Min => ReduceKind::Min,
    };
    let dtype = x.dtype();
    let elements = match (x.to_elements(), updates.to_elements()) {
        (Elements::Float(x), Elements::Float(u)) => {
            Elements::Float(fold_into(x, targets, &u, float_step(kind)))
        }
        (Elements::Int(x), Elements::Int(u)) => {
            Elements::Int(fold_into(x, targets, &u, int_step(kind, dtype)))
        }
        _ => return Err(OpError::dtype(format!("a scatter combines floats and integers, not {dtype}"))),
    };
    Ok(Tensor::from_elements(dtype, x.shape(), elements))
}

fn fold_into<T: Copy>(mut x: Vec<T>, targets: &[usize], updates: &[T], f: impl Fn(T, T) -> T) -> Vec<T> {
    targets.iter().zip(updates).for_each(|(target, update)| x[*target] = f(x[*target], *update));
    x
}
