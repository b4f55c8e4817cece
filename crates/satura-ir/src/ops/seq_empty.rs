//! A sequence without items.

use super::sequence::eval_tensors;
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// A sequence of tensors, without any yet.
    pub struct SeqEmpty {
        /// The element type of the tensors to come.
        pub dtype: DType,
    }
}

impl OpDef for SeqEmpty {
    const NAME: &'static str = "seq_empty";

    fn arity(&self) -> Arity {
        0..=0
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Err(OpError::unknown("a container has no shape"))
    }

    fn types(&self, _: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        Ok(vec![Type::Sequence(Box::new(Type::unranked(self.dtype)))])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_tensors(inputs, cx, |data, cx| self.eval_data(data, cx))
    }

    fn eval_data(&self, _: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        Ok(vec![Datum::Sequence(Vec::new())])
    }
}
