//! Removal of axes of extent 1.

use super::support::known_rearranged;
use super::{Reshape, axis_indices};
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{Shape, Tensor};

crate::op_struct! {
    /// Drops axes of extent 1. Any dtype.
    pub struct Squeeze {
        /// The axes; negative counts from the back; `none` is every axis of extent 1.
        pub axes: Option<Vec<i64>>,
    }
}

impl Squeeze {
    fn target(&self, from: &Shape) -> Result<Shape, OpError> {
        let dropped = match &self.axes {
            Some(axes) => axis_indices(Some(axes), from.len())?,
            None if from.iter().any(|d| d.as_const().is_none()) => {
                return Err(OpError::unknown(format!("which axes of {from} have extent 1 is not known")));
            }
            None => (0..from.len()).filter(|axis| from[*axis].is(1)).collect(),
        };
        if let Some(axis) = dropped.iter().find(|axis| from[**axis].as_const().is_some_and(|d| d != 1)) {
            return Err(OpError::shape(format!("axis {axis} of {from} has extent {}, not 1", from[*axis])));
        }
        Ok((0..from.len()).filter(|axis| !dropped.contains(axis)).map(|axis| from[axis].clone()).collect())
    }
}

impl OpDef for Squeeze {
    const NAME: &'static str = "squeeze";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![self.target(cx.shape(0)?)?])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let known = cx.known(0)?;
        known_rearranged(known, &self.target(&Shape::of(&known.shape)).ok()?.sizes()?, |i| i)
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = self.target(&Shape::of(inputs[0].shape()))?;
        Reshape { shape }.eval(inputs, cx)
    }
}

impl Composite for Squeeze {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = self.target(&cx.shape(inputs[0])?)?;
        Ok(vec![cx.one(Reshape { shape }, inputs)?])
    }
}
