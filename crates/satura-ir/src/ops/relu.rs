//! Rectified linear unit.

use super::Max;
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// `max(x, 0)`, elementwise; NaN stays NaN. Numbers.
    pub struct Relu {}
}

impl OpDef for Relu {
    const NAME: &'static str = "relu";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.dtype(0)?;
        if dtype.is_float() || dtype.is_int() {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("relu does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        super::support::map_elements(
            "relu",
            &inputs[0],
            Some(|x| if x < 0.0 { 0.0 } else { x }),
            Some(|x| x.max(0)),
            None,
        )
    }
}

impl Composite for Relu {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let zero = cx.scalar_like(inputs[0], 0.0)?;
        Ok(vec![cx.one(Max {}, &[inputs[0], zero])?])
    }
}
