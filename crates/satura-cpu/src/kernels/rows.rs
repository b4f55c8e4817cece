//! Softmax and layer normalisation: whole rows while they are in cache.

use super::reduce::fold;
use crate::compile::Compiler;
use crate::lower::target;
use crate::math;
use crate::memory::{Kernel, Memory, StorageId, with_scratch};
use crate::parallel;
use crate::simd::{fma, versions};
use satura_ir::ops::ReduceKind;
use satura_ir::{ExecError, Node, OpError, ops};
use satura_tensor::DType;

struct Softmax {
    x: StorageId,
    x_at: usize,
    out: StorageId,
    outer: usize,
    len: usize,
    inner: usize,
}

/// Work below this, in elements, is not worth a second thread.
const SERIAL_ELEMENTS: usize = 1 << 14;

pub(crate) fn softmax(cx: &mut Compiler<'_>, node: &Node, op: &ops::Softmax) -> Result<bool, ExecError> {
    if cx.dtype(node.inputs[0]) != Some(DType::F32) {
        return Ok(false);
    }
    let x = cx.dense(node.inputs[0])?;
    let axis = ops::axis_index(op.axis, x.shape.len()).map_err(|e| ExecError::Internal(e.to_string()))?;
    let out = target(cx, node, false)?;
    let kernel = Softmax {
        x: x.storage,
        x_at: x.offset,
        out: out.storage,
        outer: x.shape[..axis].iter().product(),
        len: x.shape[axis],
        inner: x.shape[axis + 1..].iter().product(),
    };
    cx.push("softmax", kernel, vec![x.storage], vec![out.storage]);
    Ok(true)
}

impl Kernel for Softmax {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (x, out) = (memory.span(self.x), memory.span(self.out));
        let block = self.len * self.inner;
        if block == 0 {
            return Ok(());
        }
        let parts = if self.outer * block < SERIAL_ELEMENTS { 1 } else { 2 * rayon::current_num_threads() };
        let chunk = self.outer.div_ceil(parts).max(1);
        parallel::for_each(self.outer.div_ceil(chunk), |part| {
            for o in part * chunk..self.outer.min((part + 1) * chunk) {
                // SAFETY: nothing writes the input during the step, and blocks are disjoint.
                let (x, to) = unsafe {
                    (
                        x.slice(self.x_at + o * block..self.x_at + (o + 1) * block),
                        out.slice_mut(o * block..(o + 1) * block),
                    )
                };
                if self.inner == 1 {
                    let greatest = fold(ReduceKind::Max, x);
                    exponentials(to, x, greatest);
                    scale(to, 1.0 / fold(ReduceKind::Sum, to));
                } else {
                    with_scratch(self.inner, |line| columns(to, x, line));
                }
            }
        });
        Ok(())
    }
}

#[inline(always)]
fn exponentials_body<const FMA: bool>(to: &mut [f32], x: &[f32], greatest: f32) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to = math::exp::<FMA>(x - greatest));
}

versions! {
    /// `e^(x - greatest)`.
    fn exponentials(to: &mut [f32], x: &[f32], greatest: f32) = exponentials_body
}

#[inline(always)]
fn scale_body<const FMA: bool>(to: &mut [f32], factor: f32) {
    to.iter_mut().for_each(|to| *to *= factor);
}

versions! {
    fn scale(to: &mut [f32], factor: f32) = scale_body
}

/// Softmax down the columns of a matrix whose rows are as long as `line`.
#[inline(always)]
fn columns_body<const FMA: bool>(to: &mut [f32], x: &[f32], line: &mut [f32]) {
    let width = line.len();
    line.fill(f32::NEG_INFINITY);
    for row in x.chunks_exact(width) {
        line.iter_mut().zip(row).for_each(|(l, x)| *l = crate::lanes::max(*l, *x));
    }
    for (to, row) in to.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        for ((to, x), greatest) in to.iter_mut().zip(row).zip(line.iter()) {
            *to = math::exp::<FMA>(x - greatest);
        }
    }
    line.fill(0.0);
    for row in to.chunks_exact(width) {
        line.iter_mut().zip(row).for_each(|(l, x)| *l += x);
    }
    for row in to.chunks_exact_mut(width) {
        row.iter_mut().zip(line.iter()).for_each(|(to, sum)| *to /= sum);
    }
}

