//! Reductions and cumulative reductions.

use super::attribute::{flag, int};
use super::cx::{Cx, Form, NoForm};
use super::dims::axes_input;
use super::elementwise::ARITHMETIC;
use super::names::Name;
use super::shapes::positions;
use super::takes::{BOOL, BYTES, FLOAT, FLOATS, NUMBERS, Takes, WIDE_INTS, WIDE_NUMBERS, carrier, is_taken};
use satura_ir::ops::{self, ArgKind, ReduceKind};
use satura_tensor::{DType, Elements, Tensor};

/// Extrema, of bytes too, and of bools from operator set 20 on.
const EXTREMA: &Takes = &[(1, FLOATS), (1, WIDE_INTS), (1, BYTES), (20, BOOL)];
const SUMS: &Takes = &[(1, &[DType::F32, DType::F64]), (14, &[DType::F16, DType::BF16]), (1, WIDE_INTS)];

/// Name, types, and the operator set from which the axes are an input.
pub(super) fn operator(kind: ReduceKind) -> (&'static str, &'static Takes, i64) {
    match kind {
        ReduceKind::Sum => ("ReduceSum", WIDE_NUMBERS, 13),
        ReduceKind::Prod => ("ReduceProd", WIDE_NUMBERS, 18),
        ReduceKind::Max => ("ReduceMax", EXTREMA, 18),
        ReduceKind::Min => ("ReduceMin", EXTREMA, 18),
    }
}

pub(super) fn reduce(cx: &mut Cx<'_>, op: &ops::Reduce) -> Form {
    let (name, takes, since) = operator(op.kind);
    reduction(cx, name, takes, since, op.axes.as_deref(), op.keep)
}

pub(super) fn mean(cx: &mut Cx<'_>, op: &ops::Mean) -> Form {
    reduction(cx, "ReduceMean", FLOAT, 18, op.axes.as_deref(), op.keep)
}

/// No axes given are all axes, in the operator too; none listed are none, which it would take for all.
fn reduction(
    cx: &mut Cx<'_>,
    name: &str,
    takes: &Takes,
    since: i64,
    axes: Option<&[i64]>,
    keep: bool,
) -> Form {
    let dtype = cx.dtype(0)?;
    let carrier = match dtype {
        // The extrema of no bytes are 0 and the greatest one, which are the bools that those of no bools are.
        DType::Bool if !is_taken(takes, cx.version(), dtype) && is_taken(takes, cx.version(), DType::U8) => {
            DType::U8
        }
        _ => carrier(takes, cx.version(), dtype)?,
    };
    let x = cx.input(0);
    if axes.is_some_and(<[i64]>::is_empty) {
        return cx.result("Identity", &[x], Vec::new());
    }
    let mut inputs = vec![cx.cast_from(&x, dtype, carrier)];
    let mut attributes = vec![flag("keepdims", keep)];
    if let Some(axes) = axes {
        axes_input(cx, since, axes, &mut inputs, &mut attributes);
    }
    cx.result_as(carrier, name, &inputs, attributes)
}

pub(super) fn arg_reduce(cx: &mut Cx<'_>, op: &ops::ArgReduce) -> Form {
    let name = match op.kind {
        ArgKind::Max => "ArgMax",
        ArgKind::Min => "ArgMin",
    };
    let dtype = cx.dtype(0)?;
    let carrier = carrier(NUMBERS, cx.version(), dtype)?;
    let x = cx.input(0);
    let x = cx.cast_from(&x, dtype, carrier);
    let attributes =
        vec![int("axis", op.axis), flag("keepdims", op.keep), flag("select_last_index", op.last)];
    cx.result(name, &[x], attributes)
}

/// Sums have an operator, and products from operator set 26 on. Other kinds reduce, for each position, the elements before it, the rest replaced by what changes nothing.
pub(super) fn scan(cx: &mut Cx<'_>, op: &ops::Scan) -> Form {
    let dtype = cx.dtype(0)?;
    let x = cx.input(0);
    let operator_of_kind = match op.kind {
        ReduceKind::Sum => Some(("CumSum", SUMS)),
        ReduceKind::Prod if cx.version() >= 26 => Some(("CumProd", WIDE_NUMBERS)),
        ReduceKind::Prod | ReduceKind::Max | ReduceKind::Min => None,
    };
    if let Some((name, takes)) = operator_of_kind {
        let carrier = carrier(takes, cx.version(), dtype)?;
        let (x, axis) = (cx.cast_from(&x, dtype, carrier), cx.int(op.axis));
        let attributes = vec![flag("exclusive", op.exclusive), flag("reverse", op.reverse)];
        return cx.result_as(carrier, name, &[x, axis], attributes);
    }
    let (name, takes, since) = operator(op.kind);
    let wide = carrier(takes, cx.version(), dtype)?;
    if !is_taken(ARITHMETIC, cx.version(), wide) {
        return Err(NoForm::new(format!("a cumulative reduction takes no {dtype}")));
    }
    let x = cx.cast_from(&x, dtype, wide);
    let shape = cx.need_shape(0)?;
    let axis = ops::axis_index(op.axis, shape.len()).map_err(|error| NoForm::new(error.to_string()))?;
    let inner = shape.len() - axis - 1;
    let position = positions(cx, &shape[axis])?;
    // The element taken runs along a new axis behind `axis`.
    let standing = |cx: &mut Cx<'_>, before: usize| {
        let mut wanted = vec![1i64; inner + 2];
        wanted[before] = -1;
        let wanted = cx.vector(&wanted);
        cx.node("Reshape", &[position.clone(), wanted], Vec::new())
    };
    let (at, of) = (standing(cx, 0), standing(cx, 1));
    let (first, second) = if op.reverse { (at, of) } else { (of, at) };
    let comparison = if op.exclusive { "Less" } else { "LessOrEqual" };
    let counts = cx.node(comparison, &[first, second], Vec::new());
    let new = cx.vector(&[i64::try_from(axis).unwrap_or(i64::MAX)]);
    let spread = cx.node("Unsqueeze", &[x, new], Vec::new());
    let neutral = neutral(cx, op.kind, wide)?;
    let masked = cx.node("Where", &[counts, spread, neutral], Vec::new());
    let mut inputs = vec![masked];
    let mut attributes = vec![flag("keepdims", false)];
    let reduced = [i64::try_from(axis + 1).unwrap_or(i64::MAX)];
    axes_input(cx, since, &reduced, &mut inputs, &mut attributes);
    cx.result_as(wide, name, &inputs, attributes)
}

/// What a reduction of nothing gives.
pub(super) fn neutral(cx: &mut Cx<'_>, kind: ReduceKind, dtype: DType) -> Result<Name, NoForm> {
    let bounds = dtype.int_range();
    let elements = match (kind, bounds) {
        (ReduceKind::Sum, Some(_)) => Elements::Int(vec![0]),
        (ReduceKind::Prod, Some(_)) => Elements::Int(vec![1]),
        (ReduceKind::Max, Some((least, _))) => Elements::Int(vec![least]),
        (ReduceKind::Min, Some((_, greatest))) => Elements::Int(vec![greatest]),
        (ReduceKind::Sum, None) => Elements::Float(vec![0.0]),
        (ReduceKind::Prod, None) => Elements::Float(vec![1.0]),
        (ReduceKind::Max, None) => Elements::Float(vec![f64::NEG_INFINITY]),
        (ReduceKind::Min, None) => Elements::Float(vec![f64::INFINITY]),
    };
    Ok(cx.constant(&Tensor::from_elements(dtype, &[], elements)))
}
