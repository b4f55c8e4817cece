//! Inserting into a sequence.

use super::sequence::{check_position, item_type, items, one_integer, position};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};

crate::op_struct! {
    /// The sequence (input 0) with a value (input 1) inserted at a position (input 2, one integer; from the end where negative), or at the end.
    pub struct SeqInsert {}
}

impl OpDef for SeqInsert {
    const NAME: &'static str = "seq_insert";

    fn arity(&self) -> Arity {
        2..=3
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let item = item_type(cx, 0)?;
        check_position(cx, 2)?;
        let joined = item
            .join(cx.ty(1))
            .ok_or_else(|| OpError::dtype(format!("{} cannot be inserted into {}", cx.ty(1), cx.ty(0))))?;
        Ok(vec![Type::Sequence(Box::new(joined))])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let mut list = items(&inputs[0])?.to_vec();
        // One place more than there are items: behind the last.
        let at = match inputs.get(2) {
            Some(at) if one_integer(at) == Some(list.len() as i128) => list.len(),
            Some(at) => position(at, list.len())?,
            None => list.len(),
        };
        list.insert(at, inputs[1].clone());
        Ok(vec![Datum::Sequence(list)])
    }
}
