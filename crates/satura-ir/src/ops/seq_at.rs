//! An item of a sequence.

use super::sequence::{check_position, item_type, items, position};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};

crate::op_struct! {
    /// The item of the sequence (input 0) at a position (input 1, one integer; from the end where negative).
    pub struct SeqAt {}
}

impl OpDef for SeqAt {
    const NAME: &'static str = "seq_at";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        check_position(cx, 1)?;
        Ok(vec![item_type(cx, 0)?.clone()])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let list = items(&inputs[0])?;
        Ok(vec![list[position(&inputs[1], list.len())?].clone()])
    }
}
