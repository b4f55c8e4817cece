//! Constants.

use crate::{Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// A constant tensor. No inputs.
    pub struct Const {
        /// The tensor.
        pub value: Tensor,
    }
}

impl OpDef for Const {
    const NAME: &'static str = "const";

    fn arity(&self) -> Arity {
        0..=0
    }

    fn dtypes(&self, _: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![self.value.dtype()])
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![Shape::of(self.value.shape())])
    }

    fn values(&self, _: &InferCx<'_>) -> Option<SymTensor> {
        SymTensor::of(&self.value)
    }

    fn eval(&self, _: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        Ok(vec![self.value.clone()])
    }
}
