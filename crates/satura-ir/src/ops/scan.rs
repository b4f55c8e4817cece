//! Cumulative reductions.

use super::axis_index;
use super::checks::same_number;
use super::reduce::{ReduceKind, float_start, float_step, int_start, int_step};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// Combines each element with all before it along `axis`: `out[i] = x[0] + .. + x[i]` for `sum`. Floats, combined in f64, and integers, which wrap.
    pub struct Scan {
        /// How elements are combined.
        pub kind: ReduceKind,
        /// The axis; negative counts from the back.
        pub axis: i64,
        /// Whether the element itself is left out; the first of the row then is the result of combining none.
        pub exclusive: bool,
        /// Whether the row is run through from its end.
        pub reverse: bool,
    }
}

impl OpDef for Scan {
    const NAME: &'static str = "scan";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_number(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        axis_index(self.axis, cx.shape(0)?.len())?;
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let axis = axis_index(self.axis, x.rank())?;
        let sizes =
            [x.shape()[..axis].iter().product(), x.shape()[axis], x.shape()[axis + 1..].iter().product()];
        let dtype = x.dtype();
        let elements = match x.to_elements() {
            Elements::Float(v) => {
                Elements::Float(self.run(v, sizes, float_start(self.kind), float_step(self.kind)))
            }
            Elements::Int(v) => {
                Elements::Int(self.run(v, sizes, int_start(self.kind, dtype), int_step(self.kind, dtype)))
            }
            _ => return Err(OpError::dtype(format!("scan does not take {dtype}"))),
        };
        Ok(vec![Tensor::from_elements(dtype, x.shape(), elements)])
    }
}

impl Scan {
    fn run<T: Copy>(
        &self,
        mut v: Vec<T>,
        [outer, extent, inner]: [usize; 3],
        start: T,
        f: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        for o in 0..outer {
            for i in 0..inner {
                let mut sum = start;
                for step in 0..extent {
                    let row = if self.reverse { extent - 1 - step } else { step };
                    let element = &mut v[(o * extent + row) * inner + i];
                    let next = f(sum, *element);
                    *element = if self.exclusive { sum } else { next };
                    sum = next;
                }
            }
        }
        v
    }
}
