//! Making a sequence.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};

crate::op_struct! {
    /// The sequence of its inputs, which are all of one type.
    pub struct SeqConstruct {}
}

impl OpDef for SeqConstruct {
    const NAME: &'static str = "seq_construct";

    fn arity(&self) -> Arity {
        1..=usize::MAX
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let mut item = cx.ty(0).clone();
        for i in 1..cx.len() {
            item = item.join(cx.ty(i)).ok_or_else(|| {
                OpError::dtype(format!(
                    "input {i} is {}, input 0 is {}: a sequence is of one type",
                    cx.ty(i),
                    cx.ty(0)
                ))
            })?;
        }
        Ok(vec![Type::Sequence(Box::new(item))])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        Ok(vec![Datum::Sequence(inputs.to_vec())])
    }
}
