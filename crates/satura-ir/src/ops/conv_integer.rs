//! Convolution of 8-bit integers with zero points.

use super::{Cast, Conv, Reshape, Sub};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// [`Conv`](super::Conv) of `x - x_zero` and `w - w_zero` in i32. Inputs: `x: [N, C, spatial..]` and `w: [O, C/groups, kernel..]`, i8 or u8 each; `x_zero: []` of the dtype of `x`,
    /// `w_zero`, `[]` or `[O]`, of that of `w`. What lies outside `x` counts as `x_zero`. Sums wrap.
    pub struct ConvInteger {
        /// Distance of neighbouring windows, per spatial axis; 1 or more.
        pub strides: Vec<usize>,
        /// Elements before each spatial axis.
        pub pads_low: Vec<usize>,
        /// Elements behind each spatial axis.
        pub pads_high: Vec<usize>,
        /// Distance of neighbouring taps, per spatial axis; 1 or more.
        pub dilations: Vec<usize>,
        /// Into how many independent parts the channels are split; divides C and O.
        pub groups: usize,
    }
}

impl ConvInteger {
    fn conv(&self) -> Conv {
        Conv {
            strides: self.strides.clone(),
            pads_low: self.pads_low.clone(),
            pads_high: self.pads_high.clone(),
            dilations: self.dilations.clone(),
            groups: self.groups,
        }
    }
}

impl OpDef for ConvInteger {
    const NAME: &'static str = "conv_integer";

    fn arity(&self) -> Arity {
        4..=4
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        for (i, zero) in [(0, 2), (1, 3)] {
            let (dtype, of_zero) = (cx.dtype(i)?, cx.dtype(zero)?);
            if !matches!(dtype, DType::I8 | DType::U8) {
                return Err(OpError::dtype(format!("{} does not take {dtype}", Self::NAME)));
            }
            if of_zero != dtype {
                return Err(OpError::dtype(format!("the zero point of input {i}, {dtype}, is {of_zero}")));
            }
        }
        Ok(vec![DType::I32])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let shape = self.conv().shape(cx.shape(0)?, cx.shape(1)?)?;
        let zeros = [(2, None), (3, Some(&shape[1]))];
        for (i, channels) in zeros {
            if let Ok(zero) = cx.shape(i) {
                check_zero(i, zero, channels)?;
            }
        }
        Ok(vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, w, x_zero, w_zero] = inputs else { return Err(OpError::arity("4 inputs expected")) };
        let outputs = w.shape().first().copied().unwrap_or(0);
        check_zero(2, &Shape::of(x_zero.shape()), None)?;
        check_zero(3, &Shape::of(w_zero.shape()), Some(&Dim::from(outputs)))?;
        let operands = [centred(x, x_zero)?, centred(w, w_zero)?];
        self.conv().eval(&operands, cx)
    }
}

/// A zero point is a scalar or, for the weights, has one number for each output channel.
fn check_zero(input: usize, shape: &Shape, channels: Option<&Dim>) -> Result<(), OpError> {
    let fits = match (&shape[..], channels) {
        ([], _) => true,
        ([count], Some(channels)) => match (count.as_const(), channels.as_const()) {
            (Some(count), Some(channels)) => count == channels,
            _ => true,
        },
        _ => false,
    };
    let one_each = if channels.is_some() { " or has one number for each output channel" } else { "" };
    let message = || format!("input {input} is {shape}: a zero point is a scalar{one_each}");
    if fits { Ok(()) } else { Err(OpError::shape(message())) }
}

/// The elements less their zero point in i32; a vector of zero points is along axis 0.
fn centred(x: &Tensor, zero: &Tensor) -> Result<Tensor, OpError> {
    let (Elements::Int(values), Elements::Int(zeros)) = (x.to_elements(), zero.to_elements()) else {
        return Err(OpError::dtype("integers are expected"));
    };
    let each = values.len().checked_div(zeros.len()).unwrap_or(0).max(1);
    let values = values.iter().enumerate().map(|(i, value)| value - zeros[i / each]).collect();
    Ok(Tensor::from_elements(DType::I32, x.shape(), Elements::Int(values)))
}

impl Composite for ConvInteger {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let x = emit_centred(cx, inputs[0], inputs[2])?;
        let w = emit_centred(cx, inputs[1], inputs[3])?;
        Ok(vec![cx.one(self.conv(), &[x, w])?])
    }
}

/// The elements less their zero point in i32; a zero point that is a constant 0 changes nothing.
fn emit_centred(cx: &mut dyn Emit, x: ValueId, zero: ValueId) -> Result<ValueId, OpError> {
    let rank = cx.shape(x)?.len();
    let wide = cx.one(Cast { to: DType::I32 }, &[x])?;
    let is_zero =
        |tensor: &Tensor| matches!(tensor.to_elements(), Elements::Int(v) if v.iter().all(|e| *e == 0));
    if cx.constant_of(zero).is_some_and(is_zero) {
        return Ok(wide);
    }
    let mut shape = cx.shape(zero)?;
    let mut zero = cx.one(Cast { to: DType::I32 }, &[zero])?;
    if !shape.is_empty() {
        shape.0.resize(rank, Dim::from(1));
        zero = cx.one(Reshape { shape }, &[zero])?;
    }
    cx.one(Sub {}, &[wide, zero])
}
