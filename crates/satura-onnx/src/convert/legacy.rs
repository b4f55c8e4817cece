//! Forms of ops from before operator set 7, where they differ from the later ones: broadcasting by attributes, test modes, arguments that were attributes.

use super::cast::cast_to;
use super::{activation, constant, matmul, movement, norm, resize};
use crate::node::{Converted, NodeCx, bad_attribute, unsupported};
use crate::types;
use satura_import::{AttrValue, Attributes, Code, Diagnostic};
use satura_ir::{Op, ValueId, ops};

/// The second input of an elementwise op, shaped so that it broadcasts by the later rule. Without `broadcast` the shapes must be equal; `axis` says where in the first input's
/// shape that of the second begins, without it they end together.
fn aligned(cx: &mut NodeCx<'_>, a: ValueId, b: ValueId) -> Result<ValueId, Diagnostic> {
    let broadcast = cx.attrs.flag("broadcast")?.unwrap_or(false);
    let axis = cx.attrs.int("axis")?;
    if !broadcast {
        if let (Some(left), Some(right)) = (cx.ty(a).sizes(), cx.ty(b).sizes())
            && left != right
        {
            let message = format!("shapes {left:?} and {right:?} differ, and `broadcast` is not set");
            return Err(Diagnostic::error(Code::Shape, message));
        }
        return Ok(b);
    }
    let Some(axis) = axis else { return Ok(b) };
    let rank = cx.need_rank(a, "broadcasting along an axis")?;
    let own = cx.need_rank(b, "broadcasting along an axis")?;
    let axis = ops::axis_index(axis, rank.max(1))?;
    let Some(behind) = rank.checked_sub(axis + own) else {
        return Err(bad_attribute(
            "axis",
            format!("{own} axes from axis {axis} on reach beyond rank {rank}"),
        ));
    };
    if behind == 0 {
        return Ok(b);
    }
    let axes = (own..own + behind).filter_map(|axis| i64::try_from(axis).ok()).collect();
    cx.one(ops::Unsqueeze { axes }, &[b])
}

/// An elementwise op of two inputs.
pub(super) fn binary(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let b = aligned(cx, a, b)?;
    cx.emit(op, &[a, b])
}

/// An elementwise op of two inputs in reverse order.
pub(super) fn swapped(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let b = aligned(cx, a, b)?;
    cx.emit(op, &[b, a])
}

/// A vector of slopes is one for each channel.
pub(super) fn prelu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, slope], []) = cx.args()?;
    let rank = cx.need_rank(x, "one slope for each channel")?;
    if cx.rank(slope) == Some(1) && rank > 2 {
        let axes = (1..rank - 1).filter_map(|axis| i64::try_from(axis).ok()).collect();
        let slope = cx.one(ops::Unsqueeze { axes }, &[slope])?;
        cx.inputs[1] = Some(slope);
    }
    activation::prelu(cx)
}

/// The defaults had fewer digits.
pub(super) fn selu(cx: &mut NodeCx<'_>) -> Converted {
    default(cx, "alpha", AttrValue::Float(1.6732))?;
    default(cx, "gamma", AttrValue::Float(1.0507))?;
    activation::selu(cx)
}

fn default(cx: &mut NodeCx<'_>, name: &str, value: AttrValue<crate::node::Region>) -> Result<(), Diagnostic> {
    if cx.attrs.has(name) { Ok(()) } else { cx.attrs.insert(name, value) }
}

/// Whether `c` broadcasts was said by an attribute.
pub(super) fn gemm(cx: &mut NodeCx<'_>) -> Converted {
    cx.attrs.flag("broadcast")?;
    matmul::gemm(cx)
}

/// The mode for inference had to be asked for.
pub(super) fn batch_norm(cx: &mut NodeCx<'_>) -> Converted {
    if !cx.attrs.flag("is_test")?.unwrap_or(false) {
        return Err(unsupported("training mode: `is_test` must be 1").at_attribute("is_test"));
    }
    norm::batch_norm(cx)
}

/// The mode for inference had to be asked for. Nothing is dropped at a ratio of 0 either.
pub(super) fn dropout(cx: &mut NodeCx<'_>) -> Converted {
    let test = cx.attrs.flag("is_test")?.unwrap_or(false);
    let ratio = cx.attrs.float("ratio")?.unwrap_or(0.5);
    if !test && ratio != 0.0 {
        return Err(unsupported("training mode: `is_test` must be 1").at_attribute("is_test"));
    }
    constant::dropout(cx)
}

/// The element type was a name.
pub(super) fn cast(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let name = cx.attrs.string("to")?.ok_or_else(|| Attributes::<()>::missing("to"))?;
    let to = types::dtype_named(&name).ok_or_else(|| {
        bad_attribute("to", format!("\"{}\" is no element type", satura_import::escape(&name)))
    })?;
    cast_to(cx, x, to)
}

/// The shape was an attribute.
pub(super) fn reshape(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let shape = cx.attrs.ints("shape")?.ok_or_else(|| Attributes::<()>::missing("shape"))?;
    let shape = cx.vector(shape)?;
    cx.emit(ops::ReshapeDyn { allow_zero: false }, &[x, shape])
}

/// Axis 1 was the default.
pub(super) fn concat(cx: &mut NodeCx<'_>) -> Converted {
    default(cx, "axis", AttrValue::Int(1))?;
    movement::concat(cx)
}

/// The amounts had another name.
pub(super) fn pad(cx: &mut NodeCx<'_>) -> Converted {
    let pads = cx.attrs.ints("paddings")?.ok_or_else(|| Attributes::<()>::missing("paddings"))?;
    cx.attrs.insert("pads", AttrValue::Ints(pads))?;
    movement::pad(cx)
}

/// The sizes could be an input instead of an attribute.
pub(super) fn split(cx: &mut NodeCx<'_>) -> Converted {
    if let Some(Some(sizes)) = cx.inputs.get(1).copied() {
        let sizes = cx.need_ints(sizes, "the sizes of the parts")?;
        cx.attrs.insert("split", AttrValue::Ints(sizes))?;
        cx.inputs.truncate(1);
    }
    movement::split(cx)
}

/// So many copies along one axis.
pub(super) fn tile(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, tiles, axis], []) = cx.args()?;
    let rank = cx.need_rank(x, "repeating it along an axis")?;
    let ([count], [axis]) = (&cx.need_ints(tiles, "the copies")?[..], &cx.need_ints(axis, "the axis")?[..])
    else {
        return Err(Diagnostic::error(Code::Shape, "the copies and the axis must be one number each"));
    };
    let axis = ops::axis_index(*axis, rank)?;
    let repeats = cx.vector((0..rank).map(|at| if at == axis { *count } else { 1 }).collect())?;
    cx.emit(ops::TileDyn {}, &[x, repeats])
}

/// The scales of the two spatial axes were attributes.
pub(super) fn upsample(cx: &mut NodeCx<'_>) -> Converted {
    let mut scale = |name: &str| cx.attrs.float(name)?.ok_or_else(|| Attributes::<()>::missing(name));
    let (height, width) = (scale("height_scale")?, scale("width_scale")?);
    cx.attrs.insert("scales", AttrValue::Floats(vec![1.0, 1.0, height, width]))?;
    if let Some(mode) = cx.attrs.string("mode")? {
        let mode = if mode == "bilinear" { "linear".to_owned() } else { mode };
        cx.attrs.insert("mode", AttrValue::String(mode.into_bytes()))?;
    }
    resize::upsample(cx)
}
