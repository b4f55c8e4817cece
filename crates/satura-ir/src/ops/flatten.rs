//! Flattening to a matrix.

use super::Reshape;
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{Dim, Shape, Tensor};

crate::op_struct! {
    /// The axes before `axis` joined into one and the others into a second: `[d_0, .., d_n] -> [d_0 * .. * d_(axis-1), d_axis * .. * d_n]`. Any dtype.
    pub struct Flatten {
        /// The first axis of the second group, from 0 to the rank; negative counts from the back.
        pub axis: i64,
    }
}

impl Flatten {
    fn target(&self, from: &Shape) -> Result<Shape, OpError> {
        let rank = i64::try_from(from.len()).unwrap_or(i64::MAX);
        let axis = if self.axis < 0 { self.axis.saturating_add(rank) } else { self.axis };
        let split = usize::try_from(axis).ok().filter(|axis| *axis <= from.len()).ok_or_else(|| {
            OpError::attribute(format!("axis {} is out of range for rank {rank}", self.axis))
        })?;
        let product = |dims: &[Dim]| dims.iter().fold(Dim::from(1), |p, d| p * d.clone());
        Ok(Shape(vec![product(&from[..split]), product(&from[split..])]))
    }
}

impl OpDef for Flatten {
    const NAME: &'static str = "flatten";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![self.target(cx.shape(0)?)?])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = self.target(&Shape::of(inputs[0].shape()))?;
        Reshape { shape }.eval(inputs, cx)
    }
}

impl Composite for Flatten {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = self.target(&cx.shape(inputs[0])?)?;
        Ok(vec![cx.one(Reshape { shape }, inputs)?])
    }
}
