//! Conversion between dtypes.

use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// Converts each element to `to`, by the rules of [`satura_tensor::cast`]. Any dtype.
    pub struct Cast {
        /// The dtype of the output.
        pub to: DType,
    }
}

impl OpDef for Cast {
    const NAME: &'static str = "cast";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        cx.dtype(0).map(|_| vec![self.to])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let known = cx.known(0)?;
        let (least, greatest) = self.to.int_range()?;
        let keeps = |d: &Dim| match d.as_const() {
            Some(v) => (least..=greatest).contains(&i128::from(v)),
            // Extents are below the element limit, which the 64-bit types hold. Models also compute shapes in 32 bits: an extent that does not fit
            // there has no meaning in such a model.
            None => self.to.bits() >= 32,
        };
        known.elements.iter().all(keeps).then(|| known.clone())
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let out = satura_tensor::cast(&inputs[0], self.to)
            .ok_or_else(|| OpError::value(format!("a string is not a number, so it has no {}", self.to)))?;
        Ok(vec![out])
    }
}
