//! Selection of single elements by index along one axis.

use super::axis_index;
use super::checks::{index_dtype, indices, output_sizes, wrap_index};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Shape, Tensor, contiguous_strides};

crate::op_struct! {
    /// `out[.., i, ..] = x[.., indices[.., i, ..], ..]`, the replaced coordinate being that of `axis`. `x` has any dtype; `indices` is i32 or i64, of the same
    /// rank, and on the other axes no larger than `x`. The output has the shape of `indices`. A negative index counts from the back; one out of range is an error.
    pub struct GatherElements {
        /// The indexed axis; negative counts from the back.
        pub axis: i64,
    }
}

impl OpDef for GatherElements {
    const NAME: &'static str = "gather_elements";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        index_dtype(Self::NAME, cx, 1)?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        check_element_indices(self.axis, cx.shape(0)?, cx.shape(1)?)?;
        Ok(vec![cx.shape(1)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, at) = (&inputs[0], &inputs[1]);
        check_element_indices(self.axis, &Shape::of(x.shape()), &Shape::of(at.shape()))?;
        let sizes = output_sizes(&Shape::of(at.shape()))?;
        let axis = axis_index(self.axis, x.rank())?;
        let sources = element_positions(x.shape(), axis, at.shape(), &indices(Self::NAME, at)?)?;
        Ok(vec![x.rearranged(&sizes, |i| sources[i])])
    }
}

/// Checks that `indices` may index the elements of `x` along `axis`.
pub(super) fn check_element_indices(axis: i64, x: &Shape, indices: &Shape) -> Result<(), OpError> {
    let axis = axis_index(axis, x.len())?;
    if indices.len() != x.len() {
        return Err(OpError::shape(format!(
            "the indices have rank {}, input 0 has rank {}",
            indices.len(),
            x.len()
        )));
    }
    for a in (0..x.len()).filter(|a| *a != axis) {
        if let (Some(given), Some(extent)) = (indices[a].as_const(), x[a].as_const())
            && given > extent
        {
            return Err(OpError::shape(format!(
                "the indices have extent {given} at axis {a}, input 0 has {extent}"
            )));
        }
    }
    Ok(())
}

/// For each index, the row-major position in a tensor of sizes `x` of the element with the index's own coordinates, that of `axis` replaced.
pub(super) fn element_positions(
    x: &[usize],
    axis: usize,
    sizes: &[usize],
    indices: &[i128],
) -> Result<Vec<usize>, OpError> {
    let (to, from) = (contiguous_strides(sizes), contiguous_strides(x));
    let position = |(i, index): (usize, &i128)| {
        let row = wrap_index(*index, axis, x[axis])?;
        let others = (0..sizes.len()).filter(|a| *a != axis).map(|a| i / to[a] % sizes[a] * from[a]);
        Ok(others.sum::<usize>() + row * from[axis])
    };
    indices.iter().enumerate().map(position).collect()
}
