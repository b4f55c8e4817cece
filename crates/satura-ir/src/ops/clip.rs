//! Limiting to a range.

use super::support::{check_scalar, known_elementwise};
use super::{Max, Min};
use crate::{
    Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId,
    eval_by_decomposition,
};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// `min(max(x, least), greatest)`, elementwise: `x` (input 0) and the scalars `least` and `greatest` (inputs 1 and 2) of its dtype. If `least` is above
    /// `greatest`, `greatest` everywhere. NaN stays NaN. Numbers.
    pub struct Clip {}
}

impl OpDef for Clip {
    const NAME: &'static str = "clip";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.same_dtype(0)?;
        if dtype.is_float() || dtype.is_int() {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("clip does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        check_scalar(cx, 1, "the least value")?;
        check_scalar(cx, 2, "the greatest value")?;
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        known_elementwise(cx, |x| Some(x[0].maximum(x[1]).minimum(x[2])))
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

impl Composite for Clip {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let raised = cx.one(Max {}, &[inputs[0], inputs[1]])?;
        Ok(vec![cx.one(Min {}, &[raised, inputs[2]])?])
    }
}
