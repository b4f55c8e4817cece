//! Convolution whose taps move.

use super::arith::{mul, plus};
use super::checks::{same_extent, same_float};
use super::sampling::{interpolate, linear_taps};
use super::window::{Window, check_list, spatial_axes};
use super::{Add, Broadcast, Cast, GatherElements, Iota, MatMul, Reshape, Slice};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId, eval_by_decomposition};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// A convolution in which every tap of every window is moved by an offset, and reads between elements by linear interpolation; outside the input are zeros. Floats of one
    /// dtype: `x: [N, C, spatial..]` of `k` spatial axes, `w: [O, C/groups, kernel..]`, offsets `[N, G * taps * k, out..]` in elements (for each of `G` parts of the channels and
    /// each tap one offset an axis), and, if given, a factor for each tap `[N, G * taps, out..]`. Positions are computed in f32, or in f64 where the dtype is.
    pub struct DeformConv {
        /// Distance of neighbouring windows, per spatial axis; 1 or more.
        pub strides: Vec<usize>,
        /// Padding before each spatial axis.
        pub pads_low: Vec<usize>,
        /// Padding behind each spatial axis.
        pub pads_high: Vec<usize>,
        /// Distance of neighbouring taps, per spatial axis; 1 or more.
        pub dilations: Vec<usize>,
        /// Into how many independent parts the channels are split; divides C and O.
        pub groups: usize,
        /// `G`: into how many parts the channels are split that have offsets of their own; divides C.
        pub offset_groups: usize,
    }
}

impl DeformConv {
    fn shape(&self, x: &Shape, w: &Shape, offset: &Shape, mask: Option<&Shape>) -> Result<Shape, OpError> {
        let axes = spatial_axes(Self::NAME, x)?;
        let window = Window {
            strides: &self.strides,
            low: &self.pads_low,
            high: &self.pads_high,
            dilations: &self.dilations,
        };
        window.check(axes)?;
        check_list("groups", &[self.groups, self.offset_groups], 2, 1)?;
        if w.len() != x.len() || offset.len() != x.len() {
            return Err(OpError::shape(format!("the input is {x}, the weights {w}, the offsets {offset}")));
        }
        same_extent(&x[1], &(w[1].clone() * Dim::from(self.groups)), || {
            format!("{} channels, the weights take {} for each of {} groups", x[1], w[1], self.groups)
        })?;
        let mut shape = vec![x[0].clone(), w[0].clone()];
        let mut taps = Dim::from(self.offset_groups);
        for axis in 0..axes {
            taps = taps * w[axis + 2].clone();
            shape.push(window.narrow(axis, &x[axis + 2], &w[axis + 2], false)?);
        }
        let rows = |rows: Dim| [&[x[0].clone(), rows][..], &shape[2..]].concat();
        let expected = [(offset, rows(taps.clone() * Dim::from(axes)))];
        let expected = expected.into_iter().chain(mask.map(|mask| (mask, rows(taps))));
        for (given, expected) in expected {
            let expected = Shape(expected);
            let fits = given.len() == expected.len()
                && given.iter().zip(expected.iter()).all(|(a, b)| same_extent(a, b, String::new).is_ok());
            if !fits {
                return Err(OpError::shape(format!("{given} is given for the taps, {expected} is needed")));
            }
        }
        Ok(Shape(shape))
    }
}

impl OpDef for DeformConv {
    const NAME: &'static str = "deform_conv";

