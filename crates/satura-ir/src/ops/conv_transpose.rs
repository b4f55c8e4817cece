//! Transposed convolution.

use super::checks::{output_sizes, same_extent, same_number};
use super::conv::check_weights;
use super::reduce::wrap;
use super::window::{Run, Window, check_list, spatial_axes};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// The adjoint of [`Conv`](super::Conv): adds `x[n, c, s..] * w[c, o, k..]` to `out[n, o, s.. * stride + k.. * dilation - low]` where that exists. `x: [N, C, spatial..]`,
    /// `w: [C, O/groups, kernel..]`, numbers of one dtype; floats are summed in f64, integers wrap. Spatial extents of the output are
    /// `(extent - 1) * stride + (kernel - 1) * dilation + 1 + output_padding - low - high`.
    pub struct ConvTranspose {
        /// Distance in the output of neighbouring input elements, per spatial axis; 1 or more.
        pub strides: Vec<usize>,
        /// What is cut off before each spatial axis of the output.
        pub pads_low: Vec<usize>,
        /// What is cut off behind each spatial axis of the output.
        pub pads_high: Vec<usize>,
        /// Distance of neighbouring taps, per spatial axis; 1 or more.
        pub dilations: Vec<usize>,
        /// Into how many independent parts the channels are split; divides C.
        pub groups: usize,
        /// What is added behind each spatial axis of the output; less than its stride or its dilation.
        pub output_padding: Vec<usize>,
    }
}

impl OpDef for ConvTranspose {
    const NAME: &'static str = "conv_transpose";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![same_number(Self::NAME, cx)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?, cx.shape(1)?).map(|s| vec![s])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, w) = (&inputs[0], &inputs[1]);
        let sizes = output_sizes(&self.shape(&Shape::of(x.shape()), &Shape::of(w.shape()))?)?;
        let taps = self.window().taps(&w.shape()[2..], &sizes[2..], &x.shape()[2..]);
        let block = |s: &[usize]| s[2..].iter().product::<usize>();
        let plan = Plan {
            batch: sizes[0],
            groups: self.groups,
            inputs: x.shape()[1] / self.groups,
            outputs: w.shape()[1],
            blocks: [block(x.shape()), block(&sizes)],
            taps,
        };
        let dtype = x.dtype();
        let elements = match (x.to_elements(), w.to_elements()) {
            (Elements::Float(x), Elements::Float(w)) => {
                Elements::Float(plan.run(&x, &w, 0.0, |s, x, w| s + x * w))
            }
            (Elements::Int(x), Elements::Int(w)) => {
                Elements::Int(plan.run(&x, &w, 0, |s, x, w| wrap(s.wrapping_add(x.wrapping_mul(w)), dtype)))
            }
            _ => return Err(OpError::dtype(format!("conv_transpose does not take {dtype}"))),
        };
        Ok(vec![Tensor::from_elements(dtype, &sizes, elements)])
    }
}

impl ConvTranspose {
    fn window(&self) -> Window<'_> {
        Window {
            strides: &self.strides,
            low: &self.pads_low,
            high: &self.pads_high,
            dilations: &self.dilations,
        }
    }

    fn shape(&self, x: &Shape, w: &Shape) -> Result<Shape, OpError> {
        let spatial = spatial_axes(Self::NAME, x)?;
        self.window().check(spatial)?;
        check_list("output_padding", &self.output_padding, spatial, 0)?;
        let (channels, kernel) = check_weights(x, w, self.groups)?;
        same_extent(&x[1], &channels, || {
            format!("input 0 has {} channels at axis 1, the weights have {channels} at axis 0", x[1])
        })?;
        let mut shape = vec![x[0].clone(), w[1].clone() * Dim::from(self.groups)];
        for axis in 0..spatial {
            let (extra, stride) = (self.output_padding[axis], self.strides[axis]);
            if extra >= stride.max(self.dilations[axis]) {
                return Err(OpError::attribute(format!(
                    "output_padding {extra} at spatial axis {axis} is not below stride or dilation"
                )));
            }
            if kernel[axis].as_const().is_some_and(|k| k < 1) || x[axis + 2].is(0) {
                return Err(OpError::shape(format!(
                    "spatial axis {axis} has extent {} and kernel {}: both must be 1 or more",
                    x[axis + 2],
                    kernel[axis]
                )));
            }
            let full = (x[axis + 2].clone() - Dim::from(1)) * Dim::from(stride)
                + self.window().reach(axis, &kernel[axis]);
            let extent =
                full + Dim::from(extra) - Dim::from(self.pads_low[axis]) - Dim::from(self.pads_high[axis]);
            if extent.as_const().is_some_and(|e| e < 0) {
                return Err(OpError::shape(format!(
                    "the output would have extent {extent} at spatial axis {axis}"
                )));
            }
            shape.push(extent);
        }
        Ok(shape.into())
    }
}

struct Plan {
    batch: usize,
    groups: usize,
    /// Input channels of a group.
    inputs: usize,
    /// Output channels of a group.
    outputs: usize,
    /// Elements of a spatial block of the input and of the output.
    blocks: [usize; 2],
    taps: Vec<Vec<Run>>,
}

impl Plan {
    fn run<T: Copy>(&self, x: &[T], w: &[T], zero: T, step: impl Fn(T, T, T) -> T) -> Vec<T> {
        let [from, to] = self.blocks;
        let mut out = vec![zero; self.batch * self.groups * self.outputs * to];
        for n in 0..self.batch {
            for c in 0..self.groups * self.inputs {
                let group = c / self.inputs;
                let block = &x[(n * self.groups * self.inputs + c) * from..][..from];
                for o in 0..self.outputs {
                    let sum = &mut out[((n * self.groups + group) * self.outputs + o) * to..][..to];
                    for (k, runs) in self.taps.iter().enumerate() {
                        let factor = w[(c * self.outputs + o) * self.taps.len() + k];
                        runs.iter().for_each(|run| run.scatter(sum, block, |s, x| step(s, x, factor)));
                    }
                }
            }
        }
        out
    }
}
