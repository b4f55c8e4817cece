//! Ops that move, repeat or drop elements.

use super::elementwise::scalar;
use crate::node::{Converted, NodeCx, bad_attribute, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{Composite, ValueId, ops};
use satura_tensor::{DType, Dim, Shape};

/// An i32 or i64 tensor as i64.
pub(super) fn as_i64(cx: &mut NodeCx<'_>, value: ValueId) -> Result<ValueId, Diagnostic> {
    match cx.dtype(value)? {
        DType::I64 => Ok(value),
        DType::I32 => cx.one(ops::Cast { to: DType::I64 }, &[value]),
        other => Err(Diagnostic::error(Code::DType, format!("i32 or i64 is expected, found {other}"))),
    }
}

/// The axes of an op that takes them as an attribute before operator set `since`, and as an input from then on.
pub(super) fn axes(
    cx: &mut NodeCx<'_>,
    input: Option<ValueId>,
    since: i64,
) -> Result<Option<Vec<i64>>, Diagnostic> {
    if cx.version < since {
        if input.is_some() {
            let message = format!("the axes are an input from operator set {since} on only");
            return Err(Diagnostic::error(Code::InputCount, message));
        }
        return cx.attrs.ints("axes");
    }
    input.map(|axes| cx.need_ints(axes, "the axes")).transpose()
}

pub(super) fn reshape(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, shape], []) = cx.args()?;
    let allow_zero = if cx.version >= 14 { cx.attrs.flag("allowzero")?.unwrap_or(false) } else { false };
    cx.emit(ops::ReshapeDyn { allow_zero }, &[x, shape])
}

pub(super) fn flatten(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(1);
    cx.emit(ops::Flatten { axis }, &[x])
}

/// Reverses the axes where no permutation is given.
pub(super) fn transpose(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let perm = match cx.attrs.ints("perm")? {
        Some(perm) => {
            let axis = |p: &i64| {
                usize::try_from(*p).map_err(|_| bad_attribute("perm", format!("axis {p} is negative")))
            };
            perm.iter().map(axis).collect::<Result<_, _>>()?
        }
        None => (0..cx.need_rank(x, "reversing its axes")?).rev().collect(),
    };
    cx.emit(ops::Transpose { perm }, &[x])
}

pub(super) fn concat(cx: &mut NodeCx<'_>) -> Converted {
    let inputs = cx.variadic()?;
    let axis = cx.attrs.int("axis")?.ok_or_else(|| Attributes::<()>::missing("axis"))?;
    cx.emit(ops::Concat { axis }, &inputs)
}

/// Starts, ends and axes are attributes before operator set 10, inputs since, together with steps.
pub(super) fn slice(cx: &mut NodeCx<'_>) -> Converted {
    if cx.version < 10 {
        let ([x], []) = cx.args()?;
        let starts = cx.attrs.ints("starts")?.ok_or_else(|| Attributes::<()>::missing("starts"))?;
        let ends = cx.attrs.ints("ends")?.ok_or_else(|| Attributes::<()>::missing("ends"))?;
        let axes = cx.attrs.ints("axes")?;
        let (starts, ends) = (cx.vector(starts)?, cx.vector(ends)?);
        return cx.emit(ops::SliceDyn { axes, steps: None }, &[x, starts, ends]);
    }
    let ([x, starts, ends], [axes, steps]) = cx.args()?;
    let mut inputs = vec![x, as_i64(cx, starts)?, as_i64(cx, ends)?];
    let mut op = ops::SliceDyn {
        axes: axes.and_then(|axes| cx.ints(axes)),
        steps: steps.and_then(|steps| cx.ints(steps)),
    };
    let late_steps = steps.filter(|_| op.steps.is_none());
    if let Some(axes) = axes.filter(|_| op.axes.is_none() || late_steps.is_some()) {
        op.axes = None;
        inputs.push(as_i64(cx, axes)?);
    }
    if let Some(steps) = late_steps {
        if axes.is_none() {
            let first = first_axes(cx, inputs[1])?;
            inputs.push(first);
        }
        inputs.push(as_i64(cx, steps)?);
    }
    cx.emit(op, &inputs)
}

/// The axes that bounds are of where none are given.
fn first_axes(cx: &mut NodeCx<'_>, starts: ValueId) -> Result<ValueId, Diagnostic> {
    let count = cx.dims_of::<1>(starts, "the starts")?;
    let count = cx.constant_dim(&count[0], "the number of starts")?;
    cx.vector((0..).take(count).collect())
}

const PAD_MODES: &[(&str, ops::PadMode)] = &[
    ("constant", ops::PadMode::Constant),
    ("reflect", ops::PadMode::Reflect),
    ("edge", ops::PadMode::Edge),
    ("wrap", ops::PadMode::Wrap),
];

