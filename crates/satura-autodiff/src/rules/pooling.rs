//! Pooling. The windows of an input are the channels of a convolution whose weights take one tap each, so gradients go back through its adjoint. All extents must be constants.

use super::convolution::adjoint;
use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::ops::{self, AvgPool, Conv, ConvTranspose, MaxPool, ReduceKind};
use satura_ir::{OpError, ValueId};
use satura_tensor::{Dim, Shape, Tensor};

/// No more weights than that tell the taps of windows apart.
const MOST_WEIGHTS: usize = 1 << 26;

/// Windows over the spatial axes of `[N, C, ..]`.
struct Windows {
    kernel: Vec<usize>,
    conv: Conv,
    input: Vec<usize>,
    output: Vec<usize>,
}

impl Windows {
    fn new(
        cx: &Vjp<'_>,
        kernel: &[usize],
        strides: &[usize],
        [low, high]: [&[usize]; 2],
        dilations: &[usize],
    ) -> Result<Windows, OpError> {
        let sizes = |x: ValueId| {
            let sizes = cx.graph.ty(x).sizes();
            sizes.ok_or_else(|| OpError::unknown("the sizes of what is pooled are not known"))
        };
        let (input, output) = (sizes(cx.inputs[0])?, sizes(cx.outputs[0])?);
        let mut high = high.to_vec();
        // A last window that reaches beyond the padding reads nothing there.
        for axis in 0..kernel.len() {
            let reach =
                output[2 + axis].saturating_sub(1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1;
            let covered = input[2 + axis] + low[axis] + high[axis];
            high[axis] += reach.saturating_sub(covered);
        }
        let conv = Conv {
            strides: strides.to_vec(),
            pads_low: low.to_vec(),
            pads_high: high,
            dilations: dilations.to_vec(),
            groups: input[1],
        };
        Ok(Windows { kernel: kernel.to_vec(), conv, input, output })
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Weights `[C * K, 1, kernel..]`: channel `c * K + t` is tap `t` of channel `c`.
    fn one_hot(&self, cx: &mut Vjp<'_>) -> Emitted {
        let taps = self.taps();
        let count = taps.checked_mul(taps).and_then(|pairs| pairs.checked_mul(self.input[1]));
        let count = count.filter(|count| *count <= MOST_WEIGHTS).ok_or_else(|| {
            OpError::limit(format!("the gradient of windows of {taps} elements is too large"))
        })?;
        let weights: Vec<f32> =
            (0..count).map(|i| f32::from(u8::from(i / taps % taps == i % taps))).collect();
        let shape = [&[self.input[1] * taps, 1], &self.kernel[..]].concat();
        let weights = cx.one(ops::Const { value: Tensor::from_vec(weights, &shape) }, &[])?;
        let to = cx.dtype(cx.gradient)?;
        cx.one(ops::Cast { to }, &[weights])
    }

    /// `[N, C, K, out..]`.
    fn apart(&self) -> Shape {
        let front = [self.input[0], self.input[1], self.taps()];
        front.iter().chain(&self.output[2..]).map(|extent| Dim::from(*extent)).collect()
    }

    /// What each window holds: `[N, C, K, out..]`, zeros outside the input.
    fn read(&self, cx: &mut Vjp<'_>, x: ValueId, weights: ValueId) -> Emitted {
        let windows = cx.one(self.conv.clone(), &[x, weights])?;
        cx.reshape(windows, self.apart())
    }

    /// The sums of what windows `[N, C, K, out..]` give to each element of the input.
    fn give(&self, cx: &mut Vjp<'_>, windows: ValueId, weights: ValueId) -> Emitted {
        let channels = self.input[1] * self.taps();
        let flat = [self.input[0], channels].into_iter().chain(self.output[2..].iter().copied());
        let flat = cx.reshape(windows, flat.map(Dim::from).collect())?;
        cx.one(self.back()?, &[flat, weights])
    }

    /// From the outputs of the windows to the input.
    fn back(&self) -> Result<ConvTranspose, OpError> {
        adjoint(&self.conv, &self.input[2..], &self.kernel, &self.output[2..])
    }

    /// A value of the output's shape for each tap.
    fn repeated(&self, cx: &mut Vjp<'_>, x: ValueId) -> Emitted {
        let mut one = self.apart();
        one.0[2] = Dim::from(1);
        let x = cx.reshape(x, one)?;
        cx.broadcast(x, self.apart())
    }

    /// 1 for each tap that reads an element, 0 for one that reads padding: `[N, C, K, out..]`.
    fn valid(&self, cx: &mut Vjp<'_>, weights: ValueId) -> Emitted {
        let shape = cx.shape(cx.inputs[0])?;
        let ones = cx.filled(cx.gradient, shape, 1.0)?;
        self.read(cx, ones, weights)
    }
}

/// Each element that counted gets its part of the mean's gradient.
pub(super) fn avg_pool(cx: &mut Vjp<'_>, op: &AvgPool) -> Gradients {
    let windows = Windows::new(cx, &op.kernel, &op.strides, [&op.pads_low, &op.pads_high], &op.dilations)?;
    if windows.output.contains(&0) || (op.ceil && op.count_pad) {
        return Err(OpError::unsupported("there is no rule for means that count padding and end beyond it"));
    }
    // All taps of a window weigh the same, so one channel does for all of them.
    let all: Shape = [windows.input[1], 1].iter().chain(&windows.kernel).map(|e| Dim::from(*e)).collect();
    let all = cx.filled(cx.gradient, all, 1.0)?;
    let share = if op.count_pad {
        cx.scaled(cx.gradient, 1.0 / windows.taps() as f64)?
    } else {
        let shape = cx.shape(cx.inputs[0])?;
        let ones = cx.filled(cx.gradient, shape, 1.0)?;
        let count = cx.one(windows.conv.clone(), &[ones, all])?;
        cx.div(cx.gradient, count)?
    };
    Vjp::single(cx.one(windows.back()?, &[share, all])?)
}

/// The first element of a window that is its greatest gets the gradient.
pub(super) fn max_pool(cx: &mut Vjp<'_>, op: &MaxPool) -> Gradients {
    let windows = Windows::new(cx, &op.kernel, &op.strides, [&op.pads_low, &op.pads_high], &op.dilations)?;
    if windows.output.contains(&0) {
        return Err(OpError::unsupported("there is no rule for pooling without output"));
    }
    let weights = windows.one_hot(cx)?;
    let held = windows.read(cx, cx.inputs[0], weights)?;
    let greatest = windows.repeated(cx, cx.outputs[0])?;
    let reaches = cx.equal(held, greatest)?;
    let reaches = cx.indicator(reaches, cx.gradient)?;
    let valid = windows.valid(cx, weights)?;
    let reaches = cx.mul(reaches, valid)?;
    let before = ops::Scan { kind: ReduceKind::Sum, axis: 2, exclusive: true, reverse: false };
    let before = cx.one(before, &[reaches])?;
    let zero = cx.scalar(before, 0.0)?;
    let first = cx.equal(before, zero)?;
    let first = cx.select(first, reaches, zero)?;
    let gradient = windows.repeated(cx, cx.gradient)?;
    let given = cx.mul(gradient, first)?;
    Vjp::single(windows.give(cx, given, weights)?)
}
