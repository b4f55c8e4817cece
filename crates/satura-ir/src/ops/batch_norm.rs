//! Batch normalisation with given statistics.

use super::checks::{same_extent, same_float};
use super::{Add, Div, Mul, Reshape, Sqrt, Sub};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId, eval_by_decomposition};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// `(x - mean) / sqrt(var + epsilon) * scale + bias` for each channel: inputs `x: [N, C, spatial..]`, and scale, bias, mean and variance `[C]`. Floats of one dtype.
    pub struct BatchNorm {
        /// Added to the variance.
        pub epsilon: Real,
    }
}

impl OpDef for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn arity(&self) -> Arity {
        5..=5
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(BatchNorm::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let mut shape = cx.shape(0)?.clone();
        if shape.len() < 2 {
            return Err(OpError::shape(format!("the input {shape} has no channel axis")));
        }
        for i in 1..5 {
            let Some(parameter) = cx.ty(i).shape() else { continue };
            let [channels] = &parameter[..] else {
                return Err(OpError::shape(format!("input {i} is {parameter}, a vector is expected")));
            };
            same_extent(&shape[1], channels, || {
                format!("input {i} is {parameter}, the input {shape} has {} channels", shape[1])
            })?;
            if shape[1].as_const().is_none() {
                shape.0[1] = channels.clone();
            }
        }
        Ok(vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

impl Composite for BatchNorm {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let rank = cx.shape(inputs[0])?.len();
        let along_channels = |cx: &mut dyn Emit, value: ValueId| {
            let channels = cx.shape(value)?[0].clone();
            let mut shape = vec![Dim::from(1); rank - 1];
            shape[0] = channels;
            cx.one(Reshape { shape: shape.into() }, &[value])
        };
        let epsilon = cx.scalar_like(inputs[4], self.epsilon.get())?;
        let variance = cx.one(Add {}, &[inputs[4], epsilon])?;
        let deviation = cx.one(Sqrt {}, &[variance])?;
        let factor = cx.one(Div {}, &[inputs[1], deviation])?;
        let (factor, mean) = (along_channels(cx, factor)?, along_channels(cx, inputs[3])?);
        let bias = along_channels(cx, inputs[2])?;
        let centred = cx.one(Sub {}, &[inputs[0], mean])?;
        let scaled = cx.one(Mul {}, &[centred, factor])?;
        Ok(vec![cx.one(Add {}, &[scaled, bias])?])
    }
}