/// Amounts and value are attributes before operator set 11, inputs since; axes came with 18, `wrap` with 19.
pub(super) fn pad(cx: &mut NodeCx<'_>) -> Converted {
    let modes = if cx.version < 19 { &PAD_MODES[..3] } else { PAD_MODES };
    let mode = cx.attrs.choice("mode", modes)?.unwrap_or(ops::PadMode::Constant);
    if cx.version < 11 {
        let ([x], []) = cx.args()?;
        let pads = cx.attrs.ints("pads")?.ok_or_else(|| Attributes::<()>::missing("pads"))?;
        let value = cx.attrs.float("value")?.unwrap_or(0.0);
        let (pads, value) = (cx.vector(pads)?, cx.scalar_like(x, f64::from(value))?);
        return cx.emit(ops::PadDyn { mode, axes: None }, &[x, pads, value]);
    }
    let ([x, pads], [value, axes]) = cx.args()?;
    if axes.is_some() && cx.version < 18 {
        return Err(Diagnostic::error(
            Code::InputCount,
            "the axes are an input from operator set 18 on only",
        ));
    }
    let axes = axes.map(|axes| cx.need_ints(axes, "the axes")).transpose()?;
    let value = match value {
        Some(value) => scalar(cx, value, "the padding value")?,
        None => cx.scalar_like(x, 0.0)?,
    };
    cx.emit(ops::PadDyn { mode, axes }, &[x, pads, value])
}

pub(super) fn squeeze(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [input]) = cx.args()?;
    let axes = axes(cx, input, 13)?;
    cx.emit(ops::Squeeze { axes }, &[x])
}

pub(super) fn unsqueeze(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [input]) = cx.args()?;
    let axes = axes(cx, input, 13)?;
    let axes = axes.ok_or_else(|| Diagnostic::error(Code::MissingAttribute, "the axes are missing"))?;
    cx.emit(ops::Unsqueeze { axes }, &[x])
}

/// Parts of given sizes (an attribute before operator set 13, an input since), or equal ones: as many as there are outputs, or as `num_outputs` says from 18 on,
/// the last one then being smaller where the extent is no multiple. It is so too where the extent is not known before the model runs.
pub(super) fn split(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [input]) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(0);
    let sizes = if cx.version < 13 { cx.attrs.ints("split")? } else { None };
    if cx.version < 13 && input.is_some() {
        return Err(Diagnostic::error(
            Code::InputCount,
            "the sizes are an input from operator set 13 on only",
        ));
    }
    let sizes = match input {
        Some(sizes) => Some(cx.need_ints(sizes, "the sizes of the parts")?),
        None => sizes,
    };
    let parts = if cx.version >= 18 { cx.attrs.int("num_outputs")? } else { None };
    if sizes.is_some() && parts.is_some() {
        return Err(bad_attribute("num_outputs", "both the number and the sizes of the parts are given"));
    }
    let sizes = match sizes {
        Some(sizes) => sizes,
        None => match equal_parts(cx, x, axis, parts)? {
            Parts::Sizes(sizes) => sizes,
            Parts::Late(count) => return late_parts(cx, x, axis, count),
        },
    };
    if sizes.len() != cx.outputs.len() {
        return Err(Diagnostic::error(
            Code::InputCount,
            format!("{} parts, {} outputs", sizes.len(), cx.outputs.len()),
        ));
    }
    let op = ops::Split { axis, sizes };
    if cx.graph.value(x).known.is_some() {
        // Part of a shape: as slices, whose elements are known too.
        return Ok(op.decompose(cx.graph, &[x])?);
    }
    cx.emit(op, &[x])
}

/// Equal parts: their sizes, or how many they are where the extent is not constant.
enum Parts {
    Sizes(Vec<i64>),
    Late(i64),
}

