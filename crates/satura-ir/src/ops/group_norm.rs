//! Group normalisation.

use super::Reshape;
use super::checks::{floats, same_float};
use super::norm::{
    channel_shape, check_channels, emit_affine, emit_along_channels, emit_normalised, normalise_rows,
    scale_channels,
};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, mean and variance of each instance over the channels of a group and the spatial axes, in f64.
    /// `x: [N, C, spatial..]`, `scale` and `bias`: `[C]`. Floats of one dtype.
    pub struct GroupNorm {
        /// Into how many groups of neighbouring channels C is split; divides it.
        pub groups: usize,
        /// Added to the variance.
        pub epsilon: Real,
    }
}

impl OpDef for GroupNorm {
    const NAME: &'static str = "group_norm";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let shape = channel_shape(cx, 2)?;
        self.check(shape[1].as_const().and_then(|c| usize::try_from(c).ok()))?;
        Ok(vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, scale, bias] = inputs else { return Err(OpError::arity("3 inputs expected")) };
        check_channels(x.shape(), &[scale.shape(), bias.shape()])?;
        let channels = x.shape()[1];
        self.check(Some(channels))?;
        let inner: usize = x.shape()[2..].iter().product();
        let mut values = floats(Self::NAME, x)?;
        normalise_rows(&mut values, channels / self.groups * inner, self.epsilon);
        scale_channels(&mut values, inner, &floats(Self::NAME, scale)?, &floats(Self::NAME, bias)?);
        Ok(vec![Tensor::from_elements(x.dtype(), x.shape(), Elements::Float(values))])
    }
}

impl GroupNorm {
    fn check(&self, channels: Option<usize>) -> Result<(), OpError> {
        match (self.groups, channels) {
            (0, _) => Err(OpError::attribute("groups is 0")),
            (groups, Some(channels)) if channels % groups != 0 => {
                Err(OpError::attribute(format!("groups {groups} does not divide the {channels} channels")))
            }
            _ => Ok(()),
        }
    }
}

impl Composite for GroupNorm {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = cx.shape(inputs[0])?;
        let groups = Dim::from(self.groups);
        let channels = shape[1]
            .as_const()
            .ok_or_else(|| OpError::unknown(format!("the number of channels, {}, is not known", shape[1])))?;
        let width = Dim::from(channels).floor_div(&groups) * Shape(shape[2..].to_vec()).elements();
        let rows = cx.one(Reshape { shape: vec![shape[0].clone(), groups, width].into() }, &[inputs[0]])?;
        let normalised = emit_normalised(cx, rows, vec![2], self.epsilon)?;
        let normalised = cx.one(Reshape { shape: shape.clone() }, &[normalised])?;
        let scale = emit_along_channels(cx, inputs[1], shape.len())?;
        let bias = emit_along_channels(cx, inputs[2], shape.len())?;
        Ok(vec![emit_affine(cx, normalised, scale, bias)?])
    }
}
