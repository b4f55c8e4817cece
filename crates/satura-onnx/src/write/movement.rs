//! Ops that move, repeat or drop elements.

use super::attribute::{flag, int, ints, text};
use super::cx::{Cx, Form, NoForm, signed};
use super::names::Name;
use super::takes::{ANY, ANY_19, ANY_21, Takes, carrier};
use satura_ir::ops::{self, PadMode};
use satura_tensor::{DType, Dim, Shape, Tensor};

/// Input 0 in a dtype that the operator takes.
fn carried(cx: &mut Cx<'_>, takes: &Takes) -> Result<(Name, DType), NoForm> {
    let dtype = cx.dtype(0)?;
    let carrier = carrier(takes, cx.version(), dtype)?;
    let x = cx.input(0);
    Ok((cx.cast_from(&x, dtype, carrier), carrier))
}

pub(super) fn reshape(cx: &mut Cx<'_>, op: &ops::Reshape) -> Form {
    reshape_to(cx, &op.shape)
}

/// Input 0 in that shape. At most one extent that is an expression is left to the operator; others are copied from the input or computed.
fn reshape_to(cx: &mut Cx<'_>, shape: &Shape) -> Form {
    let (x, dtype) = carried(cx, ANY_19)?;
    let empty = shape.iter().any(|d| d.is(0));
    if empty && cx.version() < 14 {
        // A 0 would mean the extent of the input.
        let sizes = shape.sizes().ok_or_else(|| NoForm::since("a reshape to an extent of 0", 14))?;
        let nothing = Tensor::from_bytes(dtype, &sizes, Vec::new().into())
            .map_err(|error| NoForm::new(error.to_string()))?;
        let nothing = cx.constant(&nothing);
        return cx.result_as(dtype, "Identity", &[nothing], Vec::new());
    }
    let unknown = shape.iter().filter(|d| d.as_const().is_none()).count();
    let wanted = match unknown {
        0 | 1 if !(empty && unknown == 1) => {
            let sizes: Vec<i64> = shape.iter().map(|d| d.as_const().unwrap_or(-1)).collect();
            cx.vector(&sizes)
        }
        _ => cx.dims(shape)?,
    };
    let attributes =
        if cx.version() >= 14 && (empty || unknown > 1) { vec![flag("allowzero", true)] } else { Vec::new() };
    cx.result_as(dtype, "Reshape", &[x, wanted], attributes)
}

pub(super) fn reshape_dyn(cx: &mut Cx<'_>, op: &ops::ReshapeDyn) -> Form {
    if op.allow_zero && cx.version() < 14 && cx.ints(1).is_none_or(|wanted| wanted.contains(&0)) {
        return Err(NoForm::since("a reshape to an extent of 0", 14));
    }
    let (x, dtype) = carried(cx, ANY_19)?;
    let attributes =
        if op.allow_zero && cx.version() >= 14 { vec![flag("allowzero", true)] } else { Vec::new() };
    let shape = cx.input(1);
    cx.result_as(dtype, "Reshape", &[x, shape], attributes)
}

pub(super) fn transpose(cx: &mut Cx<'_>, op: &ops::Transpose) -> Form {
    let (x, dtype) = carried(cx, ANY_21)?;
    cx.result_as(dtype, "Transpose", &[x], vec![ints("perm", signed(&op.perm))])
}

pub(super) fn broadcast(cx: &mut Cx<'_>, op: &ops::Broadcast) -> Form {
    let shape = cx.dims(&op.shape)?;
    let (x, dtype) = carried(cx, ANY)?;
    cx.result_as(dtype, "Expand", &[x, shape], Vec::new())
}

pub(super) fn broadcast_dyn(cx: &mut Cx<'_>, _: &ops::BroadcastDyn) -> Form {
    let (x, dtype) = carried(cx, ANY)?;
    let shape = cx.input(1);
    cx.result_as(dtype, "Expand", &[x, shape], Vec::new())
}

/// The bound of a slice that goes through to the first element from behind.
const BEFORE_FIRST: i64 = i64::MIN + 1;

pub(super) fn slice(cx: &mut Cx<'_>, op: &ops::Slice) -> Form {
    let (x, dtype) = carried(cx, ANY)?;
    let from = cx.shape(0);
    let whole = |axis: usize| {
        op.starts[axis].is(0) && op.steps[axis] == 1 && from.is_some_and(|s| s[axis] == op.sizes[axis])
    };
    let axes: Vec<usize> = (0..op.sizes.len()).filter(|axis| !whole(*axis)).collect();
    if axes.is_empty() {
        return cx.result_as(dtype, "Identity", &[x], Vec::new());
    }
    let starts: Vec<Dim> =
        axes.iter().map(|a| if op.sizes[*a].is(0) { Dim::from(0) } else { op.starts[*a].clone() }).collect();
    let ends: Vec<Dim> = axes.iter().map(|a| end(op, *a)).collect();
    let steps: Vec<i64> = axes.iter().map(|a| op.steps[*a]).collect();
    let starts = cx.dims(&starts)?;
    let backwards = |(end, step): (&Dim, &i64)| *step < 0 && end.as_const().is_none();
    let mut bounds = cx.dims(&ends)?;
    if ends.iter().zip(&steps).any(backwards) {
        // An end before the first element must not be taken for one counted from the back.
        let (zero, before) = (cx.vector(&[0]), cx.vector(&[BEFORE_FIRST]));
        let below = cx.node("Less", &[bounds.clone(), zero], Vec::new());
        bounds = cx.node("Where", &[below, before, bounds], Vec::new());
    }
    let (axes, steps) = (cx.sizes(&axes), cx.vector(&steps));
    cx.result_as(dtype, "Slice", &[x, starts, bounds, axes, steps], Vec::new())
}