    fn arity(&self) -> Arity {
        3..=4
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_float(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let mask = if cx.len() > 3 { Some(cx.shape(3)?) } else { None };
        self.shape(cx.shape(0)?, cx.shape(1)?, cx.shape(2)?, mask).map(|shape| vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

impl Composite for DeformConv {
    /// The columns of the input that the taps read, interpolated, and one product with the weights.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let (x, w, offset) = (inputs[0], inputs[1], inputs[2]);
        let mask_shape = inputs.get(3).map(|mask| cx.shape(*mask)).transpose()?;
        let shape = self.shape(&cx.shape(x)?, &cx.shape(w)?, &cx.shape(offset)?, mask_shape.as_ref())?;
        let (sizes, weights) = (cx.sizes(x)?, cx.sizes(w)?);
        let out = shape.sizes().ok_or_else(|| OpError::unknown("the sizes are not known"))?;
        let (batch, channels, extents) = (sizes[0], sizes[1], &sizes[2..]);
        let (parts, axes) = (self.offset_groups, extents.len());
        if channels % parts != 0 || channels % self.groups != 0 || weights[0] % self.groups != 0 {
            return Err(OpError::shape(format!(
                "{channels} channels and {} outputs do not split into {} groups, or {parts} groups of offsets",
                weights[0], self.groups
            )));
        }
        if shape.elements().is(0) || sizes.contains(&0) {
            let zero = cx.scalar_like(x, 0.0)?;
            return Ok(vec![cx.one(Broadcast { shape }, &[zero])?]);
        }
        let (taps, places): (usize, usize) = (weights[2..].iter().product(), out[2..].iter().product());
        let dtype = cx.dtype(x)?;
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let offset = cx.one(Cast { to: wide }, &[offset])?;
        let offset = cx.one(Reshape { shape: Shape::of(&[batch, parts, taps, axes, places]) }, &[offset])?;
        let mut neighbours = Vec::new();
        for axis in 0..axes {
            let column = Slice {
                starts: [0, 0, 0, axis, 0].map(Dim::from).to_vec(),
                sizes: [batch, parts, taps, 1, places].map(Dim::from).to_vec(),
                steps: vec![1; 5],
            };
            let column = cx.one(column, &[offset])?;
            let column = cx.one(Reshape { shape: Shape::of(&[batch, parts, 1, taps, places]) }, &[column])?;
            let at = self.resting(cx, axis, &weights[2..], &out[2..], wide)?;
            let at = cx.one(Add {}, &[column, at])?;
            neighbours.push(linear_taps(cx, at, extents[axis], dtype)?);
        }
        let each = channels / parts;
        let flat_shape = Shape::of(&[batch, parts, each, extents.iter().product()]);
        let flat = cx.one(Reshape { shape: flat_shape }, &[x])?;
        let columns = Shape::of(&[batch, parts, each, taps * places]);
        let spread = Shape::of(&[batch, parts, each, taps, places]);
        let mut read = interpolate(cx, &neighbours, extents, dtype, |cx, index| {
            let index = cx.one(Broadcast { shape: spread.clone() }, &[index])?;
            let index = cx.one(Reshape { shape: columns.clone() }, &[index])?;
            let read = cx.one(GatherElements { axis: 3 }, &[flat, index])?;
            cx.one(Reshape { shape: spread.clone() }, &[read])
        })?;
        if let Some(mask) = inputs.get(3) {
            let mask = cx.one(Reshape { shape: Shape::of(&[batch, parts, 1, taps, places]) }, &[*mask])?;
            read = mul(cx, read, mask)?;
        }
        let (inner, outputs) = (channels / self.groups * taps, weights[0] / self.groups);
        let read = cx.one(Reshape { shape: Shape::of(&[batch, self.groups, inner, places]) }, &[read])?;
        let w = cx.one(Reshape { shape: Shape::of(&[1, self.groups, outputs, inner]) }, &[w])?;
        let product = cx.one(MatMul {}, &[w, read])?;
        Ok(vec![cx.one(Reshape { shape }, &[product])?])
    }
}

impl DeformConv {
    /// Where each tap of each window is along an axis before it moves: `[1, 1, 1, taps, places]`.
    fn resting(
        &self,
        cx: &mut dyn Emit,
        axis: usize,
        kernel: &[usize],
        out: &[usize],
        dtype: DType,
    ) -> Result<ValueId, OpError> {
        let mut along = |sizes: &[usize], step: usize, flat: [usize; 2]| {
            let positions = cx.one(Iota { dtype, shape: Shape::of(sizes), axis }, &[])?;
            let positions = super::arith::times(cx, positions, step as f64)?;
            let [taps, places] = flat;
            cx.one(Reshape { shape: Shape::of(&[1, 1, 1, taps, places]) }, &[positions])
        };
        let tap = along(kernel, self.dilations[axis], [kernel.iter().product(), 1])?;
        let window = along(out, self.strides[axis], [1, out.iter().product()])?;
        let sum = cx.one(Add {}, &[tap, window])?;
        plus(cx, sum, -(self.pads_low[axis] as f64))
    }
}
