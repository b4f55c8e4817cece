//! Arithmetic mean over axes.

use super::checks::{floats, same_float};
use super::reduce::{reduced_shape, reduction_targets};
use super::{Cast, Div, Reduce, ReduceKind, axis_indices};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// The mean of all elements along `axes`, summed in f64; NaN of none. Floats.
    pub struct Mean {
        /// The axes; negative counts from the back; `none` is all of them, an empty list none.
        pub axes: Option<Vec<i64>>,
        /// Whether the reduced axes stay, with extent 1.
        pub keep: bool,
    }
}

impl OpDef for Mean {
    const NAME: &'static str = "reduce_mean";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        reduced_shape(cx.shape(0)?, self.axes.as_deref(), self.keep).map(|s| vec![s])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let axes = axis_indices(self.axes.as_deref(), x.rank())?;
        let kept = |axis: usize| if axes.contains(&axis) { 1 } else { x.shape()[axis] };
        let shape: Vec<usize> = (0..x.rank()).filter(|a| self.keep || !axes.contains(a)).map(kept).collect();
        let count: usize = axes.iter().map(|a| x.shape()[*a]).product();
        let mut sums = vec![0.0; shape.iter().product()];
        let targets = reduction_targets(x.shape(), &axes);
        floats(Self::NAME, x)?.into_iter().zip(targets).for_each(|(value, target)| sums[target] += value);
        let means = sums.into_iter().map(|sum| sum / count as f64).collect();
        Ok(vec![Tensor::from_elements(x.dtype(), &shape, Elements::Float(means))])
    }
}

impl Composite for Mean {
    /// Narrow floats are summed as f32: their sums would overflow or lose the small terms.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = cx.shape(inputs[0])?;
        let axes = axis_indices(self.axes.as_deref(), shape.len())?;
        let count = axes.iter().map(|a| shape[*a].clone()).collect::<Shape>().elements();
        let count = count
            .as_const()
            .ok_or_else(|| OpError::unknown(format!("the number of elements, {count}, is not known")))?;
        let dtype = cx.dtype(inputs[0])?;
        let narrow = dtype.bits() < 32;
        let x = if narrow { cx.one(Cast { to: DType::F32 }, inputs)? } else { inputs[0] };
        let sum = cx.one(Reduce { kind: ReduceKind::Sum, axes: self.axes.clone(), keep: self.keep }, &[x])?;
        let count = cx.scalar_like(sum, count as f64)?;
        let mean = cx.one(Div {}, &[sum, count])?;
        Ok(vec![if narrow { cx.one(Cast { to: dtype }, &[mean])? } else { mean }])
    }
}
