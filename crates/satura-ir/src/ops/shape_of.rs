//! The shape as a tensor.

use crate::{Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Dim, Shape, Tensor};
use std::ops::Range;

crate::op_struct! {
    /// The extents of the axes `start..end` of the input as an i64 vector. Any dtype.
    pub struct ShapeOf {
        /// The first axis; negative counts from the back, and what is out of range is clamped.
        pub start: i64,
        /// The axis after the last, counted likewise; `none` is the rank.
        pub end: Option<i64>,
    }
}

impl ShapeOf {
    fn range(&self, rank: usize) -> Range<usize> {
        let from_front = |axis: i64| {
            let signed = i64::try_from(rank).unwrap_or(i64::MAX);
            let axis = if axis < 0 { axis.saturating_add(signed) } else { axis };
            usize::try_from(axis).unwrap_or(0).min(rank)
        };
        let (start, end) = (from_front(self.start), self.end.map_or(rank, from_front));
        start..end.max(start)
    }
}

impl OpDef for ShapeOf {
    const NAME: &'static str = "shape_of";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        cx.dtype(0).map(|_| vec![DType::I64])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let count = cx.shape(0).map_or(Dim::unknown(), |x| Dim::from(self.range(x.len()).len()));
        Ok(vec![Shape(vec![count])])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let shape = cx.shape(0).ok()?;
        Some(SymTensor::vector(shape[self.range(shape.len())].to_vec()))
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = inputs[0].shape();
        let extents = shape[self.range(shape.len())].iter();
        let extents: Vec<i64> = extents.map(|e| i64::try_from(*e).unwrap_or(i64::MAX)).collect();
        let count = extents.len();
        Ok(vec![Tensor::from_vec(extents, &[count])])
    }
}
