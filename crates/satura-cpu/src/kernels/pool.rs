//! Maximum and mean over windows.

use super::window::{Geometry, three};
use crate::compile::Compiler;
use crate::lanes;
use crate::lower::target;
use crate::memory::{Kernel, Memory, StorageId, View};
use crate::parallel;
use crate::simd::versions;
use satura_ir::{ExecError, Node, OpError, ops};

struct Pool {
    x: StorageId,
    x_at: usize,
    out: StorageId,
    planes: usize,
    geometry: Geometry,
    /// Per spatial axis, how many elements of it each window counts; `None` for the maximum.
    counts: Option<[Vec<f32>; 3]>,
}

pub(crate) fn max(cx: &mut Compiler<'_>, node: &Node, op: &ops::MaxPool) -> Result<bool, ExecError> {
    let (x, out) = (cx.sizes(node.inputs[0])?, cx.sizes(node.outputs[0])?);
    let geometry = Geometry::new(&x[2..], &out[2..], &op.kernel, &op.strides, &op.pads_low, &op.dilations);
    match geometry {
        Some(geometry) => emit(cx, node, geometry, None),
        None => Ok(false),
    }
}

pub(crate) fn average(cx: &mut Compiler<'_>, node: &Node, op: &ops::AvgPool) -> Result<bool, ExecError> {
    let (x, out) = (cx.sizes(node.inputs[0])?, cx.sizes(node.outputs[0])?);
    let geometry = Geometry::new(&x[2..], &out[2..], &op.kernel, &op.strides, &op.pads_low, &op.dilations);
    let (Some(geometry), Some(high)) = (geometry, three(&op.pads_high, 0)) else { return Ok(false) };
    let g = &geometry;
    let counts = [0, 1, 2].map(|axis| {
        (0..g.narrow[axis])
            .map(|o| {
                let counted = (0..g.kernel[axis]).filter(|k| {
                    let padded = o * g.strides[axis] + k * g.dilations[axis];
                    g.meets(axis, o, *k).is_some()
                        || (op.count_pad && padded < g.low[axis] + g.wide[axis] + high[axis])
                });
                counted.count() as f32
            })
            .collect()
    });
    emit(cx, node, geometry, Some(counts))
}

fn emit(
    cx: &mut Compiler<'_>,
    node: &Node,
    geometry: Geometry,
    counts: Option<[Vec<f32>; 3]>,
) -> Result<bool, ExecError> {
    let x: View = cx.dense(node.inputs[0])?;
    let out = target(cx, node, false)?;
    let planes = x.shape[0] * x.shape[1];
    let kernel = Pool { x: x.storage, x_at: x.offset, out: out.storage, planes, geometry, counts };
    cx.push("pool", kernel, vec![x.storage], vec![out.storage]);
    Ok(true)
}

impl Kernel for Pool {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (x, out) = (memory.span(self.x), memory.span(self.out));
        let (wide, narrow): (usize, usize) =
            (self.geometry.wide.iter().product(), self.geometry.narrow.iter().product());
        if narrow == 0 {
            return Ok(());
        }
        let chunk = (1usize << 15).div_ceil(narrow).max(1);
        parallel::for_each(self.planes.div_ceil(chunk), |part| {
            for plane in part * chunk..self.planes.min((part + 1) * chunk) {
                // SAFETY: nothing writes the input during the step, and planes are disjoint.
                let (from, to) = unsafe {
                    (
                        x.slice(self.x_at + plane * wide..self.x_at + (plane + 1) * wide),
                        out.slice_mut(plane * narrow..(plane + 1) * narrow),
                    )
                };
                self.plane(from, to);
            }
        });
        Ok(())
    }
}

impl Pool {
    fn plane(&self, from: &[f32], to: &mut [f32]) {
        let g = &self.geometry;
        let start = if self.counts.is_none() { f32::NEG_INFINITY } else { 0.0 };
        for (line, to) in to.chunks_exact_mut(g.narrow[2]).enumerate() {
            let (d, h) = (line / g.narrow[1], line % g.narrow[1]);
            to.fill(start);
            for kd in 0..g.kernel[0] {
                for kh in 0..g.kernel[1] {
                    let (Some(d), Some(h)) = (g.meets(0, d, kd), g.meets(1, h, kh)) else { continue };
                    let from = &from[(d * g.wide[1] + h) * g.wide[2]..][..g.wide[2]];
                    for kw in 0..g.kernel[2] {
                        let valid = g.valid(2, kw);
                        if valid.is_empty() {
                            continue;
                        }
                        let at = valid.start * g.strides[2] + kw * g.dilations[2] - g.low[2];
                        let (to, from) = (&mut to[valid], &from[at..]);
                        match self.counts {
                            None => max_into(to, from, g.strides[2]),
                            Some(_) => add_into(to, from, g.strides[2]),
                        }
                    }
                }
            }
            if let Some([depth, height, width]) = &self.counts {
                let lines = depth[d] * height[h];
                to.iter_mut().zip(width).for_each(|(sum, count)| *sum /= lines * count);
            }
        }
    }
}

#[inline(always)]
fn combine(to: &mut [f32], from: &[f32], step: usize, f: impl Fn(f32, f32) -> f32) {
    if step == 1 {
        to.iter_mut().zip(from).for_each(|(to, x)| *to = f(*to, *x));
    } else {
        to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, x)| *to = f(*to, *x));
    }
}

#[inline(always)]
fn max_body<const FMA: bool>(to: &mut [f32], from: &[f32], step: usize) {
    combine(to, from, step, lanes::max);
}

#[inline(always)]
fn add_body<const FMA: bool>(to: &mut [f32], from: &[f32], step: usize) {
    combine(to, from, step, |a, b| a + b);
}

versions! {
    fn max_into(to: &mut [f32], from: &[f32], step: usize) = max_body
}
versions! {
    fn add_into(to: &mut [f32], from: &[f32], step: usize) = add_body
}
