//! A value that may be absent.

use super::sequence::eval_tensors;
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{Shape, Tensor};

crate::op_struct! {
    /// An optional that holds its input, or without an input an empty one, of type `ty`.
    pub struct Optional {
        /// Without an input: the type of what could be there.
        pub empty: Option<Type>,
    }
}

impl OpDef for Optional {
    const NAME: &'static str = "optional";

    fn arity(&self) -> Arity {
        0..=1
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Err(OpError::unknown("a container has no shape"))
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        match (&self.empty, cx.len()) {
            (None, 1) => Ok(vec![Type::Optional(Box::new(cx.ty(0).clone()))]),
            (Some(ty), 0) => Ok(vec![Type::Optional(Box::new(ty.clone()))]),
            _ => Err(OpError::arity("either a value or the type of an absent one is needed")),
        }
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_tensors(inputs, cx, |data, cx| self.eval_data(data, cx))
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        Ok(vec![Datum::Optional(inputs.first().cloned().map(Box::new))])
    }
}
