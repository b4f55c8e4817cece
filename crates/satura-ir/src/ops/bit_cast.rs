//! The same bits as another dtype.

use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor, cast};

crate::op_struct! {
    /// The bits of each element read as another dtype of the same width; a bool is a byte that is 0 or 1, and every other byte read as a bool is true. Any dtype but strings.
    pub struct BitCast {
        /// The dtype of the output.
        pub to: DType,
    }
}

impl OpDef for BitCast {
    const NAME: &'static str = "bit_cast";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let from = cx.dtype(0)?;
        if from.bits() == self.to.bits() && from != DType::String && self.to != DType::String {
            Ok(vec![self.to])
        } else {
            Err(OpError::dtype(format!("the bits of {from} are not those of {}", self.to)))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let differ = || OpError::dtype(format!("the bits of {} are not those of {}", x.dtype(), self.to));
        // Bytes other than 0 and 1 are no bools: they become 1.
        let normal = match (self.to, x.to_elements()) {
            (DType::Bool, Elements::Int(_)) => cast(x, DType::Bool).ok_or_else(differ)?,
            (DType::Bool, Elements::Float(_)) => {
                cast(&x.reinterpreted(DType::U8).ok_or_else(differ)?, DType::Bool).ok_or_else(differ)?
            }
            _ => x.reinterpreted(self.to).ok_or_else(differ)?,
        };
        Ok(vec![normal])
    }
}
