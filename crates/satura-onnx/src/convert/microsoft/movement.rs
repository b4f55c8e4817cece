//! Ops that take, move or repeat elements, and crops of images.

use super::super::state::causal;
use super::super::{constant, movement};
use super::as_standard;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ReduceKind};
use satura_tensor::{DType, Dim, Tensor};

/// A new axis, whose place is an input.
pub(in crate::convert) fn expand_dims(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, axis], []) = cx.args()?;
    let axes = cx.need_ints(axis, "the axis")?;
    Ok(vec![cx.unsqueeze(x, &axes)?])
}

/// As the standard op, with a step of 1 where none is given.
pub(in crate::convert) fn range(cx: &mut NodeCx<'_>) -> Converted {
    let ([start, limit], [step]) = cx.args()?;
    let step = match step {
        Some(step) => step,
        None => cx.scalar_like(start, 1.0)?,
    };
    cx.inputs = vec![Some(start), Some(limit), Some(step)];
    as_standard(cx, 11, constant::range)
}

/// As the standard op; the amounts may be a matrix of one row.
pub(in crate::convert) fn pad(cx: &mut NodeCx<'_>) -> Converted {
    let ([_, pads], [_]) = cx.args()?;
    if cx.rank(pads) == Some(2) {
        cx.inputs[1] = Some(cx.squeeze(pads, &[0])?);
    }
    as_standard(cx, 11, movement::pad)
}

/// Parts of an axis that follow each other at a fixed distance; they become a new last axis.
pub(in crate::convert) fn unfold(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let dims = cx.dims(x, "taking parts of it")?;
    let axis = ops::axis_index(cx.attrs.int("dim")?.unwrap_or(-1), dims.len())?;
    let size = cx.attrs.int("size")?.ok_or_else(|| Attributes::<()>::missing("size"))?;
    let (size, step) = (sizes("size", &[size], 1)?[0], cx.attrs.int("step")?.unwrap_or(1));
    let step = sizes("step", &[step], 1)?[0];
    let (size, step) = (Dim::from(size), Dim::from(step));
    let parts = (dims[axis].clone() - size.clone()).floor_div(&step) + Dim::from(1);
    let starts = cx.iota(DType::I64, vec![parts, Dim::from(1)], 0)?;
    let starts = cx.scale(starts, step.as_const().unwrap_or(1) as f64)?;
    let offsets = cx.iota(DType::I64, vec![size], 0)?;
    let at = cx.add(starts, offsets)?;
    let taken = cx.one(ops::Gather { axis: i64::try_from(axis).unwrap_or(i64::MAX) }, &[x, at])?;
    let perm: Vec<usize> = (0..=axis).chain(axis + 2..dims.len() + 1).chain([axis + 1]).collect();
    Ok(vec![cx.transpose(taken, &perm)?])
}

/// The elements, each once, in the order of first occurrence; for each element its place among them; how often each occurs.
pub(in crate::convert) fn unique(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let found = cx.emit(ops::Unique { axis: None, sorted: false }, &[x])?;
    Ok(vec![found[0], found[2], found[3]])
}

/// Rows of a table. What else there is matters to gradients only.
pub(in crate::convert) fn embedding(cx: &mut NodeCx<'_>) -> Converted {
    let ([table, at], [_padding, _by_frequency]) = cx.args()?;
    cx.emit(ops::Gather { axis: 0 }, &[table, at])
}

