//! Another shape over the same elements.

use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{Shape, Tensor};

crate::op_struct! {
    /// The same elements, row-major, in `shape`. Any dtype; the number of elements must not change.
    pub struct Reshape {
        /// The shape of the output.
        pub shape: Shape,
    }
}

impl OpDef for Reshape {
    const NAME: &'static str = "reshape";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        if let Ok(from) = cx.shape(0) {
            let (before, after) = (from.elements().as_const(), self.shape.elements().as_const());
            if let (Some(before), Some(after)) = (before, after)
                && before != after
            {
                return Err(OpError::shape(format!(
                    "{from} has {before} elements, {} has {after}",
                    self.shape
                )));
            }
        }
        Ok(vec![self.shape.clone()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        Some(SymTensor { shape: self.shape.sizes()?, elements: cx.known(0)?.elements.clone() })
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let sizes = self
            .shape
            .sizes()
            .ok_or_else(|| OpError::unknown(format!("the sizes of {} are not bound", self.shape)))?;
        let out = inputs[0].reshaped(&sizes).ok_or_else(|| {
            OpError::shape(format!("{:?} does not have the elements of {sizes:?}", inputs[0].shape()))
        })?;
        Ok(vec![out])
    }
}
