//! The number of elements.

use super::{Reduce, ReduceKind, ShapeOf};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// The number of elements of the input as an i64 scalar. Any dtype.
    pub struct Size {}
}

impl OpDef for Size {
    const NAME: &'static str = "size";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        cx.dtype(0).map(|_| vec![DType::I64])
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![Shape::default()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        Some(SymTensor::scalar(cx.shape(0).ok()?.elements()))
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![Tensor::scalar(i64::try_from(inputs[0].elements()).unwrap_or(i64::MAX))])
    }
}

impl Composite for Size {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = cx.one(ShapeOf { start: 0, end: None }, inputs)?;
        Ok(vec![cx.one(Reduce { kind: ReduceKind::Prod, axes: None, keep: false }, &[shape])?])
    }
}