/// Scores of words, minus infinity for each word that would end a run of `ngram_size` words that was there before.
pub(in crate::convert) fn no_repeats(cx: &mut NodeCx<'_>) -> Converted {
    let ([words, scores], []) = cx.args()?;
    let run = cx.attrs.int("ngram_size")?.ok_or_else(|| Attributes::<()>::missing("ngram_size"))?;
    let run = sizes("ngram_size", &[run], 1)?[0];
    let [_, length] = cx.dims_of::<2>(words, "words")?;
    let length = cx.constant_dim(&length, "the number of words")?;
    let [_, known] = cx.dims_of::<2>(scores, "scores of words")?;
    let Some(places) = (length + 1).checked_sub(run).filter(|places| *places > 0) else {
        return Ok(vec![scores]);
    };
    // Whether the last words are those at each place but one.
    let mut same: Option<ValueId> = None;
    for offset in 0..run - 1 {
        let there = cx.part(words, 1, Dim::from(offset), Dim::from(places))?;
        let last = cx.part(words, 1, Dim::from(length + 1 - run + offset), Dim::from(1))?;
        let equal = cx.equal(there, last)?;
        same = Some(match same {
            Some(same) => cx.and(same, equal)?,
            None => equal,
        });
    }
    let next = cx.part(words, 1, Dim::from(run - 1), Dim::from(places))?;
    let next = cx.cast(next, DType::I64)?;
    let next = cx.unsqueeze(next, &[2])?;
    let word = cx.iota(DType::I64, vec![known], 0)?;
    let mut hit = cx.equal(next, word)?;
    if let Some(same) = same {
        let same = cx.unsqueeze(same, &[2])?;
        hit = cx.and(hit, same)?;
    }
    let banned = cx.reduce(ReduceKind::Max, hit, Some(&[1]))?;
    let banned = cx.squeeze(banned, &[1])?;
    let never = cx.scalar_like(scores, f64::NEG_INFINITY)?;
    Ok(vec![cx.select(banned, never, scores)?])
}

/// Parts of images between corners, `[R, 4]` from 0 to 1 as `[y1, x1, y2, x2]`, resized to one size with the corners aligned.
pub(in crate::convert) fn crop_and_resize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, corners, images, size], []) = cx.args()?;
    let outside = f64::from(cx.attrs.float("extrapolation_value")?.unwrap_or(0.0));
    let nearest = cx.attrs.choice("mode", &[("bilinear", false), ("nearest", true)])?.unwrap_or(false);
    let [height, width] = cx.need_ints(size, "the size")?[..] else {
        return Err(Diagnostic::error(Code::Shape, "the size must be two numbers").at_input(3));
    };
    let [.., rows, columns] = cx.dims_of::<4>(x, "images")?;
    let (rows, columns) = (cx.constant_dim(&rows, "the height")?, cx.constant_dim(&columns, "the width")?);
    let [down, across] = [
        Grid { from: 0, to: 2, extent: rows, count: sizes("crop_size", &[height], 1)?[0] },
        Grid { from: 1, to: 3, extent: columns, count: sizes("crop_size", &[width], 1)?[0] },
    ];
    let ([down, y_inside], [across, x_inside]) =
        (down.weights(cx, corners, nearest)?, across.weights(cx, corners, nearest)?);
    let taken = cx.one(ops::Gather { axis: 0 }, &[x, images])?;
    let to = cx.dtype(taken)?;
    let taken = cx.cast(taken, DType::F32)?;
    let down = cx.unsqueeze(down, &[1])?;
    let across = cx.transpose(across, &[0, 2, 1])?;
    let across = cx.unsqueeze(across, &[1])?;
    let lines = cx.matmul(down, taken)?;
    let sampled = cx.matmul(lines, across)?;
    let (y_inside, x_inside) = (cx.unsqueeze(y_inside, &[1, 3])?, cx.unsqueeze(x_inside, &[1, 2])?);
    let inside = cx.and(y_inside, x_inside)?;
    let fill = cx.scalar(DType::F32, outside)?;
    let result = cx.select(inside, sampled, fill)?;
    Ok(vec![cx.cast(result, to)?])
}

/// Positions along one axis of a crop.
struct Grid {
    /// Which numbers of a crop are its first and last position.
    from: usize,
    to: usize,
    /// The axis of the image.
    extent: usize,
    /// The axis of the result.
    count: usize,
}

