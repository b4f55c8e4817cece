//! Writing of slices by index tuples.

use super::checks::indices;
use super::gather_nd::{nd_positions, nd_split};
use super::scatter_elements::{ScatterKind, same_shape, scatter, scattered_dtype};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// A copy of `x` in which the slice at coordinates `indices[i.., ..]` of its leading axes is combined with `updates[i.., r..]`. `indices: [i.., k]` is i32 or i64 with a
    /// constant `k`; `updates: [i.., r..]` has the dtype of `x` and its extents behind axis `k`. Any dtype for `replace` (the last update in row-major order wins), else
    /// floats and integers, which wrap. Negative indices count from the back; one out of range is an error. A slice may be written several times.
    pub struct ScatterNd {
        /// How.
        pub combine: ScatterKind,
    }
}

impl OpDef for ScatterNd {
    const NAME: &'static str = "scatter_nd";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        scattered_dtype(Self::NAME, self.combine, cx)
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        check(cx.shape(0)?, cx.shape(1)?, cx.shape(2)?)?;
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, at, updates) = (&inputs[0], &inputs[1], &inputs[2]);
        check(&Shape::of(x.shape()), &Shape::of(at.shape()), &Shape::of(updates.shape()))?;
        let starts = nd_positions(0, x.shape(), at.shape(), &indices(Self::NAME, at)?)?;
        let width = updates.elements() / starts.len().max(1);
        let targets: Vec<usize> = starts.into_iter().flat_map(|start| start..start + width).collect();
        scatter(self.combine, x, &targets, updates).map(|t| vec![t])
    }
}

fn check(x: &Shape, indices: &Shape, updates: &Shape) -> Result<(), OpError> {
    match nd_split(0, x, indices) {
        Ok((lead, inner)) => same_shape(updates, &lead.iter().chain(inner.iter()).cloned().collect()),
        // The shape of the output does not depend on what is not known here.
        Err(error) if error.kind == crate::OpErrorKind::Unknown => Ok(()),
        Err(error) => Err(error),
    }
}
