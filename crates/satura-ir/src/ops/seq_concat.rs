//! The tensors of a sequence as one tensor.

use super::sequence::{item_type, items};
use super::{Concat, axis_index};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{Dim, Tensor};

crate::op_struct! {
    /// The tensors of a sequence one after the other along an axis, which with `stack` is a new one. There must be at least one.
    pub struct SeqConcat {
        /// The axis of the result; from the end where negative.
        pub axis: i64,
        /// Whether the axis is a new one.
        pub stack: bool,
    }
}

impl OpDef for SeqConcat {
    const NAME: &'static str = "seq_concat";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let Type::Tensor(item) = item_type(cx, 0)? else {
            return Err(OpError::dtype(format!("a sequence of tensors is expected, got {}", cx.ty(0))));
        };
        let Some(shape) = &item.shape else { return Ok(vec![Type::unranked(item.dtype)]) };
        let axis = axis_index(self.axis, shape.len() + usize::from(self.stack))?;
        // Items have sizes of their own, so a symbol is not one number; and how many there are is not known.
        let constant = |dim: &Dim| if dim.as_const().is_some() { dim.clone() } else { Dim::unknown() };
        let mut dims: Vec<Dim> = shape.iter().map(constant).collect();
        if self.stack {
            dims.insert(axis, Dim::unknown());
        } else {
            dims[axis] = Dim::unknown();
        }
        Ok(vec![Type::tensor(item.dtype, dims)])
    }

    fn eval_data(&self, inputs: &[Datum], cx: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let list = items(&inputs[0])?;
        let mut tensors = list.iter().cloned().map(Datum::into_tensor).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = tensors.first() else {
            return Err(OpError::value("an empty sequence has no tensors to join"));
        };
        let rank = first.rank() + usize::from(self.stack);
        let axis = axis_index(self.axis, rank)?;
        for tensor in &mut tensors {
            if tensor.rank() + usize::from(self.stack) != rank {
                return Err(OpError::shape("the tensors of the sequence have different ranks"));
            }
            if self.stack {
                let mut shape = tensor.shape().to_vec();
                shape.insert(axis, 1);
                *tensor = tensor.reshaped(&shape).ok_or_else(|| OpError::shape("an axis of extent 1"))?;
            }
        }
        let first = tensors[0].shape().to_vec();
        let fits = |t: &Tensor| (0..rank).all(|a| a == axis || t.shape()[a] == first[a]);
        if let Some(other) = tensors.iter().find(|t| !fits(t)) {
            let message = format!("shapes {first:?} and {:?} do not join along axis {axis}", other.shape());
            return Err(OpError::shape(message));
        }
        let axis = i64::try_from(axis).map_err(|_| OpError::attribute("the axis is out of range"))?;
        Ok(Concat { axis }.eval(&tensors, cx)?.into_iter().map(Datum::Tensor).collect())
    }
}