versions! {
    fn columns(to: &mut [f32], x: &[f32], line: &mut [f32]) = columns_body
}

struct LayerNorm {
    x: StorageId,
    x_at: usize,
    scale: (StorageId, usize),
    bias: (StorageId, usize),
    out: StorageId,
    rows: usize,
    width: usize,
    epsilon: f32,
}

pub(crate) fn layer_norm(cx: &mut Compiler<'_>, node: &Node, op: &ops::LayerNorm) -> Result<bool, ExecError> {
    if cx.dtype(node.inputs[0]) != Some(DType::F32) {
        return Ok(false);
    }
    let x = cx.dense(node.inputs[0])?;
    let axis = ops::axis_index(op.axis, x.shape.len()).map_err(|e| ExecError::Internal(e.to_string()))?;
    let inner = &x.shape[axis..];
    let mut parameters = Vec::new();
    for value in &node.inputs[1..] {
        let view = cx.view(*value)?;
        let strides = view.broadcast_strides(inner);
        let spread = crate::memory::View { shape: inner.to_vec(), strides, ..view };
        let dense = if spread.is_dense() { spread } else { cx.copied(&spread) };
        parameters.push((dense.storage, dense.offset));
    }
    let out = target(cx, node, false)?;
    let kernel = LayerNorm {
        x: x.storage,
        x_at: x.offset,
        scale: parameters[0],
        bias: parameters[1],
        out: out.storage,
        rows: x.shape[..axis].iter().product(),
        width: inner.iter().product(),
        epsilon: op.epsilon.get() as f32,
    };
    let reads = vec![x.storage, parameters[0].0, parameters[1].0];
    cx.push("layer_norm", kernel, reads, vec![out.storage]);
    Ok(true)
}

impl Kernel for LayerNorm {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (x, out) = (memory.span(self.x), memory.span(self.out));
        let (scale, bias) = (memory.span(self.scale.0), memory.span(self.bias.0));
        let width = self.width;
        if width == 0 {
            return Ok(());
        }
        // SAFETY: nothing writes the parameters during the step.
        let (scale, bias) = unsafe {
            (scale.slice(self.scale.1..self.scale.1 + width), bias.slice(self.bias.1..self.bias.1 + width))
        };
        let parts = if self.rows * width < SERIAL_ELEMENTS { 1 } else { 2 * rayon::current_num_threads() };
        let chunk = self.rows.div_ceil(parts).max(1);
        parallel::for_each(self.rows.div_ceil(chunk), |part| {
            for row in part * chunk..self.rows.min((part + 1) * chunk) {
                // SAFETY: nothing writes the input during the step, and rows are disjoint.
                let (x, to) = unsafe {
                    (
                        x.slice(self.x_at + row * width..self.x_at + (row + 1) * width),
                        out.slice_mut(row * width..(row + 1) * width),
                    )
                };
                let mean = fold(ReduceKind::Sum, x) / width as f32;
                squares(to, x, mean);
                let variance = fold(ReduceKind::Sum, to) / width as f32;
                normalise(to, x, mean, 1.0 / (variance + self.epsilon).sqrt(), scale, bias);
            }
        });
        Ok(())
    }
}

#[inline(always)]
fn squares_body<const FMA: bool>(to: &mut [f32], x: &[f32], mean: f32) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to = (x - mean) * (x - mean));
}

versions! {
    /// `(x - mean)^2`.
    fn squares(to: &mut [f32], x: &[f32], mean: f32) = squares_body
}

#[inline(always)]
fn normalise_body<const FMA: bool>(
    to: &mut [f32],
    x: &[f32],
    mean: f32,
    factor: f32,
    scale: &[f32],
    bias: &[f32],
) {
    for (((to, x), scale), bias) in to.iter_mut().zip(x).zip(scale).zip(bias) {
        *to = fma::<FMA>((x - mean) * factor, *scale, *bias);
    }
}

versions! {
    /// `(x - mean) * factor * scale + bias`.
    fn normalise(to: &mut [f32], x: &[f32], mean: f32, factor: f32, scale: &[f32], bias: &[f32]) = normalise_body
}
