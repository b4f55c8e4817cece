//! A value that may be absent.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};

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

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        match (&self.empty, cx.len()) {
            (None, 1) => Ok(vec![Type::Optional(Box::new(cx.ty(0).clone()))]),
            (Some(ty), 0) => Ok(vec![Type::Optional(Box::new(ty.clone()))]),
            _ => Err(OpError::arity("either a value or the type of an absent one is needed")),
        }
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        Ok(vec![Datum::Optional(inputs.first().cloned().map(Box::new))])
    }
}
