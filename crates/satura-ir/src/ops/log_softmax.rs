//! Logarithm of softmax.

use super::checks::same_float;
use super::{Exp, Log, Reduce, ReduceKind, Sub, axis_index};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId, eval_by_decomposition};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// `x - max - log(sum(exp(x - max)))` along `axis`. Floats.
    pub struct LogSoftmax {
        /// The axis; negative counts from the back.
        pub axis: i64,
    }
}

impl OpDef for LogSoftmax {
    const NAME: &'static str = "log_softmax";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        axis_index(self.axis, cx.shape(0)?.len())?;
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

impl Composite for LogSoftmax {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let x = inputs[0];
        let reduce = |kind| Reduce { kind, axes: Some(vec![self.axis]), keep: true };
        let greatest = cx.one(reduce(ReduceKind::Max), &[x])?;
        let shifted = cx.one(Sub {}, &[x, greatest])?;
        let raised = cx.one(Exp {}, &[shifted])?;
        let sum = cx.one(reduce(ReduceKind::Sum), &[raised])?;
        let log = cx.one(Log {}, &[sum])?;
        Ok(vec![cx.one(Sub {}, &[shifted, log])?])
    }
}
