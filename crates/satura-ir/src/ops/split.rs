//! Division into parts.

use super::{Slice, axis_index};
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{Dim, Shape, Tensor};

crate::op_struct! {
    /// Cuts the input along `axis` into consecutive parts, one output for each of `sizes`. Any dtype.
    pub struct Split {
        /// The axis; negative counts from the back.
        pub axis: i64,
        /// The extent of each part, not negative; together the extent of the axis.
        pub sizes: Vec<i64>,
    }
}

impl Split {
    /// The slice that each output is.
    fn parts(&self, from: &Shape) -> Result<Vec<Slice>, OpError> {
        let axis = axis_index(self.axis, from.len())?;
        if let Some(size) = self.sizes.iter().find(|size| **size < 0) {
            return Err(OpError::attribute(format!("a part has size {size}")));
        }
        let total = self.sizes.iter().fold(0i64, |sum, size| sum.saturating_add(*size));
        if let Some(extent) = from[axis].as_const()
            && extent != total
        {
            return Err(OpError::shape(format!(
                "sizes {:?} add up to {total}, axis {axis} has extent {extent}",
                self.sizes
            )));
        }
        let mut start = 0;
        let parts = self.sizes.iter().map(|size| {
            let mut part = Slice {
                starts: vec![Dim::from(0); from.len()],
                sizes: from.to_vec(),
                steps: vec![1; from.len()],
            };
            part.starts[axis] = Dim::from(start);
            part.sizes[axis] = Dim::from(*size);
            start += size;
            part
        });
        Ok(parts.collect())
    }
}

impl OpDef for Split {
    const NAME: &'static str = "split";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn outputs(&self) -> usize {
        self.sizes.len()
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(self.parts(cx.shape(0)?)?.into_iter().map(|part| Shape(part.sizes)).collect())
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        self.parts(&Shape::of(&cx.known(0)?.shape)).ok()?.first()?.values(cx)
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let mut outputs = Vec::new();
        for part in self.parts(&Shape::of(inputs[0].shape()))? {
            outputs.extend(part.eval(inputs, cx)?);
        }
        Ok(outputs)
    }
}

impl Composite for Split {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let parts = self.parts(&cx.shape(inputs[0])?)?;
        parts.into_iter().map(|part| cx.one(part, inputs)).collect()
    }
}
