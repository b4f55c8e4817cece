//! Shapes and positions as data.

use super::attribute::int;
use super::cx::{Cx, Form, NoForm};
use super::names::Name;
use super::takes::{ANY_19, Takes, carrier, castable};
use satura_ir::ops;
use satura_tensor::{DType, Dim};

const RANGES: &Takes =
    &[(1, &[DType::F32, DType::F64, DType::I16, DType::I32, DType::I64]), (27, &[DType::F16, DType::BF16])];

pub(super) fn shape_of(cx: &mut Cx<'_>, op: &ops::ShapeOf) -> Form {
    let dtype = cx.dtype(0)?;
    let x = cx.input(0);
    let carrier = carrier(ANY_19, cx.version(), dtype)?;
    let x = cx.cast_from(&x, dtype, carrier);
    if op.start == 0 && op.end.is_none() {
        return cx.result("Shape", &[x], Vec::new());
    }
    if cx.version() >= 15 {
        let mut attributes = vec![int("start", op.start)];
        attributes.extend(op.end.map(|end| int("end", end)));
        return cx.result("Shape", &[x], attributes);
    }
    let shape = cx.node("Shape", &[x], Vec::new());
    let (start, end) = (cx.vector(&[op.start]), cx.vector(&[op.end.unwrap_or(i64::MAX)]));
    cx.result("Slice", &[shape, start, end], Vec::new())
}

pub(super) fn size(cx: &mut Cx<'_>, _: &ops::Size) -> Form {
    let dtype = cx.dtype(0)?;
    let carrier = carrier(ANY_19, cx.version(), dtype)?;
    let x = cx.input(0);
    let x = cx.cast_from(&x, dtype, carrier);
    cx.result("Size", &[x], Vec::new())
}

/// A range along the axis, repeated over the others.
pub(super) fn iota(cx: &mut Cx<'_>, op: &ops::Iota) -> Form {
    let rank = op.shape.len();
    let mut place = positions(cx, &op.shape[op.axis])?;
    if rank > 1 {
        let mut column = vec![1; rank];
        column[op.axis] = -1;
        let (column, shape) = (cx.vector(&column), cx.dims(&op.shape)?);
        let standing = cx.node("Reshape", &[place, column], Vec::new());
        place = cx.node("Expand", &[standing, shape], Vec::new());
    }
    if !castable(cx.version(), op.dtype) {
        return Err(NoForm::new(format!("operator set {} converts no {}", cx.version(), op.dtype)));
    }
    cx.result_cast(&place, op.dtype)
}

pub(super) fn range_dyn(cx: &mut Cx<'_>, _: &ops::RangeDyn) -> Form {
    super::takes::same(cx, "Range", RANGES, Vec::new())
}

/// The positions `0..extent` as an i64 vector.
pub(super) fn positions(cx: &mut Cx<'_>, extent: &Dim) -> Result<Name, NoForm> {
    let limit = match extent.as_const() {
        Some(size) => cx.int(size),
        None => {
            let size = cx.dims(std::slice::from_ref(extent))?;
            let none = cx.vector(&[]);
            cx.node("Reshape", &[size, none], Vec::new())
        }
    };
    let (zero, one) = (cx.int(0), cx.int(1));
    Ok(cx.node("Range", &[zero, limit, one], Vec::new()))
}
