//! Batch normalisation with given statistics.

use super::checks::{floats, same_float};
use super::norm::{channel_shape, check_channels, emit_along_channels};
use super::{Add, Div, Mul, Sqrt, Sub};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Elements, Shape, Tensor};

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
        Ok(vec![channel_shape(cx, 4)?])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, parameters @ ..] = inputs else { return Err(OpError::arity("5 inputs expected")) };
        check_channels(x.shape(), &parameters.iter().map(Tensor::shape).collect::<Vec<_>>())?;
        let parameters = parameters.iter().map(|p| floats(Self::NAME, p)).collect::<Result<Vec<_>, _>>()?;
        let [scale, bias, mean, variance] = &parameters[..] else {
            return Err(OpError::arity("5 inputs expected"));
        };
        let inner = x.shape()[2..].iter().product::<usize>();
        let mut values = floats(Self::NAME, x)?;
        for (block, c) in values.chunks_exact_mut(inner.max(1)).zip((0..scale.len()).cycle()) {
            let deviation = (variance[c] + self.epsilon.get()).sqrt();
            block.iter_mut().for_each(|x| *x = (*x - mean[c]) / deviation * scale[c] + bias[c]);
        }
        Ok(vec![Tensor::from_elements(x.dtype(), x.shape(), Elements::Float(values))])
    }
}

impl Composite for BatchNorm {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let rank = cx.shape(inputs[0])?.len();
        let epsilon = cx.scalar_like(inputs[4], self.epsilon.get())?;
        let variance = cx.one(Add {}, &[inputs[4], epsilon])?;
        let deviation = cx.one(Sqrt {}, &[variance])?;
        let factor = cx.one(Div {}, &[inputs[1], deviation])?;
        let factor = emit_along_channels(cx, factor, rank)?;
        let mean = emit_along_channels(cx, inputs[3], rank)?;
        let bias = emit_along_channels(cx, inputs[2], rank)?;
        let centred = cx.one(Sub {}, &[inputs[0], mean])?;
        let scaled = cx.one(Mul {}, &[centred, factor])?;
        Ok(vec![cx.one(Add {}, &[scaled, bias])?])
    }
}
