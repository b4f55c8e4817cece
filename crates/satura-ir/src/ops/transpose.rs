//! Permutation of axes.

use super::support::known_rearranged;
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
        let known = cx.known(0)?;
        let (shape, source) = self.movement(&known.shape);
        known_rearranged(known, &shape, source)
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (shape, source) = self.movement(inputs[0].shape());
        Ok(vec![inputs[0].rearranged(&shape, source)])
    }
}

impl Transpose {
    /// The sizes of the output for an input of these, and for each position of the output the one of the input.
    fn movement(&self, sizes: &[usize]) -> (Vec<usize>, impl Fn(usize) -> usize) {
        let from = contiguous_strides(sizes);
        let shape: Vec<usize> = self.perm.iter().map(|axis| sizes[*axis]).collect();
        let to = contiguous_strides(&shape);
        let extents = shape.clone();
        let source =
            move |i: usize| (0..extents.len()).map(|a| i / to[a] % extents[a] * from[self.perm[a]]).sum();
        (shape, source)
    }
}
