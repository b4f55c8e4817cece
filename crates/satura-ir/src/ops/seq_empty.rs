//! A sequence without items.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::DType;

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

    fn types(&self, _: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        Ok(vec![Type::Sequence(Box::new(Type::unranked(self.dtype)))])
    }

    fn eval_data(&self, _: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        Ok(vec![Datum::Sequence(Vec::new())])
    }
}
