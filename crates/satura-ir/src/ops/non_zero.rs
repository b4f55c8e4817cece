//! Where a tensor is not zero.

use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor, contiguous_strides};

crate::op_struct! {
    /// The positions of the elements that are not 0 (not false, not empty), in row-major order: `x` of rank `r` with `k` such elements gives `[r, k]`, i64. A scalar counts as
    /// a vector of one element. Any dtype.
    pub struct NonZero {}
}

impl OpDef for NonZero {
    const NAME: &'static str = "non_zero";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        cx.dtype(0).map(|_| vec![DType::I64])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let axes = cx.shape(0).map_or(Dim::unknown(), |x| Dim::from(x.len().max(1)));
        Ok(vec![Shape(vec![axes, Dim::unknown()])])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let found: Vec<usize> = match x.to_elements() {
            Elements::Float(v) => positions(&v, |e| *e != 0.0),
            Elements::Int(v) => positions(&v, |e| *e != 0),
            Elements::Bool(v) => positions(&v, |e| *e),
            Elements::Complex(v) => positions(&v, |e| *e != [0.0; 2]),
            Elements::String(v) => positions(&v, |e| !e.is_empty()),
        };
        let sizes = if x.rank() == 0 { &[1][..] } else { x.shape() };
        let strides = contiguous_strides(sizes);
        let rows = sizes.iter().zip(&strides);
        let out: Vec<i64> =
            rows.flat_map(|(size, stride)| found.iter().map(move |at| (at / stride % size) as i64)).collect();
        Ok(vec![Tensor::from_vec(out, &[sizes.len(), found.len()])])
    }
}

fn positions<T>(elements: &[T], holds: impl Fn(&T) -> bool) -> Vec<usize> {
    elements.iter().enumerate().filter(|(_, e)| holds(e)).map(|(at, _)| at).collect()
}
