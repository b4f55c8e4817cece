//! New axes of extent 1.

use super::support::known_rearranged;
use super::{Reshape, axis_indices};
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{Dim, Shape, Tensor};

crate::op_struct! {
    /// Inserts axes of extent 1. Any dtype.
    pub struct Unsqueeze {
        /// The axes of the output that are new, each once; negative counts from its back.
        pub axes: Vec<i64>,
    }
}

impl Unsqueeze {
    fn target(&self, from: &Shape) -> Result<Shape, OpError> {
        let rank = from.len() + self.axes.len();
        let new = axis_indices(Some(&self.axes), rank)?;
        let mut old = from.iter().cloned();
        Ok((0..rank)
            .filter_map(|axis| if new.contains(&axis) { Some(Dim::from(1)) } else { old.next() })
            .collect())
    }
}

impl OpDef for Unsqueeze {
    const NAME: &'static str = "unsqueeze";
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

impl Composite for Unsqueeze {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = self.target(&cx.shape(inputs[0])?)?;
        Ok(vec![cx.one(Reshape { shape }, inputs)?])
    }
}
