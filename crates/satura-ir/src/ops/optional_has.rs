//! Whether an optional holds a value.

use super::sequence::eval_tensors;
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// Whether the optional holds a value, a bool scalar.
    pub struct OptionalHas {}
}

impl OpDef for OptionalHas {
    const NAME: &'static str = "optional_has";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Err(OpError::unknown("a container has no shape"))
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        match cx.ty(0) {
            Type::Optional(_) => Ok(vec![Type::tensor(DType::Bool, Shape::default())]),
            other => Err(OpError::dtype(format!("an optional is expected, got {other}"))),
        }
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_tensors(inputs, cx, |data, cx| self.eval_data(data, cx))
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let Datum::Optional(item) = &inputs[0] else {
            return Err(OpError::dtype(format!("an optional is expected, got {}", inputs[0].kind())));
        };
        Ok(vec![Datum::Tensor(Tensor::from_bools(&[item.is_some()], &[]))])
    }
}
