//! Layer normalisation.

use super::checks::{floats, same_float};
use super::norm::{emit_affine, emit_normalised, normalise_rows};
use super::{axis_index, support::positions_in};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Elements, Shape, Tensor, broadcast_dims, broadcast_sizes};

crate::op_struct! {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, mean and variance over the axes from `axis` on, in f64. `scale` and `bias` broadcast to those axes. Floats of one dtype.
    pub struct LayerNorm {
        /// The first axis that is normalised over; negative counts from the back.
        pub axis: i64,
        /// Added to the variance.
        pub epsilon: Real,
    }
}

impl OpDef for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let x = cx.shape(0)?;
        let axis = axis_index(self.axis, x.len())?;
        for i in 1..=2 {
            let Some(parameter) = cx.ty(i).shape() else { continue };
            let fits = parameter.len() <= x.len() - axis
                && broadcast_dims(&x[axis..], parameter)
                    .is_ok_and(|s| s.iter().zip(&x[axis..]).all(|(a, b)| b.as_const().is_none() || a == b));
            if !fits {
                return Err(OpError::shape(format!(
                    "input {i} is {parameter}: it does not broadcast to the axes {axis} and up of {x}"
                )));
            }
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let axis = axis_index(self.axis, x.rank())?;
        let inner = &x.shape()[axis..];
        let mut parameters = Vec::with_capacity(2);
        for (i, parameter) in inputs.iter().enumerate().skip(1) {
            if broadcast_sizes(inner, parameter.shape()).as_deref() != Some(inner) {
                return Err(OpError::shape(format!(
                    "input {i} is {:?}: it does not broadcast to the axes {axis} and up of {:?}",
                    parameter.shape(),
                    x.shape()
                )));
            }
            let values = floats(Self::NAME, parameter)?;
            let spread: Vec<f64> =
                positions_in(parameter.shape(), inner).into_iter().map(|at| values[at]).collect();
            parameters.push(spread);
        }
        let width = inner.iter().product();
        let mut values = floats(Self::NAME, x)?;
        normalise_rows(&mut values, width, self.epsilon);
        for row in values.chunks_exact_mut(width.max(1)) {
            for (i, value) in row.iter_mut().enumerate() {
                *value = *value * parameters[0][i] + parameters[1][i];
            }
        }
        Ok(vec![Tensor::from_elements(x.dtype(), x.shape(), Elements::Float(values))])
    }
}

impl Composite for LayerNorm {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let rank = cx.shape(inputs[0])?.len();
        let axes = (axis_index(self.axis, rank)?..rank).map(|a| a as i64).collect();
        let normalised = emit_normalised(cx, inputs[0], axes, self.epsilon)?;
        Ok(vec![emit_affine(cx, normalised, inputs[1], inputs[2])?])
    }
}
