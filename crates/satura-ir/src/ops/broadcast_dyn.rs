//! Broadcast with a shape that is a value.

use super::Broadcast;
use super::support::int_vector;
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{DType, Dim, Shape, Tensor, broadcast_dims};

crate::op_struct! {
    /// Repeats `x` (input 0) to the shape that its own and the one in input 1, an i64 vector, broadcast to: either may have the 1 or lack the axis. Any dtype.
    pub struct BroadcastDyn {}
}

fn target(from: &Shape, wanted: &[Dim]) -> Result<Shape, OpError> {
    if let Some(axis) = wanted.iter().position(|d| d.as_const().is_some_and(|d| d < 0)) {
        return Err(OpError::shape(format!("the shape has {} at axis {axis}", wanted[axis])));
    }
    broadcast_dims(from, wanted).map_err(|(axis, a, b)| {
        OpError::shape(format!(
            "{from} does not broadcast with the shape: extents {a} and {b} at axis {axis}"
        ))
    })
}

impl OpDef for BroadcastDyn {
    const NAME: &'static str = "broadcast_dyn";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        super::support::check_i64_vector(cx, 1, "the shape")?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![target(cx.shape(0)?, &cx.vector(1)?)?])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let shape = target(cx.shape(0).ok()?, &cx.known(1)?.elements).ok()?;
        Broadcast { shape }.values(cx)
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let wanted = int_vector(&inputs[1], "the shape")?;
        let shape = target(&Shape::of(inputs[0].shape()), &wanted)?;
        Broadcast { shape }.eval(&inputs[..1], cx)
    }
}

impl Composite for BroadcastDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = target(&cx.shape(inputs[0])?, &cx.need_known(inputs[1])?)?;
        Ok(vec![cx.one(Broadcast { shape }, &inputs[..1])?])
    }
}
