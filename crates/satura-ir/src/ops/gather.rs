//! Selection of slices by index along one axis.

use super::axis_index;
use super::checks::{index_dtype, indices, output_sizes, wrap_index};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Shape, Tensor};

crate::op_struct! {
    /// `out[a.., i.., b..] = x[a.., indices[i..], b..]`, the indexed axis being `axis`. `x` has any dtype and rank 1 or more, `indices` any rank, i32 or i64.
    /// A negative index counts from the back; one out of range is an error.
    pub struct Gather {
        /// The indexed axis of `x`; negative counts from the back.
        pub axis: i64,
    }
}

impl OpDef for Gather {
    const NAME: &'static str = "gather";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        index_dtype(Self::NAME, cx, 1)?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?, cx.shape(1)?).map(|s| vec![s])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let (x, at) = (cx.known(0)?, cx.known(1)?);
        let at_values: Vec<i128> = at.constants()?.into_iter().map(i128::from).collect();
        let shape = self.shape(&Shape::of(&x.shape), &Shape::of(&at.shape)).ok()?.sizes()?;
        let sources = self.sources(&x.shape, &at_values).ok()?;
        Some(SymTensor { shape, elements: sources.into_iter().map(|i| x.elements[i].clone()).collect() })
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, at) = (&inputs[0], &inputs[1]);
        let sizes = output_sizes(&self.shape(&Shape::of(x.shape()), &Shape::of(at.shape()))?)?;
        let sources = self.sources(x.shape(), &indices(Self::NAME, at)?)?;
        Ok(vec![x.rearranged(&sizes, |i| sources[i])])
    }
}

impl Gather {
    fn shape(&self, x: &Shape, indices: &Shape) -> Result<Shape, OpError> {
        let axis = axis_index(self.axis, x.len())?;
        Ok(x[..axis].iter().chain(indices.iter()).chain(&x[axis + 1..]).cloned().collect())
    }

    /// For each element of the output, its row-major position in `x`.
    fn sources(&self, x: &[usize], indices: &[i128]) -> Result<Vec<usize>, OpError> {
        let axis = axis_index(self.axis, x.len())?;
        let rows = indices.iter().map(|i| wrap_index(*i, axis, x[axis])).collect::<Result<Vec<_>, _>>()?;
        let (outer, inner): (usize, usize) = (x[..axis].iter().product(), x[axis + 1..].iter().product());
        Ok((0..outer)
            .flat_map(|o| rows.iter().map(move |r| (o * x[axis] + r) * inner))
            .flat_map(|start| start..start + inner)
            .collect())
    }
}
