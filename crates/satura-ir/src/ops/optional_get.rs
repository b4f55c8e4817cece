//! The value of an optional.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};

crate::op_struct! {
    /// The value that the optional holds. There must be one.
    pub struct OptionalGet {}
}

impl OpDef for OptionalGet {
    const NAME: &'static str = "optional_get";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        match cx.ty(0) {
            Type::Optional(item) => Ok(vec![(**item).clone()]),
            other => Err(OpError::dtype(format!("an optional is expected, got {other}"))),
        }
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        match &inputs[0] {
            Datum::Optional(Some(item)) => Ok(vec![(**item).clone()]),
            Datum::Optional(None) => Err(OpError::value("the optional is empty")),
            other => Err(OpError::dtype(format!("an optional is expected, got {}", other.kind()))),
        }
    }
}
