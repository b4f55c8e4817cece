//! Reductions of any axes of a strided view.

use crate::compile::Compiler;
use crate::lanes;
use crate::lower::target;
use crate::memory::{Kernel, Memory, StorageId, View};
use crate::parallel;
use crate::simd::versions;
use satura_ir::ops::ReduceKind;
use satura_ir::{ExecError, Node, OpError, ops};
use satura_tensor::DType;

struct Reduce {
    kind: ReduceKind,
    x: StorageId,
    offset: usize,
    /// Kept axes, outermost first: extent and stride in the input.
    kept: Vec<(usize, isize)>,
    /// Reduced axes, outermost first.
    reduced: Vec<(usize, isize)>,
    out: StorageId,
    /// The result where nothing is reduced.
    neutral: f32,
    /// What sums are divided by, for means.
    divisor: Option<f32>,
}

/// The bounds of bools are those of truth values, which are kept as 0 and 1.
fn neutral(kind: ReduceKind, dtype: Option<DType>) -> f32 {
    match kind {
        ReduceKind::Sum => 0.0,
        ReduceKind::Prod => 1.0,
        ReduceKind::Max if dtype == Some(DType::Bool) => 0.0,
        ReduceKind::Max => f32::NEG_INFINITY,
        ReduceKind::Min if dtype == Some(DType::Bool) => 1.0,
        ReduceKind::Min => f32::INFINITY,
    }
}

pub(crate) fn emit(cx: &mut Compiler<'_>, node: &Node, op: &ops::Reduce) -> Result<bool, ExecError> {
    push(cx, node, op.kind, op.axes.as_deref(), false)
}

pub(crate) fn mean(cx: &mut Compiler<'_>, node: &Node, op: &ops::Mean) -> Result<bool, ExecError> {
    if cx.dtype(node.inputs[0]) != Some(DType::F32) {
        return Ok(false);
    }
    push(cx, node, ReduceKind::Sum, op.axes.as_deref(), true)
}

fn push(
    cx: &mut Compiler<'_>,
    node: &Node,
    kind: ReduceKind,
    axes: Option<&[i64]>,
    mean: bool,
) -> Result<bool, ExecError> {
    let x: View = cx.view(node.inputs[0])?;
    let axes = ops::axis_indices(axes, x.shape.len()).map_err(|e| ExecError::Internal(e.to_string()))?;
    let count: usize = axes.iter().map(|a| x.shape[*a]).product();
    let out = target(cx, node, false)?;
    let pick = |reduced: bool| {
        let axes: Vec<usize> =
            (0..x.shape.len()).filter(|a| axes.contains(a) == reduced && x.shape[*a] != 1).collect();
        let shape: Vec<usize> = axes.iter().map(|a| x.shape[*a]).collect();
        let strides = vec![axes.iter().map(|a| x.strides[*a]).collect()];
        let (dims, strides) = crate::assemble::merge_axes(&shape, strides);
        dims.into_iter().zip(strides[0].clone()).collect::<Vec<_>>()
    };
    let kernel = Reduce {
        kind,
        x: x.storage,
        offset: x.offset,
        kept: pick(false),
        reduced: pick(true),
        out: out.storage,
        neutral: neutral(kind, cx.dtype(node.inputs[0])),
        divisor: mean.then_some(count as f32),
    };
    cx.push("reduce", kernel, vec![x.storage], vec![out.storage]);
    Ok(true)
}

/// The distance of position `index` of these axes from the first element.
fn distance(axes: &[(usize, isize)], index: usize) -> isize {
    let (mut rest, mut at) = (index, 0);
    for (size, stride) in axes.iter().rev() {
        at += (rest % size) as isize * stride;
        rest /= size;
    }
    at
}

fn count(axes: &[(usize, isize)]) -> usize {
    axes.iter().map(|a| a.0).product()
}

