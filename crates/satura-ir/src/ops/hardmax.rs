//! The position of the maximum, as ones and zeros.

use super::{ArgKind, ArgReduce, Cast, Equal, Iota, axis_index};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId, eval_by_decomposition};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// 1 at the first greatest element along `axis`, 0 elsewhere. Floats.
    pub struct Hardmax {
        /// The axis; negative counts from the back.
        pub axis: i64,
    }
}

impl OpDef for Hardmax {
    const NAME: &'static str = "hardmax";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        super::support::float_dtype(cx, Self::NAME).map(|dtype| vec![dtype])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        axis_index(self.axis, cx.shape(0)?.len())?;
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

impl Composite for Hardmax {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let x = inputs[0];
        let from = cx.shape(x)?;
        let axis = axis_index(self.axis, from.len())?;
        if from.elements().is(0) {
            return Ok(vec![x]);
        }
        let first =
            cx.one(ArgReduce { kind: ArgKind::Max, axis: self.axis, keep: true, last: false }, &[x])?;
        let mut shape = vec![Dim::from(1); from.len()];
        shape[axis] = from[axis].clone();
        let positions = cx.one(Iota { dtype: DType::I64, shape: Shape(shape), axis }, &[])?;
        let hit = cx.one(Equal {}, &[first, positions])?;
        Ok(vec![cx.one(Cast { to: cx.dtype(x)? }, &[hit])?])
    }
}