impl Grid {
    /// How much each element along the axis counts at each position, `[R, count, extent]`, and which positions are within the image, `[R, count]`.
    fn weights(
        &self,
        cx: &mut NodeCx<'_>,
        corners: ValueId,
        nearest: bool,
    ) -> Result<[ValueId; 2], Diagnostic> {
        let Some(last) = self.extent.checked_sub(1) else {
            return Err(bad_attribute("crop_size", "the image is empty"));
        };
        let last = last as f64;
        let end = |cx: &mut NodeCx<'_>, which: usize| -> Emitted {
            let part = cx.part(corners, 1, Dim::from(which), Dim::from(1))?;
            let part = cx.cast(part, DType::F32)?;
            cx.scale(part, last)
        };
        let (start, stop) = (end(cx, self.from)?, end(cx, self.to)?);
        let at = if self.count == 1 {
            let sum = cx.add(start, stop)?;
            cx.scale(sum, 0.5)?
        } else {
            let span = cx.sub(stop, start)?;
            let step = cx.scalar(DType::F32, (self.count - 1) as f64)?;
            let step = cx.div(span, step)?;
            let position = cx.iota(DType::I64, vec![Dim::from(self.count)], 0)?;
            let steps = cx.cast(position, DType::F32)?;
            let moved = cx.mul(steps, step)?;
            let at = cx.add(start, moved)?;
            // The last one is the corner itself, free of rounding.
            let end = cx.constant(Tensor::scalar(i64::try_from(self.count - 1).unwrap_or(i64::MAX)))?;
            let is_end = cx.equal(position, end)?;
            cx.select(is_end, stop, at)?
        };
        let (zero, most) = (cx.scalar(DType::F32, 0.0)?, cx.scalar(DType::F32, last)?);
        let (above, below) = (cx.less_equal(zero, at)?, cx.less_equal(at, most)?);
        let inside = cx.and(above, below)?;
        let element = cx.iota(DType::I64, vec![Dim::from(self.extent)], 0)?;
        let element = cx.cast(element, DType::F32)?;
        let column = cx.unsqueeze(at, &[2])?;
        if nearest {
            // Halves go up.
            let raised = cx.add_scalar(column, 0.5)?;
            let nearest = cx.map(ops::Floor {}, raised)?;
            let hit = cx.equal(nearest, element)?;
            return Ok([cx.cast(hit, DType::F32)?, inside]);
        }
        let distance = cx.sub(column, element)?;
        let distance = cx.map(ops::Abs {}, distance)?;
        let one = cx.scalar(DType::F32, 1.0)?;
        let weight = cx.sub(one, distance)?;
        Ok([cx.max(weight, zero)?, inside])
    }
}

/// A causal convolution, as the standard op, with taps that may be apart and channels that may come last.
pub(in crate::convert) fn causal_convolution(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [bias, past]) = cx.args()?;
    let dilation = sizes("dilation", &[cx.attrs.int("dilation")?.unwrap_or(1)], 1)?[0];
    for (name, usual) in [
        ("ndim", 1),
        ("state_window", 0),
        ("state_update_capacity", 0),
        ("state_channels_last", -1),
        ("state_length", 0),
        ("input_channel_offset", 0),
        ("input_channels", 0),
    ] {
        if let Some(value) = cx.attrs.int(name)?.filter(|value| *value != usual) {
            return Err(unsupported(format!("{value}")).at_attribute(name));
        }
    }
    if !cx.attrs.flag("channels_last")?.unwrap_or(false) {
        return causal(cx, [x, weights], bias, past, dilation);
    }
    let moved = cx.transpose(x, &[0, 2, 1])?;
    let past = past.map(|past| cx.transpose(past, &[0, 2, 1])).transpose()?;
    let outputs = causal(cx, [moved, weights], bias, past, dilation)?;
    outputs.into_iter().map(|output| cx.transpose(output, &[0, 2, 1])).collect()
}

/// What fades and what renews the state of linear attention: `scale * softplus(a + bias)`, and `sigmoid(b)`.
pub(in crate::convert) fn attention_gate(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, bias, scale], [b]) = cx.args()?;
    let to = cx.dtype(a)?;
    let wide = cx.cast(a, DType::F32)?;
    let sum = cx.add(wide, bias)?;
    let smooth = cx.one(ops::Softplus {}, &[sum])?;
    let decay = cx.mul(smooth, scale)?;
    let mut outputs = vec![cx.cast(decay, to)?];
    if let Some(b) = b {
        let wide = cx.cast(b, DType::F32)?;
        let rate = cx.map(ops::Sigmoid {}, wide)?;
        outputs.push(cx.cast(rate, to)?);
    }
    Ok(outputs)
}
