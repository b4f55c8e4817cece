//! The length of a sequence.

use super::sequence::{item_type, items};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// The number of items of a sequence, an i64 scalar.
    pub struct SeqLength {}
}

impl OpDef for SeqLength {
    const NAME: &'static str = "seq_length";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        item_type(cx, 0)?;
        Ok(vec![Type::tensor(DType::I64, Shape::default())])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let length = items(&inputs[0])?.len();
        let length = i64::try_from(length).map_err(|_| OpError::limit("the sequence is too long"))?;
        Ok(vec![Datum::Tensor(Tensor::scalar(length))])
    }
}
