//! Reductions and running reductions.

use super::movement::inverse;
use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::ops::{self, ReduceKind};
use satura_ir::{OpError, ValueId};
use satura_tensor::{Dim, Shape};

pub(super) fn reduce(cx: &mut Vjp<'_>, op: &ops::Reduce) -> Gradients {
    let x = cx.inputs[0];
    let shape = cx.shape(x)?;
    let axes = ops::axis_indices(op.axes.as_deref(), shape.len())?;
    let gradient = repeated(cx, cx.gradient, &shape, &axes)?;
    Vjp::single(match op.kind {
        ReduceKind::Sum => gradient,
        ReduceKind::Prod => {
            let others = product_of_others(cx, x, &shape, &axes)?;
            cx.mul(gradient, others)?
        }
        // All that reach the extreme share alike.
        ReduceKind::Max | ReduceKind::Min => {
            let extreme = repeated(cx, cx.outputs[0], &shape, &axes)?;
            let reaches = cx.equal(x, extreme)?;
            let reaches = cx.indicator(reaches, x)?;
            let count = cx.sum(reaches, axes.clone())?;
            let count = repeated(cx, count, &shape, &axes)?;
            let share = cx.div(reaches, count)?;
            cx.mul(gradient, share)?
        }
    })
}

/// A reduced value for each element that it was made of.
fn repeated(cx: &mut Vjp<'_>, reduced: ValueId, shape: &Shape, axes: &[usize]) -> Emitted {
    let extents = shape.iter().enumerate();
    let kept = extents.map(|(axis, extent)| if axes.contains(&axis) { Dim::from(1) } else { extent.clone() });
    let kept = cx.reshape(reduced, kept.collect())?;
    cx.broadcast(kept, shape.clone())
}

/// For each element, the product of all others that are reduced with it; right where some are 0.
fn product_of_others(cx: &mut Vjp<'_>, x: ValueId, shape: &Shape, axes: &[usize]) -> Emitted {
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
    let perm: Vec<usize> = kept.clone().chain(axes.iter().copied()).collect();
    let turned = cx.transpose(x, perm.clone())?;
    let turned_shape = cx.shape(turned)?;
    let count = axes.iter().fold(Dim::from(1), |count, axis| count * shape[*axis].clone());
    let rows: Shape = kept.map(|axis| shape[axis].clone()).chain([count]).collect();
    let rows = cx.reshape(turned, rows)?;
    let scan = |reverse| ops::Scan { kind: ReduceKind::Prod, axis: -1, exclusive: true, reverse };
    let (before, after) = (cx.one(scan(false), &[rows])?, cx.one(scan(true), &[rows])?);
    let others = cx.mul(before, after)?;
    let others = cx.reshape(others, turned_shape)?;
    cx.transpose(others, inverse(&perm))
}

/// A running sum gives each element to all that follow it, so the gradient is the running sum from the other end.
pub(super) fn scan(cx: &mut Vjp<'_>, op: &ops::Scan) -> Gradients {
    match op.kind {
        ReduceKind::Sum => {
            let back = ops::Scan { reverse: !op.reverse, ..op.clone() };
            Vjp::single(cx.one(back, &[cx.gradient])?)
        }
        ReduceKind::Prod | ReduceKind::Max | ReduceKind::Min => {
            Err(OpError::unsupported("there is a rule for running sums only"))
        }
    }
}
