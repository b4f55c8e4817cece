//! The value of an optional.

use super::sequence::eval_tensors;
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{Shape, Tensor};

crate::op_struct! {
    /// The value that the optional holds. There must be one.
    pub struct OptionalGet {}
}

impl OpDef for OptionalGet {
    const NAME: &'static str = "optional_get";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Err(OpError::unknown("a container has no shape"))
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        match cx.ty(0) {
            Type::Optional(item) => Ok(vec![(**item).clone()]),
            other => Err(OpError::dtype(format!("an optional is expected, got {other}"))),
        }
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_tensors(inputs, cx, |data, cx| self.eval_data(data, cx))
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        match &inputs[0] {
            Datum::Optional(Some(item)) => Ok(vec![(**item).clone()]),
            Datum::Optional(None) => Err(OpError::value("the optional is empty")),
            other => Err(OpError::dtype(format!("an optional is expected, got {}", other.kind()))),
        }
    }
}