impl Kernel for Reduce {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (x, out) = (memory.span(self.x), memory.span(self.out));
        let total = count(&self.kept);
        let reduced = count(&self.reduced);
        // SAFETY: nothing writes the input during the step.
        let x = unsafe { x.slice(0..x.len()) };
        let parts = if total * reduced < 1 << 16 { 1 } else { 2 * rayon::current_num_threads() };
        let chunk = total.div_ceil(parts).max(1);
        parallel::for_each(total.div_ceil(chunk), |part| {
            let (start, end) = (part * chunk, total.min((part + 1) * chunk));
            // SAFETY: parts are disjoint.
            let to = unsafe { out.slice_mut(start..end) };
            match self.kept.last() {
                // Neighbouring results read neighbouring elements: whole lines are combined.
                Some((_, 1)) if self.reduced.last().is_some_and(|r| r.1 != 1) => self.by_line(x, start, to),
                _ => to.iter_mut().enumerate().for_each(|(i, to)| *to = self.one(x, start + i)),
            }
            if let Some(divisor) = self.divisor {
                to.iter_mut().for_each(|sum| *sum /= divisor);
            }
        });
        Ok(())
    }
}

impl Reduce {
    /// The result of that position.
    fn one(&self, x: &[f32], index: usize) -> f32 {
        if count(&self.reduced) == 0 {
            return self.neutral;
        }
        let start = self.offset as isize + distance(&self.kept, index);
        let Some(((len, stride), outer)) = self.reduced.split_last() else { return x[start as usize] };
        let mut result = self.neutral;
        for o in 0..count(outer) {
            let at = start + distance(outer, o);
            let row = if *stride == 1 {
                fold(self.kind, &x[at as usize..at as usize + len])
            } else {
                let steps = (0..*len as isize).map(|i| x[(at + i * stride) as usize]);
                steps.fold(self.neutral, |a, b| pair(self.kind, a, b))
            };
            result = pair(self.kind, result, row);
        }
        result
    }

    /// Results from `start` on, where the last kept axis is contiguous.
    fn by_line(&self, x: &[f32], start: usize, to: &mut [f32]) {
        let Some(((len, _), outer)) = self.kept.split_last() else { return };
        to.fill(self.neutral);
        let mut done = 0;
        while done < to.len() {
            let (line, column) = ((start + done) / len, (start + done) % len);
            let n = (len - column).min(to.len() - done);
            let base = self.offset as isize + distance(outer, line) + column as isize;
            let to = &mut to[done..done + n];
            for r in 0..count(&self.reduced) {
                let at = (base + distance(&self.reduced, r)) as usize;
                combine(self.kind, to, &x[at..at + n]);
            }
            done += n;
        }
    }
}

#[inline(always)]
fn pair(kind: ReduceKind, a: f32, b: f32) -> f32 {
    match kind {
        ReduceKind::Sum => a + b,
        ReduceKind::Prod => a * b,
        ReduceKind::Max => lanes::max(a, b),
        ReduceKind::Min => lanes::min(a, b),
    }
}

/// Independent partial results, so that neither rounding nor latency grows with the length.
const LANES: usize = 32;

#[inline(always)]
fn fold_with(x: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut partial = [start; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            partial[lane] = f(partial[lane], block[lane]);
        }
    }
    for (partial, x) in partial.iter_mut().zip(rest) {
        *partial = f(*partial, *x);
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            partial[lane] = f(partial[lane], partial[lane + width]);
        }
    }
    partial[0]
}

#[inline(always)]
fn fold_body<const FMA: bool>(kind: ReduceKind, x: &[f32]) -> f32 {
    match kind {
        ReduceKind::Sum => fold_with(x, 0.0, |a, b| a + b),
        ReduceKind::Prod => fold_with(x, 1.0, |a, b| a * b),
        ReduceKind::Max => fold_with(x, f32::NEG_INFINITY, lanes::max),
        ReduceKind::Min => fold_with(x, f32::INFINITY, lanes::min),
    }
}

versions! {
    /// Combines a contiguous row.
    pub(crate) fn fold(kind: ReduceKind, x: &[f32]) -> f32 = fold_body
}

#[inline(always)]
fn combine_body<const FMA: bool>(kind: ReduceKind, to: &mut [f32], x: &[f32]) {
    let pairs = to.iter_mut().zip(x);
    match kind {
        ReduceKind::Sum => pairs.for_each(|(to, x)| *to += x),
        ReduceKind::Prod => pairs.for_each(|(to, x)| *to *= x),
        ReduceKind::Max => pairs.for_each(|(to, x)| *to = lanes::max(*to, *x)),
        ReduceKind::Min => pairs.for_each(|(to, x)| *to = lanes::min(*to, *x)),
    }
}

versions! {
    /// Combines two rows element by element, into the first.
    fn combine(kind: ReduceKind, to: &mut [f32], x: &[f32]) = combine_body
}
