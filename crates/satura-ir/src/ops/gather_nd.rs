//! Selection of slices by index tuples.

use super::checks::{index_dtype, indices, output_sizes, same_extent, wrap_index};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Shape, Tensor, contiguous_strides};

crate::op_struct! {
    /// `out[b.., i.., r..] = x[b.., indices[b.., i.., 0], indices[b.., i.., 1], .., r..]`: the last axis of `indices` holds coordinates of the axes of `x` that follow
    /// the batch axes `b`. `x` has any dtype, `indices: [b.., i.., k]` is i32 or i64 with a constant `k`. Negative indices count from the back; one out of range is an error.
    pub struct GatherNd {
        /// How many leading axes `x` and `indices` share.
        pub batch_dims: usize,
    }
}

impl OpDef for GatherNd {
    const NAME: &'static str = "gather_nd";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        index_dtype(Self::NAME, cx, 1)?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let (lead, inner) = nd_split(self.batch_dims, cx.shape(0)?, cx.shape(1)?)?;
        Ok(vec![lead.iter().chain(inner.iter()).cloned().collect()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, at) = (&inputs[0], &inputs[1]);
        let (lead, inner) = nd_split(self.batch_dims, &Shape::of(x.shape()), &Shape::of(at.shape()))?;
        let sizes = output_sizes(&lead.iter().chain(inner.iter()).cloned().collect())?;
        let starts = nd_positions(self.batch_dims, x.shape(), at.shape(), &indices(Self::NAME, at)?)?;
        let width: usize = sizes[lead.len()..].iter().product();
        Ok(vec![x.rearranged(&sizes, |i| starts[i / width] + i % width)])
    }
}

/// The axes of `indices` without its last, and the axes of `x` behind the indexed ones.
pub(super) fn nd_split(batch: usize, x: &Shape, indices: &Shape) -> Result<(Shape, Shape), OpError> {
    let Some((depth, lead)) = indices.split_last() else {
        return Err(OpError::shape("the indices must have rank 1 or more"));
    };
    if batch > lead.len() || batch > x.len() {
        return Err(OpError::attribute(format!(
            "batch_dims {batch} does not fit ranks {} and {}",
            x.len(),
            indices.len()
        )));
    }
    for a in 0..batch {
        same_extent(&x[a], &indices[a], || {
            format!("input 0 has extent {} at batch axis {a}, the indices have {}", x[a], indices[a])
        })?;
    }
    let depth = depth
        .as_const()
        .ok_or_else(|| OpError::unknown(format!("the last extent of the indices, {depth}, is not known")))?;
    let rest = usize::try_from(depth).ok().and_then(|k| x.get(batch + k..)).ok_or_else(|| {
        OpError::shape(format!(
            "the last extent of the indices is {depth}, input 0 has {} axes to index",
            x.len() - batch
        ))
    })?;
    Ok((lead.to_vec().into(), rest.to_vec().into()))
}

/// For each index tuple, the row-major position in a tensor of sizes `x` where its slice begins. The sizes passed [`nd_split`].
pub(super) fn nd_positions(
    batch: usize,
    x: &[usize],
    sizes: &[usize],
    indices: &[i128],
) -> Result<Vec<usize>, OpError> {
    let strides = contiguous_strides(x);
    let depth = sizes[sizes.len() - 1];
    let lead = &sizes[..sizes.len() - 1];
    let lead_strides = contiguous_strides(lead);
    (0..lead.iter().product())
        .map(|i| {
            let start: usize = (0..batch).map(|a| i / lead_strides[a] % lead[a] * strides[a]).sum();
            (0..depth).try_fold(start, |at, j| {
                let axis = batch + j;
                Ok(at + wrap_index(indices[i * depth + j], axis, x[axis])? * strides[axis])
            })
        })
        .collect()
}
