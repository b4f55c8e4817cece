//! Reading and writing by index.

use super::elementwise::scalar;
use super::movement::as_i64;
use crate::node::{Converted, NodeCx, sizes};
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ScatterKind};
use satura_tensor::{DType, Dim, Shape, Tensor};

pub(super) fn gather(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, indices], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(0);
    cx.emit(ops::Gather { axis }, &[x, indices])
}

pub(super) fn gather_elements(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, indices], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(0);
    cx.emit(ops::GatherElements { axis }, &[x, indices])
}

pub(super) fn gather_nd(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, indices], []) = cx.args()?;
    let batch_dims = if cx.version < 12 { 0 } else { cx.attrs.int("batch_dims")?.unwrap_or(0) };
    let batch_dims = sizes("batch_dims", &[batch_dims], 0)?[0];
    cx.emit(ops::GatherNd { batch_dims }, &[x, indices])
}

const COMBINE: &[(&str, ScatterKind)] = &[
    ("none", ScatterKind::Replace),
    ("add", ScatterKind::Add),
    ("mul", ScatterKind::Mul),
    ("max", ScatterKind::Max),
    ("min", ScatterKind::Min),
];

/// Updates replace; from operator set 16 on they may be added or multiplied, from 18 on the greatest or least may be taken.
fn combine(cx: &mut NodeCx<'_>) -> Result<ScatterKind, Diagnostic> {
    let choices = match cx.version {
        ..16 => &COMBINE[..1],
        16..18 => &COMBINE[..3],
        _ => COMBINE,
    };
    Ok(cx.attrs.choice("reduction", choices)?.unwrap_or(ScatterKind::Replace))
}

pub(super) fn scatter_elements(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, indices, updates], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(0);
    let combine = combine(cx)?;
    cx.emit(ops::ScatterElements { axis, combine }, &[x, indices, updates])
}

pub(super) fn scatter_nd(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, indices, updates], []) = cx.args()?;
    let combine = combine(cx)?;
    cx.emit(ops::ScatterNd { combine }, &[x, indices, updates])
}

/// `on` where the new axis equals the index, `off` elsewhere; negative indices count from the back, others out of range are nowhere.
pub(super) fn one_hot(cx: &mut NodeCx<'_>) -> Converted {
    let ([indices, depth, values], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(-1);
    let rank = cx.need_rank(indices, "a new axis in it")?;
    let axis = ops::axis_index(axis, rank + 1)?;
    let wide = match cx.dtype(indices)? {
        DType::I64 | DType::I32 => as_i64(cx, indices)?,
        _ => cx.one(ops::Cast { to: DType::I64 }, &[indices])?,
    };
    let spread = cx.one(ops::Unsqueeze { axes: vec![i64::try_from(axis).unwrap_or(0)] }, &[wide])?;
    let (positions, size) = positions(cx, depth, axis, rank + 1)?;
    let negative = cx.one(ops::Sub {}, &[positions, size])?;
    let at_front = cx.one(ops::Equal {}, &[spread, positions])?;
    let at_back = cx.one(ops::Equal {}, &[spread, negative])?;
    let hit = cx.one(ops::Or {}, &[at_front, at_back])?;
    let mut value = |index: i64| {
        let at = cx.constant(Tensor::scalar(index))?;
        let picked = cx.one(ops::Gather { axis: 0 }, &[values, at])?;
        scalar(cx, picked, "a value")
    };
    let (off, on) = (value(0)?, value(1)?);
    cx.emit(ops::Select {}, &[hit, on, off])
}

/// The positions of an axis of extent `depth` among `rank` axes, and the depth, an i64 scalar.
fn positions(
    cx: &mut NodeCx<'_>,
    depth: ValueId,
    axis: usize,
    rank: usize,
) -> Result<(ValueId, ValueId), Diagnostic> {
    let known = cx.graph.constant(depth).and_then(|t| satura_tensor::cast(t, DType::I64));
    if let Some(known) = known {
        let [depth] = known.as_slice::<i64>().unwrap_or_default()[..] else {
            return Err(Diagnostic::error(Code::Shape, "the depth must be one number"));
        };
        if !(0..=i64::from(i32::MAX)).contains(&depth) {
            return Err(Diagnostic::error(Code::BadValue, format!("a depth of {depth} is out of range")));
        }
        let mut shape = vec![Dim::from(1); rank];
        shape[axis] = Dim::from(depth);
        let positions = cx.one(ops::Iota { dtype: DType::I64, shape: Shape(shape), axis }, &[])?;
        return Ok((positions, cx.constant(Tensor::scalar(depth))?));
    }
    let depth = scalar(cx, depth, "the depth")?;
    let size = cx.cast(depth, DType::I64)?;
    let (zero, one) = (cx.constant(Tensor::scalar(0i64))?, cx.constant(Tensor::scalar(1i64))?);
    let row = cx.one(ops::RangeDyn {}, &[zero, size, one])?;
    let others = (0..rank).filter(|at| *at != axis).map(|at| i64::try_from(at).unwrap_or(i64::MAX)).collect();
    Ok((cx.one(ops::Unsqueeze { axes: others }, &[row])?, size))
}
