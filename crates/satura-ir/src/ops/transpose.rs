//! Permutation of axes.

use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{Shape, Tensor, contiguous_strides};

crate::op_struct! {
    /// Axis `i` of the output is axis `perm[i]` of the input: `[d_0, ..] -> [d_perm[0], ..]`. Any dtype.
    pub struct Transpose {
        /// A permutation of `0..rank`.
        pub perm: Vec<usize>,
    }
}

impl OpDef for Transpose {
    const NAME: &'static str = "transpose";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.perm.len()) {
            return Err(OpError::attribute(format!("perm {:?} is not a permutation", self.perm)));
        }
        let shape = cx.shape(0)?;
        if shape.len() != self.perm.len() {
            return Err(OpError::attribute(format!(
                "perm {:?} does not fit rank {}",
                self.perm,
                shape.len()
            )));
        }
        Ok(vec![self.perm.iter().map(|axis| shape[*axis].clone()).collect()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        cx.known(0).filter(|k| k.shape.len() <= 1).cloned()
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let from = x.strides();
        let shape: Vec<usize> = self.perm.iter().map(|axis| x.shape()[*axis]).collect();
        let to = contiguous_strides(&shape);
        let source = |i: usize| (0..shape.len()).map(|a| i / to[a] % shape[a] * from[self.perm[a]]).sum();
        Ok(vec![x.rearranged(&shape, source)])
    }
}
