//! Whether an optional holds a value.

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

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        match cx.ty(0) {
            Type::Optional(_) => Ok(vec![Type::tensor(DType::Bool, Shape::default())]),
            other => Err(OpError::dtype(format!("an optional is expected, got {other}"))),
        }
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let Datum::Optional(item) = &inputs[0] else {
            return Err(OpError::dtype(format!("an optional is expected, got {}", inputs[0].kind())));
        };
        Ok(vec![Datum::Tensor(Tensor::from_bools(&[item.is_some()], &[]))])
    }
}
