//! An item of a sequence.

use super::sequence::{check_position, eval_tensors, item_type, items, position};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{Shape, Tensor};

crate::op_struct! {
    /// The item of the sequence (input 0) at a position (input 1, one integer; from the end where negative).
    pub struct SeqAt {}
}

impl OpDef for SeqAt {
    const NAME: &'static str = "seq_at";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Err(OpError::unknown("a container has no shape"))
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        check_position(cx, 1)?;
        Ok(vec![item_type(cx, 0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_tensors(inputs, cx, |data, cx| self.eval_data(data, cx))
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let list = items(&inputs[0])?;
        Ok(vec![list[position(&inputs[1], list.len())?].clone()])
    }
}
