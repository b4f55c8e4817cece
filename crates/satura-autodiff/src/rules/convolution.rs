//! Convolutions, each of which is the other's adjoint in the first input. All extents must be constants.

use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::ops::{Conv, ConvTranspose};
use satura_ir::{OpError, ValueId};
use satura_tensor::{Dim, Shape};

fn sizes(cx: &Vjp<'_>, x: ValueId) -> Result<Vec<usize>, OpError> {
    cx.graph.ty(x).sizes().ok_or_else(|| OpError::unknown("the sizes of a convolution are not known"))
}

fn shape(sizes: Vec<usize>) -> Shape {
    sizes.into_iter().map(Dim::from).collect()
}

/// The convolution whose output has the gradient, and the transposed one that takes it back to an input of those spatial extents.
pub(super) fn adjoint(
    op: &Conv,
    input: &[usize],
    kernel: &[usize],
    output: &[usize],
) -> Result<ConvTranspose, OpError> {
    let mut output_padding = Vec::with_capacity(input.len());
    for axis in 0..input.len() {
        let reach =
            output[axis].saturating_sub(1) * op.strides[axis] + (kernel[axis] - 1) * op.dilations[axis] + 1;
        let covered = (input[axis] + op.pads_low[axis] + op.pads_high[axis]).checked_sub(reach);
        output_padding.push(covered.ok_or_else(|| OpError::shape("a window is longer than its input"))?);
    }
    Ok(ConvTranspose {
        strides: op.strides.clone(),
        pads_low: op.pads_low.clone(),
        pads_high: op.pads_high.clone(),
        dilations: op.dilations.clone(),
        groups: op.groups,
        output_padding,
    })
}

/// `[A, groups * B, ..]` as `[B, groups * A, ..]`.
fn turned(cx: &mut Vjp<'_>, x: ValueId, groups: usize) -> Emitted {
    let sizes = sizes(cx, x)?;
    let (a, b) = (sizes[0], sizes[1] / groups);
    let apart = [&[a, groups, b], &sizes[2..]].concat();
    let apart = cx.reshape(x, shape(apart))?;
    let perm = [2, 1, 0].into_iter().chain(3..sizes.len() + 1).collect();
    let turned = cx.transpose(apart, perm)?;
    cx.reshape(turned, shape([&[b, groups * a], &sizes[2..]].concat()))
}

/// The gradient of the weights `[O, C / groups, kernel..]` of a convolution of `x` whose output has the gradient `g`: itself a convolution, of `x` by `g`, with the batch as its channels and
/// distances and dilations changed for each other.
fn of_weights(cx: &mut Vjp<'_>, op: &Conv, [x, g]: [ValueId; 2], kernel: &[usize]) -> Emitted {
    let spatial = kernel.len();
    let turned_x = turned(cx, x, op.groups)?;
    // `[O, N, ..]`: group by group already.
    let perm = [1, 0].into_iter().chain(2..spatial + 2).collect();
    let turned_g = cx.transpose(g, perm)?;
    let back = Conv { strides: op.dilations.clone(), dilations: op.strides.clone(), ..op.clone() };
    let all = cx.one(back, &[turned_x, turned_g])?;
    // Where the windows did not reach the end of the input, there are positions beyond the kernel.
    let mut all = all;
    for (axis, size) in kernel.iter().enumerate() {
        if sizes(cx, all)?[2 + axis] != *size {
            all = cx.part(all, 2 + axis, Dim::from(0), Dim::from(*size))?;
        }
    }
    let perm = [1, 0].into_iter().chain(2..spatial + 2).collect();
    cx.transpose(all, perm)
}

pub(super) fn conv(cx: &mut Vjp<'_>, op: &Conv) -> Gradients {
    let [x, w] = [cx.inputs[0], cx.inputs[1]];
    let (x_sizes, w_sizes, out) = (sizes(cx, x)?, sizes(cx, w)?, sizes(cx, cx.gradient)?);
    if out.contains(&0) {
        return Err(OpError::unsupported("there is no rule for a convolution without output"));
    }
    let mut gradients = vec![None, None];
    if cx.wanted[0] {
        let back = adjoint(op, &x_sizes[2..], &w_sizes[2..], &out[2..])?;
        gradients[0] = Some(cx.one(back, &[cx.gradient, w])?);
    }
    if cx.wanted[1] {
        gradients[1] = Some(of_weights(cx, op, [x, cx.gradient], &w_sizes[2..])?);
    }
    Ok(gradients)
}

pub(super) fn conv_transpose(cx: &mut Vjp<'_>, op: &ConvTranspose) -> Gradients {
    let [x, w] = [cx.inputs[0], cx.inputs[1]];
    let (x_sizes, w_sizes) = (sizes(cx, x)?, sizes(cx, w)?);
    if x_sizes.contains(&0) {
        return Err(OpError::unsupported("there is no rule for a convolution of nothing"));
    }
    let back = Conv {
        strides: op.strides.clone(),
        pads_low: op.pads_low.clone(),
        pads_high: op.pads_high.clone(),
        dilations: op.dilations.clone(),
        groups: op.groups,
    };
    let mut gradients = vec![None, None];
    if cx.wanted[0] {
        let mut back = cx.one(back.clone(), &[cx.gradient, w])?;
        // Padding of the output may make room for one more window.
        for (axis, size) in x_sizes.iter().enumerate().skip(2) {
            if sizes(cx, back)?[axis] != *size {
                back = cx.part(back, axis, Dim::from(0), Dim::from(*size))?;
            }
        }
        gradients[0] = Some(back);
    }
    if cx.wanted[1] {
        gradients[1] = Some(of_weights(cx, &back, [cx.gradient, x], &w_sizes[2..])?);
    }
    Ok(gradients)
}
