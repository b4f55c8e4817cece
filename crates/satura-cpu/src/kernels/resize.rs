//! Resampling, one axis after the other, each by the weights that the op's own evaluation gives for that axis.

use crate::compile::Compiler;
use crate::lower::target;
use crate::memory::{Kernel, Memory, StorageId, View};
use crate::parallel;
use satura_ir::{EvalCx, ExecError, Node, NodeId, OpDef, OpError, ops};
use satura_tensor::{Shape, Tensor};

/// Resamples one axis of a row-major tensor `[outer, from, inner]`.
struct Axis {
    x: StorageId,
    x_at: usize,
    out: StorageId,
    outer: usize,
    from: usize,
    inner: usize,
    /// For each output position, the input positions that count and their weights.
    taps: Vec<Vec<(usize, f32)>>,
}

/// Axes with more weights than this go through the op's own evaluation.
const WEIGHT_LIMIT: usize = 1 << 24;

pub(crate) fn emit(
    cx: &mut Compiler<'_>,
    id: NodeId,
    node: &Node,
    op: &ops::Resize,
) -> Result<bool, ExecError> {
    let (from, to) = (cx.sizes(node.inputs[0])?, cx.sizes(node.outputs[0])?);
    let large = from.iter().zip(&to).any(|(m, n)| m.saturating_mul(*n) > WEIGHT_LIMIT);
    if from.contains(&0) || to.contains(&0) || large {
        return Ok(false);
    }
    let mut axes = Vec::new();
    for axis in 0..from.len() {
        let taps = weights(op, axis, from[axis], to[axis]).map_err(|e| ExecError::node(cx.graph, id, e))?;
        let same = from[axis] == to[axis] && taps.iter().enumerate().all(|(i, t)| t[..] == [(i, 1.0)]);
        if !same {
            axes.push((axis, taps));
        }
    }
    // Axes that shrink go first, those that grow last, and the outermost of these last: the least data is moved.
    axes.sort_by(|a, b| {
        let growth = |axis: usize| to[axis] as f64 / from[axis] as f64;
        growth(a.0).total_cmp(&growth(b.0)).then(b.0.cmp(&a.0))
    });
    let mut x = cx.dense(node.inputs[0])?;
    if axes.is_empty() {
        cx.bind(node.outputs[0], crate::compile::Binding::Stored(x));
        return Ok(true);
    }
    let last = axes.len() - 1;
    for (i, (axis, taps)) in axes.into_iter().enumerate() {
        let mut shape = x.shape.clone();
        shape[axis] = to[axis];
        let out: View = if i == last { target(cx, node, false)? } else { cx.new_view(&shape) };
        let kernel = Axis {
            x: x.storage,
            x_at: x.offset,
            out: out.storage,
            outer: shape[..axis].iter().product(),
            from: x.shape[axis],
            inner: shape[axis + 1..].iter().product(),
            taps,
        };
        cx.push("resize", kernel, vec![x.storage], vec![out.storage]);
        x = View { shape, ..out };
    }
    Ok(true)
}

/// The weights of one axis: the op is linear, so its evaluation of the unit vectors gives them.
fn weights(op: &ops::Resize, axis: usize, from: usize, to: usize) -> Result<Vec<Vec<(usize, f32)>>, OpError> {
    if op.mode == ops::ResizeMode::Nearest {
        let positions: Vec<f64> = (0..from).map(|i| i as f64).collect();
        let single = ops::Resize { shape: Shape::of(&[to]), scales: vec![op.scales[axis]], ..op.clone() };
        let sources = single.eval(&[Tensor::from_vec(positions, &[from])], &EvalCx::new())?;
        let sources = sources[0].as_slice::<f64>().map(|s| s.to_vec()).unwrap_or_default();
        return Ok(sources.into_iter().map(|s| vec![(s as usize, 1.0)]).collect());
    }
    let mut unit = vec![0f64; from * from];
    (0..from).for_each(|i| unit[i * from + i] = 1.0);
    let double = ops::Resize {
        shape: Shape::of(&[to, from]),
        scales: vec![op.scales[axis], 1.0.into()],
        ..op.clone()
    };
    let dense = double.eval(&[Tensor::from_vec(unit, &[from, from])], &EvalCx::new())?;
    let dense = dense[0].as_slice::<f64>().map(|s| s.to_vec()).unwrap_or_default();
    Ok(dense
        .chunks_exact(from)
        .map(|row| row.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(i, w)| (i, *w as f32)).collect())
        .collect())
}

impl Kernel for Axis {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (x, out) = (memory.span(self.x), memory.span(self.out));
        let (block, to_block) = (self.from * self.inner, self.taps.len() * self.inner);
        let parts = if self.outer * to_block < 1 << 15 { 1 } else { 2 * rayon::current_num_threads() };
        let chunk = self.outer.div_ceil(parts).max(1);
        parallel::for_each(self.outer.div_ceil(chunk), |part| {
            for o in part * chunk..self.outer.min((part + 1) * chunk) {
                // SAFETY: nothing writes the input during the step, and blocks are disjoint.
                let (x, to) = unsafe {
                    (
                        x.slice(self.x_at + o * block..self.x_at + (o + 1) * block),
                        out.slice_mut(o * to_block..(o + 1) * to_block),
                    )
                };
                self.block(x, to);
            }
        });
        Ok(())
    }
}

impl Axis {
    fn block(&self, x: &[f32], to: &mut [f32]) {
        let inner = self.inner;
        if inner == 1 {
            for (taps, to) in self.taps.iter().zip(to) {
                *to = match taps[..] {
                    [(i, weight)] => weight * x[i],
                    [(i, first), (j, second)] => first * x[i] + second * x[j],
                    _ => taps.iter().map(|(i, weight)| weight * x[*i]).sum(),
                };
            }
            return;
        }
        for (taps, to) in self.taps.iter().zip(to.chunks_exact_mut(inner)) {
            match taps[..] {
                [(i, 1.0)] => to.copy_from_slice(&x[i * inner..][..inner]),
                _ => {
                    to.fill(0.0);
                    for (i, weight) in taps {
                        let from = &x[i * inner..][..inner];
                        to.iter_mut().zip(from).for_each(|(to, x)| *to += weight * x);
                    }
                }
            }
        }
    }
}
