//! Sorting and selecting: what is chosen depends on the data.

use super::elementwise::scalar;
use super::movement::as_i64;
use crate::node::{Converted, NodeCx, sizes};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops;
use satura_tensor::{DType, Dim, Tensor};

/// The number of elements is an attribute before operator set 10, an input since; from 11 on the least elements may be asked for. Unsorted results are sorted too.
pub(super) fn top_k(cx: &mut NodeCx<'_>) -> Converted {
    let (x, k) = if cx.version < 10 {
        let ([x], []) = cx.args()?;
        let k = cx.attrs.int("k")?.ok_or_else(|| Attributes::<()>::missing("k"))?;
        (x, cx.constant(Tensor::scalar(k))?)
    } else {
        let ([x, k], []) = cx.args()?;
        (x, scalar(cx, k, "the number of elements")?)
    };
    let axis = cx.attrs.int("axis")?.unwrap_or(-1);
    let largest = if cx.version < 11 { true } else { cx.attrs.flag("largest")?.unwrap_or(true) };
    if cx.version >= 11 {
        cx.attrs.ignore("sorted");
    }
    cx.emit(ops::TopK { axis, largest }, &[x, k])
}

pub(super) fn unique(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?;
    let sorted = cx.attrs.flag("sorted")?.unwrap_or(true);
    cx.emit(ops::Unique { axis, sorted }, &[x])
}

/// The slices along an axis, or the elements, where the condition holds; a condition that is shorter than the axis is continued with false.
pub(super) fn compress(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, condition], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?;
    let all = cx.vector(vec![-1])?;
    let found = cx.map(ops::NonZero {}, condition)?;
    let found = cx.one(ops::ReshapeDyn { allow_zero: false }, &[found, all])?;
    let (x, axis) = match axis {
        Some(axis) => (x, axis),
        None => (cx.one(ops::ReshapeDyn { allow_zero: false }, &[x, all])?, 0),
    };
    cx.emit(ops::Gather { axis }, &[x, found])
}

/// Boxes by corners or, with `center_point_box`, by centre and size. Without a number of boxes none is selected.
pub(super) fn non_max_suppression(cx: &mut NodeCx<'_>) -> Converted {
    let ([boxes, scores], [most, overlap, least]) = cx.args()?;
    let center = cx.attrs.flag("center_point_box")?.unwrap_or(false);
    let most = match most {
        Some(most) => scalar(cx, most, "the number of boxes")?,
        None => cx.constant(Tensor::scalar(0i64))?,
    };
    let overlap = match overlap {
        Some(overlap) => scalar(cx, overlap, "the overlap")?,
        None => cx.scalar_like(boxes, 0.0)?,
    };
    let mut inputs = vec![boxes, scores, most, overlap];
    if let Some(least) = least {
        inputs.push(scalar(cx, least, "the least score")?);
    }
    cx.emit(ops::NonMaxSuppression { center }, &inputs)
}

/// The first elements of each sequence in reverse, as many as `sequence_lens` says.
pub(super) fn reverse_sequence(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, lengths], []) = cx.args()?;
    let dims = cx.dims(x, "reversing sequences")?;
    let (batch, time) = (cx.attrs.int("batch_axis")?.unwrap_or(1), cx.attrs.int("time_axis")?.unwrap_or(0));
    let [batch, time] = sizes("batch_axis", &[batch, time], 0)?[..] else {
        return Err(Diagnostic::error(Code::BadAttribute, "two axes are needed"));
    };
    if batch == time || batch.max(time) >= dims.len() {
        let message = format!("batch axis {batch} and time axis {time} of {} axes", dims.len());
        return Err(Diagnostic::error(Code::BadAttribute, message));
    }
    let lengths = as_i64(cx, lengths)?;
    let mut column = vec![Dim::from(1); dims.len()];
    column[batch] = dims[batch].clone();
    let lengths = cx.reshape(lengths, column)?;
    let mut row = vec![Dim::from(1); dims.len()];
    row[time] = dims[time].clone();
    let positions = cx.iota(DType::I64, row, time)?;
    let last = cx.add_scalar(lengths, -1.0)?;
    let mirrored = cx.sub(last, positions)?;
    let reversed = cx.less(positions, lengths)?;
    let source = cx.select(reversed, mirrored, positions)?;
    let source = cx.broadcast(source, dims)?;
    let axis = i64::try_from(time).unwrap_or(0);
    cx.emit(ops::GatherElements { axis }, &[x, source])
}
