//! Erasing from a sequence.

use super::sequence::{check_position, item_type, items, position};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};

crate::op_struct! {
    /// The sequence (input 0) without the item at a position (input 1, one integer; from the end where negative), or without the last one.
    pub struct SeqErase {}
}

impl OpDef for SeqErase {
    const NAME: &'static str = "seq_erase";

    fn arity(&self) -> Arity {
        1..=2
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        item_type(cx, 0)?;
        check_position(cx, 1)?;
        Ok(vec![cx.ty(0).clone()])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let mut list = items(&inputs[0])?.to_vec();
        let at = match inputs.get(1) {
            Some(at) => position(at, list.len())?,
            None => list.len().checked_sub(1).ok_or_else(|| OpError::value("the sequence is empty"))?,
        };
        list.remove(at);
        Ok(vec![Datum::Sequence(list)])
    }
}
