//! Test for NaN.

use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// True where the element is NaN, elementwise. Floats to bool.
    pub struct IsNan {}
}

impl OpDef for IsNan {
    const NAME: &'static str = "is_nan";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        super::support::float_dtype(cx, "is_nan").map(|_| vec![DType::Bool])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let Elements::Float(v) = x.to_elements() else {
            return Err(OpError::dtype(format!("is_nan does not take {}", x.dtype())));
        };
        let nan: Vec<bool> = v.iter().map(|x| x.is_nan()).collect();
        Ok(vec![Tensor::from_bools(&nan, x.shape())])
    }
}
