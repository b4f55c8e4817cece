//! Constants, shapes as data, and ops that leave their input as it is.

use super::elementwise::scalar;
use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops;
use satura_tensor::{DType, Shape, Tensor};

/// Exactly one of the attributes gives the value.
pub(super) fn constant(cx: &mut NodeCx<'_>) -> Converted {
    let ([], []) = cx.args()?;
    let strings = |list: Vec<Vec<u8>>, shape: &[usize]| {
        Tensor::from_strings(list.into_iter().map(Into::into).collect(), shape)
    };
    let mut values = Vec::new();
    values.extend(cx.attrs.tensor("value")?);
    values.extend(cx.attrs.tensor("sparse_value")?);
    values.extend(cx.attrs.float("value_float")?.map(Tensor::scalar));
    values.extend(cx.attrs.int("value_int")?.map(Tensor::scalar));
    values.extend(cx.attrs.bytes("value_string")?.map(|s| strings(vec![s], &[])));
    values.extend(cx.attrs.floats("value_floats")?.map(|v| {
        let n = v.len();
        Tensor::from_vec(v, &[n])
    }));
    values.extend(cx.attrs.ints("value_ints")?.map(|v| {
        let n = v.len();
        Tensor::from_vec(v, &[n])
    }));
    values.extend(cx.attrs.byte_strings("value_strings")?.map(|v| {
        let n = v.len();
        strings(v, &[n])
    }));
    match <[Tensor; 1]>::try_from(values) {
        Ok([value]) => Ok(vec![cx.constant(value)?]),
        Err(values) if values.is_empty() => Err(Attributes::<()>::missing("value")),
        Err(_) => Err(bad_attribute("value", "a constant has two values")),
    }
}

/// A tensor of the shape that the input gives, filled with one value.
pub(super) fn constant_of_shape(cx: &mut NodeCx<'_>) -> Converted {
    let ([shape], []) = cx.args()?;
    let value = cx.attrs.tensor("value")?.unwrap_or_else(|| Tensor::scalar(0.0f32));
    let value = value.reshaped(&[]).ok_or_else(|| {
        bad_attribute("value", format!("one element is expected, found {}", value.elements()))
    })?;
    let value = cx.constant(value)?;
    cx.emit(ops::BroadcastDyn {}, &[value, shape])
}

pub(super) fn shape(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let (start, end) =
        if cx.version < 15 { (0, None) } else { (cx.attrs.int("start")?.unwrap_or(0), cx.attrs.int("end")?) };
    cx.emit(ops::ShapeOf { start, end }, &[x])
}

pub(super) fn range(cx: &mut NodeCx<'_>) -> Converted {
    let ([start, limit, delta], []) = cx.args()?;
    // The precision of the sums: elements are computed from their position, not summed up.
    if cx.version >= 27 {
        cx.attrs.ignore("stash_type");
    }
    let start = scalar(cx, start, "the start")?;
    let limit = scalar(cx, limit, "the limit")?;
    let delta = scalar(cx, delta, "the step")?;
    cx.emit(ops::RangeDyn {}, &[start, limit, delta])
}

pub(super) fn identity(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    Ok(vec![x])
}

/// Dropout does nothing at inference; the mask, if it is asked for, keeps everything.
pub(super) fn dropout(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [ratio, training]) = cx.args()?;
    if let Some(training) = training {
        let off = cx
            .graph
            .constant(training)
            .is_some_and(|t| t.dtype() == DType::Bool && t.bytes().iter().all(|b| *b == 0));
        if !off {
            return super::random::dropout(cx, x, ratio, training);
        }
    }
    cx.attrs.ignore("ratio");
    cx.attrs.ignore("seed");
    if cx.outputs.get(1).is_none_or(String::is_empty) {
        return Ok(vec![x]);
    }
    let keep = if cx.version < 10 {
        cx.scalar_like(x, 1.0)?
    } else {
        cx.constant(Tensor::from_bools(&[true], &[]))?
    };
    let shape = cx.one(ops::ShapeOf { start: 0, end: None }, &[x])?;
    let mask = cx.one(ops::BroadcastDyn {}, &[keep, shape])?;
    Ok(vec![x, mask])
}

/// One where `[i, j]` has `j - i == k`, for a matrix of the shape of the input.
pub(super) fn eye_like(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let to = match cx.attrs.int("dtype")? {
        Some(number) => crate::types::dtype(number)?,
        None => cx.dtype(x)?,
    };
    let k = cx.attrs.int("k")?.unwrap_or(0);
    let shape = matrix(cx, x, 2)?;
    let on = diagonal_distance(cx, &shape)?;
    let k = cx.constant(Tensor::scalar(k))?;
    let hit = cx.one(ops::Equal {}, &[on, k])?;
    cx.emit(ops::Cast { to }, &[hit])
}

/// The upper or lower triangle of the last two axes; the rest is zero.
pub(super) fn trilu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [k]) = cx.args()?;
    let upper = cx.attrs.flag("upper")?.unwrap_or(true);
    let rank = cx.need_rank(x, "its triangle")?;
    let shape = matrix(cx, x, rank)?;
    let distance = diagonal_distance(cx, &shape)?;
    let k = match k {
        Some(k) => scalar(cx, k, "the diagonal")?,
        None => cx.constant(Tensor::scalar(0i64))?,
    };
    let keep = if upper {
        cx.one(ops::LessEqual {}, &[k, distance])?
    } else {
        cx.one(ops::LessEqual {}, &[distance, k])?
    };
    let zero = cx.scalar_like(x, 0.0)?;
    cx.emit(ops::Select {}, &[keep, x, zero])
}

/// The last two extents of an input of that rank.
fn matrix(cx: &NodeCx<'_>, x: satura_ir::ValueId, rank: usize) -> Result<Shape, Diagnostic> {
    match cx.shape(x) {
        Some(shape) if shape.len() == rank && rank >= 2 => Ok(Shape(shape[rank - 2..].to_vec())),
        Some(shape) => {
            Err(Diagnostic::error(Code::Shape, format!("a matrix is expected, the shape is {shape}")))
        }
        None => Err(Diagnostic::error(Code::NotConstant, "the rank of the input is not known")),
    }
}

/// `j - i` at `[i, j]`.
fn diagonal_distance(cx: &mut NodeCx<'_>, shape: &Shape) -> Result<satura_ir::ValueId, Diagnostic> {
    let mut iota = |axis| cx.one(ops::Iota { dtype: DType::I64, shape: shape.clone(), axis }, &[]);
    let (row, column) = (iota(0)?, iota(1)?);
    cx.one(ops::Sub {}, &[column, row])
}
