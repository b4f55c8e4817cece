//! Texts joined.

use super::support::{broadcast_positions, broadcast_shape};
use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// Each text of `a` followed by that of `b`, elementwise with broadcasting. Strings.
    pub struct StringConcat {}
}

impl OpDef for StringConcat {
    const NAME: &'static str = "string_concat";
    const ALGEBRA: Algebra = Algebra { associative: true, ..Algebra::ELEMENTWISE };

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        match (cx.dtype(0)?, cx.dtype(1)?) {
            (DType::String, DType::String) => Ok(vec![DType::String]),
            (a, b) => Err(OpError::dtype(format!("texts are joined, not {a} and {b}"))),
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        broadcast_shape(cx)
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (shape, positions) = broadcast_positions(inputs)?;
        let (Elements::String(a), Elements::String(b)) = (inputs[0].to_elements(), inputs[1].to_elements())
        else {
            return Err(OpError::dtype("texts are joined"));
        };
        let joined = positions[0].iter().zip(&positions[1]).map(|(i, j)| [&*a[*i], &*b[*j]].concat().into());
        Ok(vec![Tensor::from_strings(joined.collect(), &shape)])
    }
}
