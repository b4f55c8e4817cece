//! Convolution.

use super::checks::{output_sizes, same_extent, same_number};
use super::reduce::wrap;
use super::window::{Run, Window, spatial_axes};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// Cross-correlation over spatial axes: `out[n, o, s..] = sum over c, k.. of x[n, g*C/G + c, s.. * stride + k.. * dilation - low] * w[o, c, k..]`, where output
    /// channel `o` lies in group `g` of `G` and what lies outside `x` counts as zero. `x: [N, C, spatial..]`, `w: [O, C/groups, kernel..]`, one or more spatial axes,
    /// numbers of one dtype; floats are summed in f64, integers wrap. There is no bias: it is an addition of `[O, 1, ..]`.
    pub struct Conv {
        /// Distance of neighbouring windows, per spatial axis; 1 or more.
        pub strides: Vec<usize>,
        /// Zeros before each spatial axis.
        pub pads_low: Vec<usize>,
        /// Zeros behind each spatial axis.
        pub pads_high: Vec<usize>,
        /// Distance of neighbouring taps, per spatial axis; 1 or more.
        pub dilations: Vec<usize>,
        /// Into how many independent parts the channels are split; divides C and O.
        pub groups: usize,
    }
}

impl OpDef for Conv {
    const NAME: &'static str = "conv";

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
        let taps = self.window().taps(&w.shape()[2..], &x.shape()[2..], &sizes[2..]);
        let block = |s: &[usize]| s[2..].iter().product::<usize>();
        let plan = Plan {
            batch: sizes[0],
            groups: self.groups,
            inputs: w.shape()[1],
            outputs: sizes[1] / self.groups,
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
            _ => return Err(OpError::dtype(format!("conv does not take {dtype}"))),
        };
        Ok(vec![Tensor::from_elements(dtype, &sizes, elements)])
    }
}

impl Conv {
    fn window(&self) -> Window<'_> {
        Window {
            strides: &self.strides,
            low: &self.pads_low,
            high: &self.pads_high,
            dilations: &self.dilations,
        }
    }

    /// The shape for an input and weights of these shapes.
    pub(super) fn shape(&self, x: &Shape, w: &Shape) -> Result<Shape, OpError> {
        let spatial = spatial_axes(Self::NAME, x)?;
        self.window().check(spatial)?;
        let (outputs, kernel) = check_weights(x, w, self.groups)?;
        if self.groups != 0 && outputs.as_const().is_some_and(|o| o % group_count(self.groups) != 0) {
            return Err(OpError::attribute(format!(
                "groups {} does not divide the {outputs} output channels",
                self.groups
            )));
        }
        let channels = w[1].clone() * Dim::from(self.groups);
        same_extent(&x[1], &channels, || {
            format!(
                "input 0 has {} channels at axis 1, the weights take {} in {} groups",
                x[1], channels, self.groups
            )
        })?;
        let mut shape = vec![x[0].clone(), outputs];
        for axis in 0..spatial {
            shape.push(self.window().narrow(axis, &x[axis + 2], &kernel[axis], false)?);
        }
        Ok(shape.into())
    }
}

/// Checks rank and groups of the weights of a convolution; gives their extent at axis 0 and their spatial extents.
pub(super) fn check_weights<'a>(x: &Shape, w: &'a Shape, groups: usize) -> Result<(Dim, &'a [Dim]), OpError> {
    if w.len() != x.len() {
        return Err(OpError::shape(format!(
            "the weights have rank {}, input 0 has rank {}",
            w.len(),
            x.len()
        )));
    }
    if groups == 0 {
        return Err(OpError::attribute("groups is 0"));
    }
    if x[1].as_const().is_some_and(|c| c % group_count(groups) != 0) {
        return Err(OpError::attribute(format!(
            "groups {groups} does not divide the {} input channels",
            x[1]
        )));
    }
    Ok((w[0].clone(), &w[2..]))
}

/// A number of groups as an extent.
pub(super) fn group_count(groups: usize) -> i64 {
    i64::try_from(groups).unwrap_or(i64::MAX)
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
            for o in 0..self.groups * self.outputs {
                let group = o / self.outputs;
                let sum = &mut out[(n * self.groups * self.outputs + o) * to..][..to];
                for c in 0..self.inputs {
                    let block = &x[((n * self.groups + group) * self.inputs + c) * from..][..from];
                    for (k, runs) in self.taps.iter().enumerate() {
                        let factor = w[(o * self.inputs + c) * self.taps.len() + k];
                        runs.iter().for_each(|run| run.gather(sum, block, |s, x| step(s, x, factor)));
                    }
                }
            }
        }
        out
    }
}
