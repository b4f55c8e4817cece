//! Elementwise choice.

use super::support::{broadcast_positions, broadcast_shape, join, known_elementwise};
use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// `condition ? a : b`, elementwise with broadcasting. `condition` is bool, `a` and `b` have one dtype, any.
    pub struct Select {}
}

impl OpDef for Select {
    const NAME: &'static str = "select";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        if cx.dtype(0)? != DType::Bool {
            return Err(OpError::dtype(format!("the condition must be bool, it is {}", cx.ty(0))));
        }
        Ok(vec![cx.same_dtype(1)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        broadcast_shape(cx)
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        known_elementwise(cx, |x| x[0].as_const().map(|c| if c != 0 { x[1].clone() } else { x[2].clone() }))
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (shape, positions) = broadcast_positions(inputs)?;
        let Elements::Bool(condition) = inputs[0].to_elements() else {
            return Err(OpError::dtype("the condition must be bool"));
        };
        let both = join(&inputs[1..])?;
        let (a, offset) = (inputs[1].elements(), positions[0].iter());
        let chosen: Vec<usize> = offset
            .enumerate()
            .map(|(i, c)| if condition[*c] { positions[1][i] } else { a + positions[2][i] })
            .collect();
        Ok(vec![both.rearranged(&shape, |i| chosen[i])])
    }
}
