//! Ops that move elements: their gradients move back.

use super::indexing;
use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::ValueId;
use satura_ir::ops::{self, ScatterKind};
use satura_tensor::{DType, Dim, Shape};

pub(super) fn reshape(cx: &mut Vjp<'_>) -> Gradients {
    let shape = cx.shape(cx.inputs[0])?;
    Vjp::single(cx.reshape(cx.gradient, shape)?)
}

pub(super) fn transpose(cx: &mut Vjp<'_>, op: &ops::Transpose) -> Gradients {
    Vjp::single(cx.transpose(cx.gradient, inverse(&op.perm))?)
}

/// The permutation that undoes another.
pub(super) fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(to, from)| inverse[*from] = to);
    inverse
}

pub(super) fn broadcast(cx: &mut Vjp<'_>) -> Gradients {
    Vjp::single(cx.unbroadcast(cx.gradient, cx.inputs[0])?)
}

/// Zeros where nothing was taken.
pub(super) fn slice(cx: &mut Vjp<'_>, op: &ops::Slice) -> Gradients {
    let whole = cx.shape(cx.inputs[0])?;
    let mut gradient = cx.gradient;
    let (mut low, mut high) = (vec![Dim::from(0); whole.len()], vec![Dim::from(0); whole.len()]);
    for axis in 0..whole.len() {
        if op.steps[axis] == 1 {
            low[axis] = op.starts[axis].clone();
            high[axis] = whole[axis].clone() - op.starts[axis].clone() - op.sizes[axis].clone();
        } else {
            gradient = spread(cx, gradient, axis, &whole[axis], &op.starts[axis], op.steps[axis])?;
        }
    }
    if low.iter().chain(&high).all(|extent| extent.is(0)) {
        return Vjp::single(gradient);
    }
    let zero = cx.scalar(gradient, 0.0)?;
    Vjp::single(cx.one(ops::Pad { low, high }, &[gradient, zero])?)
}

/// The elements of an axis at every `step`th position of a longer one.
fn spread(cx: &mut Vjp<'_>, x: ValueId, axis: usize, extent: &Dim, start: &Dim, step: i64) -> Emitted {
    let sizes = cx.shape(x)?;
    let mut target = sizes.clone();
    target.0[axis] = extent.clone();
    let zeros = cx.filled(x, target, 0.0)?;
    let count = cx.one(ops::Iota { dtype: DType::I64, shape: sizes, axis }, &[])?;
    let step = cx.scalar(count, step as f64)?;
    let distance = cx.mul(count, step)?;
    let start = indexing::extent(cx, start)?;
    let at = cx.add(distance, start)?;
    let axis = axis as i64;
    cx.one(ops::ScatterElements { axis, combine: ScatterKind::Replace }, &[zeros, at, x])
}

/// The part inside; the filling gets the sum of the rest.
pub(super) fn pad(cx: &mut Vjp<'_>, op: &ops::Pad) -> Gradients {
    let sizes = cx.shape(cx.inputs[0])?;
    let steps = vec![1; sizes.len()];
    let inside = ops::Slice { starts: op.low.clone(), sizes: sizes.0, steps };
    let inside = cx.one(inside, &[cx.gradient])?;
    let mut gradients = vec![Some(inside), None];
    if cx.wanted[1] {
        let rank = op.low.len();
        let (all, kept) = (cx.sum(cx.gradient, (0..rank).collect())?, cx.sum(inside, (0..rank).collect())?);
        gradients[1] = Some(cx.sub(all, kept)?);
    }
    Ok(gradients)
}

pub(super) fn concat(cx: &mut Vjp<'_>, op: &ops::Concat) -> Gradients {
    let axis = ops::axis_index(op.axis, cx.shape(cx.gradient)?.len())?;
    let mut start = Dim::from(0);
    let mut gradients = Vec::with_capacity(cx.inputs.len());
    for (input, wanted) in cx.inputs.iter().zip(cx.wanted) {
        let shape: Shape = cx.shape(*input)?;
        let size = shape[axis].clone();
        gradients.push(match wanted {
            true => Some(cx.part(cx.gradient, axis, start.clone(), size.clone())?),
            false => None,
        });
        start = start + size;
    }
    Ok(gradients)
}