/// Equal parts of an extent that a run computes.
fn late_parts(cx: &mut NodeCx<'_>, x: ValueId, axis: i64, count: i64) -> Converted {
    let extent =
        cx.one(ops::ShapeOf { start: axis, end: axis.checked_add(1).filter(|end| *end != 0) }, &[x])?;
    let (more, by) = (cx.vector(vec![count - 1])?, cx.vector(vec![count])?);
    let size = cx.add(extent, more)?;
    let size = cx.div(size, by)?;
    let bounds = (0..=count)
        .map(|i| {
            let i = cx.vector(vec![i])?;
            cx.mul(size, i)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let op = ops::SliceDyn { axes: Some(vec![axis]), steps: None };
    bounds.windows(2).map(|bounds| cx.one(op.clone(), &[x, bounds[0], bounds[1]])).collect()
}

fn equal_parts(cx: &NodeCx<'_>, x: ValueId, axis: i64, parts: Option<i64>) -> Result<Parts, Diagnostic> {
    let outputs = cx.outputs.len();
    let wanted = match parts {
        Some(parts) => usize::try_from(parts)
            .ok()
            .filter(|p| *p == outputs)
            .ok_or_else(|| bad_attribute("num_outputs", format!("{parts} parts, but {outputs} outputs")))?,
        None => outputs,
    };
    let count = i64::try_from(wanted).unwrap_or(i64::MAX).max(1);
    let Some(shape) = cx.shape(x) else { return Ok(Parts::Late(count)) };
    let axis = ops::axis_index(axis, shape.len())?;
    let Some(extent) = shape[axis].as_const() else { return Ok(Parts::Late(count)) };
    let size = Dim::from(extent).ceil_div(&Dim::from(count)).as_const().unwrap_or(extent);
    if size * count != extent && parts.is_none() {
        return Err(Diagnostic::error(
            Code::Shape,
            format!("extent {extent} does not split into {count} equal parts"),
        ));
    }
    let last = extent - size * (count - 1);
    if last < 0 {
        return Err(Diagnostic::error(
            Code::Shape,
            format!("extent {extent} does not split into {count} parts of {size}"),
        ));
    }
    Ok(Parts::Sizes((0..count).map(|i| if i + 1 == count { last } else { size }).collect()))
}

pub(super) fn expand(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, shape], []) = cx.args()?;
    cx.emit(ops::BroadcastDyn {}, &[x, shape])
}

pub(super) fn tile(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, repeats], []) = cx.args()?;
    cx.emit(ops::TileDyn {}, &[x, repeats])
}

fn image(cx: &NodeCx<'_>, x: ValueId) -> Result<[Dim; 4], Diagnostic> {
    let shape = cx.shape(x).cloned().unwrap_or_default();
    <[Dim; 4]>::try_from(shape.0)
        .map_err(|_| Diagnostic::error(Code::Shape, "an input of known rank 4 is needed"))
}

fn block_size(cx: &mut NodeCx<'_>) -> Result<Dim, Diagnostic> {
    let size = cx.attrs.int("blocksize")?.ok_or_else(|| Attributes::<()>::missing("blocksize"))?;
    if (1..=i64::from(u16::MAX)).contains(&size) {
        Ok(Dim::from(size))
    } else {
        Err(bad_attribute("blocksize", format!("{size} is out of range")))
    }
}

/// `[N, C*b*b, H, W] -> [N, C, H*b, W*b]`.
pub(super) fn depth_to_space(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let b = block_size(cx)?;
    let columns_first = cx.attrs.choice("mode", &[("DCR", false), ("CRD", true)])?.unwrap_or(false);
    let [n, c, h, w] = image(cx, x)?;
    let blocks = b.clone() * b.clone();
    let channels = c
        .exact_quotient(&blocks)
        .ok_or_else(|| unsupported(format!("{c} channels are no multiple of {blocks}")))?;
    let (inner, perm) = if columns_first {
        (
            vec![n.clone(), channels.clone(), b.clone(), b.clone(), h.clone(), w.clone()],
            vec![0, 1, 4, 2, 5, 3],
        )
    } else {
        (
            vec![n.clone(), b.clone(), b.clone(), channels.clone(), h.clone(), w.clone()],
            vec![0, 3, 4, 1, 5, 2],
        )
    };
    let split = cx.one(ops::Reshape { shape: Shape(inner) }, &[x])?;
    let moved = cx.one(ops::Transpose { perm }, &[split])?;
    cx.emit(ops::Reshape { shape: Shape(vec![n, channels, h * b.clone(), w * b]) }, &[moved])
}

/// `[N, C, H*b, W*b] -> [N, b*b*C, H, W]`; from operator set 28 on the blocks may come after the channels instead.
pub(super) fn space_to_depth(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let b = block_size(cx)?;
    let modes = [("DCR", false), ("CRD", true)];
    let channels_first = if cx.version < 28 { None } else { cx.attrs.choice("mode", &modes)? };
    let perm = if channels_first.unwrap_or(false) { vec![0, 1, 3, 5, 2, 4] } else { vec![0, 3, 5, 1, 2, 4] };
    let [n, c, h, w] = image(cx, x)?;
    let quotient = |d: &Dim| {
        d.exact_quotient(&b).ok_or_else(|| unsupported(format!("extent {d} is no multiple of {b}")))
    };
    let (rows, columns) = (quotient(&h)?, quotient(&w)?);
    let inner = vec![n.clone(), c.clone(), rows.clone(), b.clone(), columns.clone(), b.clone()];
    let split = cx.one(ops::Reshape { shape: Shape(inner) }, &[x])?;
    let moved = cx.one(ops::Transpose { perm }, &[split])?;
    cx.emit(ops::Reshape { shape: Shape(vec![n, c * b.clone() * b, rows, columns]) }, &[moved])
}
