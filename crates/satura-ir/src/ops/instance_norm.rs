//! Instance normalisation.

use super::checks::{floats, same_float};
use super::norm::{
    channel_shape, check_channels, emit_affine, emit_along_channels, emit_normalised, normalise_rows,
    scale_channels,
};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, mean and variance of each channel of each instance over the spatial axes, in f64. `x: [N, C, spatial..]` with one
    /// spatial axis or more, `scale` and `bias`: `[C]`. Floats of one dtype.
    pub struct InstanceNorm {
        /// Added to the variance.
        pub epsilon: Real,
    }
}

impl OpDef for InstanceNorm {
    const NAME: &'static str = "instance_norm";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let shape = channel_shape(cx, 2)?;
        if shape.len() < 3 {
            return Err(OpError::shape(format!("the input {shape} has no spatial axis")));
        }
        Ok(vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, scale, bias] = inputs else { return Err(OpError::arity("3 inputs expected")) };
        check_channels(x.shape(), &[scale.shape(), bias.shape()])?;
        let inner = x.shape()[2..].iter().product();
        let mut values = floats(Self::NAME, x)?;
        normalise_rows(&mut values, inner, self.epsilon);
        scale_channels(&mut values, inner, &floats(Self::NAME, scale)?, &floats(Self::NAME, bias)?);
        Ok(vec![Tensor::from_elements(x.dtype(), x.shape(), Elements::Float(values))])
    }
}

impl Composite for InstanceNorm {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let rank = cx.shape(inputs[0])?.len();
        let normalised = emit_normalised(cx, inputs[0], (2..rank).map(|a| a as i64).collect(), self.epsilon)?;
        let scale = emit_along_channels(cx, inputs[1], rank)?;
        let bias = emit_along_channels(cx, inputs[2], rank)?;
        Ok(vec![emit_affine(cx, normalised, scale, bias)?])
    }
}
