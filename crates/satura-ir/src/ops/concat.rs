//! Concatenation.

use super::axis_index;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// The inputs one after the other along `axis`: one or more tensors of one dtype, any, with the same extents on all other axes.
    pub struct Concat {
        /// The axis; negative counts from the back.
        pub axis: i64,
    }
}

impl OpDef for Concat {
    const NAME: &'static str = "concat";

    fn arity(&self) -> Arity {
        1..=usize::MAX
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![cx.same_dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let mut out = cx.shape(0)?.clone();
        let axis = axis_index(self.axis, out.len())?;
        let mut total = Dim::from(0);
        for i in 0..cx.len() {
            let shape = cx.shape(i)?;
            if shape.len() != out.len() {
                return Err(OpError::shape(format!(
                    "input {i} has rank {}, input 0 has {}",
                    shape.len(),
                    out.len()
                )));
            }
            for a in (0..out.len()).filter(|a| *a != axis) {
                match (out[a].as_const(), shape[a].as_const()) {
                    (Some(x), Some(y)) if x != y => {
                        return Err(OpError::shape(format!(
                            "input {i} has extent {y} at axis {a}, input 0 has {x}"
                        )));
                    }
                    (None, Some(_)) => out.0[a] = shape[a].clone(),
                    _ => {}
                }
            }
            total = total + shape[axis].clone();
        }
        out.0[axis] = total;
        Ok(vec![out])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let parts: Vec<&SymTensor> = (0..cx.len()).map(|i| cx.known(i)).collect::<Option<_>>()?;
        let vectors = parts.iter().all(|k| k.shape.len() == 1);
        vectors.then(|| SymTensor::vector(parts.iter().flat_map(|k| k.elements.iter().cloned()).collect()))
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let first = &inputs[0];
        let axis = axis_index(self.axis, first.rank())?;
        let mut shape = first.shape().to_vec();
        shape[axis] = inputs.iter().map(|t| t.shape()[axis]).sum();
        let outer: usize = shape[..axis].iter().product();
        // The inputs lie one after the other in `joined`; row r of the output takes row r of each.
        let joined = super::support::join(inputs)?;
        let mut sources = Vec::with_capacity(joined.elements());
        for row in 0..outer {
            let mut base = 0;
            for t in inputs {
                let width = t.elements() / outer.max(1);
                sources.extend((0..width).map(|i| base + row * width + i));
                base += t.elements();
            }
        }
        Ok(vec![joined.rearranged(&shape, |i| sources[i])])
    }
}
