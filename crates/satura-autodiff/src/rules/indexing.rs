//! Reading and writing by index. What is read several times gets the sum of the gradients.

use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::ops::{self, ScatterKind};
use satura_ir::{OpError, ValueId};
use satura_tensor::{Dim, Shape, Tensor};

/// An extent as an i64 scalar.
pub(super) fn extent(cx: &mut Vjp<'_>, extent: &Dim) -> Emitted {
    match extent.as_const() {
        Some(extent) => cx.one(ops::Const { value: Tensor::scalar(extent) }, &[]),
        None => Err(OpError::unknown(format!("the position {extent} is not known"))),
    }
}

fn zeros_like(cx: &mut Vjp<'_>, x: ValueId) -> Emitted {
    let shape = cx.shape(x)?;
    cx.filled(x, shape, 0.0)
}

/// As rows: the axes before the indexed one, the index, the axes behind it.
pub(super) fn gather(cx: &mut Vjp<'_>, op: &ops::Gather) -> Gradients {
    let (x, indices) = (cx.inputs[0], cx.inputs[1]);
    let (shape, index_shape) = (cx.shape(x)?, cx.shape(indices)?);
    let axis = ops::axis_index(op.axis, shape.len())?;
    let product = |dims: &[Dim]| dims.iter().fold(Dim::from(1), |all, extent| all * extent.clone());
    let (outer, inner) = (product(&shape[..axis]), product(&shape[axis + 1..]));
    let rows: Shape = vec![outer.clone(), product(&index_shape), inner.clone()].into();
    let gradient = cx.reshape(cx.gradient, rows.clone())?;
    let at = cx.reshape(indices, vec![Dim::from(1), product(&index_shape), Dim::from(1)].into())?;
    let at = cx.broadcast(at, rows)?;
    let zeros = cx.filled(x, vec![outer, shape[axis].clone(), inner].into(), 0.0)?;
    let sum = ops::ScatterElements { axis: 1, combine: ScatterKind::Add };
    let sum = cx.one(sum, &[zeros, at, gradient])?;
    Ok(vec![Some(cx.reshape(sum, shape)?), None])
}

pub(super) fn gather_elements(cx: &mut Vjp<'_>, op: &ops::GatherElements) -> Gradients {
    let zeros = zeros_like(cx, cx.inputs[0])?;
    let sum = ops::ScatterElements { axis: op.axis, combine: ScatterKind::Add };
    Ok(vec![Some(cx.one(sum, &[zeros, cx.inputs[1], cx.gradient])?), None])
}

pub(super) fn gather_nd(cx: &mut Vjp<'_>, op: &ops::GatherNd) -> Gradients {
    if op.batch_dims != 0 {
        return Err(OpError::unsupported("there is no rule for batches of coordinates"));
    }
    let zeros = zeros_like(cx, cx.inputs[0])?;
    let sum = ops::ScatterNd { combine: ScatterKind::Add };
    Ok(vec![Some(cx.one(sum, &[zeros, cx.inputs[1], cx.gradient])?), None])
}

/// The gradients of what is written into and of the updates: by `clear` with zeros where they were replaced, as they are where they were added; read back by `read`.
fn written(
    cx: &mut Vjp<'_>,
    combine: ScatterKind,
    clear: impl FnOnce(&mut Vjp<'_>, ValueId) -> Emitted,
    read: impl FnOnce(&mut Vjp<'_>) -> Emitted,
) -> Gradients {
    let into = match combine {
        ScatterKind::Add => Some(cx.gradient),
        ScatterKind::Replace if cx.wanted[0] => {
            let zeros = zeros_like(cx, cx.inputs[2])?;
            Some(clear(cx, zeros)?)
        }
        ScatterKind::Replace => None,
        ScatterKind::Mul | ScatterKind::Max | ScatterKind::Min => {
            return Err(OpError::unsupported("there is no rule for updates that are multiplied or compared"));
        }
    };
    let updates = if cx.wanted[2] { Some(read(cx)?) } else { None };
    Ok(vec![into, None, updates])
}

/// An element that several updates replace is taken to be none of them in particular: each gets its gradient.
pub(super) fn scatter_elements(cx: &mut Vjp<'_>, op: &ops::ScatterElements) -> Gradients {
    let at = cx.inputs[1];
    written(
        cx,
        op.combine,
        |cx, zeros| cx.one(op.clone(), &[cx.gradient, at, zeros]),
        |cx| cx.one(ops::GatherElements { axis: op.axis }, &[cx.gradient, at]),
    )
}

/// [`scatter_elements`] for slices.
pub(super) fn scatter_nd(cx: &mut Vjp<'_>, op: &ops::ScatterNd) -> Gradients {
    let at = cx.inputs[1];
    written(
        cx,
        op.combine,
        |cx, zeros| cx.one(op.clone(), &[cx.gradient, at, zeros]),
        |cx| cx.one(ops::GatherNd { batch_dims: 0 }, &[cx.gradient, at]),
    )
}