/// The position after the last that is taken along an axis.
fn end(op: &ops::Slice, axis: usize) -> Dim {
    if op.sizes[axis].is(0) {
        return Dim::from(0);
    }
    let end = op.starts[axis].clone() + op.sizes[axis].clone() * Dim::from(op.steps[axis]);
    if end.as_const().is_some_and(|end| end < 0) { Dim::from(BEFORE_FIRST) } else { end }
}

pub(super) fn slice_dyn(cx: &mut Cx<'_>, op: &ops::SliceDyn) -> Form {
    let (x, dtype) = carried(cx, ANY)?;
    let mut inputs = vec![x, cx.input(1), cx.input(2)];
    for (i, attribute) in [(3, &op.axes), (4, &op.steps)] {
        inputs.push(match attribute {
            Some(numbers) => cx.vector(numbers),
            None if i < cx.count() => cx.input(i),
            None => "".into(),
        });
    }
    while inputs.last().is_some_and(|name| name.is_empty()) {
        inputs.pop();
    }
    cx.result_as(dtype, "Slice", &inputs, Vec::new())
}

pub(super) fn pad(cx: &mut Cx<'_>, op: &ops::Pad) -> Form {
    let amounts: Vec<Dim> = op.low.iter().chain(&op.high).cloned().collect();
    let amounts = cx.dims(&amounts)?;
    let (x, dtype) = carried(cx, ANY_21)?;
    let value = pad_value(cx, 1, dtype)?;
    cx.result_as(dtype, "Pad", &[x, amounts, value], vec![text("mode", "constant")])
}

fn pad_value(cx: &mut Cx<'_>, i: usize, dtype: DType) -> Result<Name, NoForm> {
    let from = cx.dtype(i)?;
    let value = cx.input(i);
    Ok(cx.cast_from(&value, from, dtype))
}

pub(super) fn pad_dyn(cx: &mut Cx<'_>, op: &ops::PadDyn) -> Form {
    let mode = match op.mode {
        PadMode::Constant => "constant",
        PadMode::Reflect => "reflect",
        PadMode::Edge => "edge",
        PadMode::Wrap => "wrap",
    };
    if op.mode == PadMode::Wrap {
        cx.need("Pad of mode \"wrap\"", 19)?;
    }
    let (x, dtype) = carried(cx, ANY_21)?;
    let mut amounts = cx.input(1);
    if let Some(axes) = op.axes.as_ref().filter(|_| cx.version() < 18) {
        let rank = cx.need_shape(0)?.len();
        let places = |side: usize| {
            let place = |axis: usize| {
                let listed = axes.iter().position(|a| ops::axis_index(*a, rank).is_ok_and(|a| a == axis));
                listed.map(|at| at + side * axes.len())
            };
            (0..rank).map(place).collect::<Vec<_>>()
        };
        let zeros = vec![cx.vector(&[0]); 2 * rank];
        amounts = cx.spread(&amounts, &[places(0), places(1)].concat(), &zeros);
    }
    let mut inputs = vec![x, amounts];
    if op.mode == PadMode::Constant {
        inputs.push(pad_value(cx, 2, dtype)?);
    } else {
        inputs.push("".into());
    }
    if let Some(axes) = op.axes.as_ref().filter(|_| cx.version() >= 18) {
        inputs.push(cx.vector(axes));
    }
    cx.result_as(dtype, "Pad", &inputs, vec![text("mode", mode)])
}

pub(super) fn concat(cx: &mut Cx<'_>, op: &ops::Concat) -> Form {
    super::takes::same(cx, "Concat", ANY, vec![int("axis", op.axis)])
}

pub(super) fn tile_dyn(cx: &mut Cx<'_>, _: &ops::TileDyn) -> Form {
    let (x, dtype) = carried(cx, ANY)?;
    let repeats = cx.input(1);
    cx.result_as(dtype, "Tile", &[x, repeats], Vec::new())
}

pub(super) fn squeeze(cx: &mut Cx<'_>, op: &ops::Squeeze) -> Form {
    let (x, dtype) = carried(cx, ANY_21)?;
    let mut inputs = vec![x];
    if let Some(axes) = &op.axes {
        inputs.push(cx.vector(axes));
    }
    cx.result_as(dtype, "Squeeze", &inputs, Vec::new())
}

pub(super) fn unsqueeze(cx: &mut Cx<'_>, op: &ops::Unsqueeze) -> Form {
    let (x, dtype) = carried(cx, ANY_21)?;
    let axes = cx.vector(&op.axes);
    cx.result_as(dtype, "Unsqueeze", &[x, axes], Vec::new())
}

pub(super) fn flatten(cx: &mut Cx<'_>, op: &ops::Flatten) -> Form {
    let (x, dtype) = carried(cx, ANY_21)?;
    cx.result_as(dtype, "Flatten", &[x], vec![int("axis", op.axis)])
}

pub(super) fn split(cx: &mut Cx<'_>, op: &ops::Split) -> Form {
    let dtype = cx.dtype(0)?;
    if carrier(ANY, cx.version(), dtype)? != dtype {
        return Err(NoForm::new(format!("Split takes no {dtype}")));
    }
    let (x, sizes) = (cx.input(0), cx.vector(&op.sizes));
    cx.result("Split", &[x, sizes], vec![int("axis", op.axis)])
}
