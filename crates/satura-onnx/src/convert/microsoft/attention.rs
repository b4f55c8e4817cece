//! Attention over projections of hidden states: masks that are numbers or lengths, and caches of keys and values.

use super::super::attention::{
    Mask, Offset, Spec, Stages, attend, distance, merge_heads, share_heads, split_heads,
};
use super::super::matmul::product;
use super::super::quantize::{centre, one_or_many};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim, Tensor};

/// What the attributes of all forms say.
pub(super) struct Settings {
    /// The number of heads.
    pub(super) heads: usize,
    scale: Option<f64>,
    /// Added to the scores of keys that the mask hides.
    hidden: f64,
    causal: bool,
}

impl Settings {
    pub(super) fn read(cx: &mut NodeCx<'_>) -> Result<Settings, Diagnostic> {
        let heads = cx.attrs.int("num_heads")?.ok_or_else(|| Attributes::<()>::missing("num_heads"))?;
        Ok(Settings {
            heads: sizes("num_heads", &[heads], 1)?[0],
            scale: cx.attrs.float("scale")?.filter(|scale| *scale != 0.0).map(f64::from),
            hidden: f64::from(cx.attrs.float("mask_filter_value")?.unwrap_or(-10000.0)),
            causal: cx.attrs.flag("unidirectional")?.unwrap_or(false),
        })
    }
}

/// What an attention reads beside queries, keys and values.
#[derive(Default)]
pub(super) struct Around {
    /// Keys and values that come before the others: `[B, H, P, D]` each.
    pub(super) past: Option<[ValueId; 2]>,
    /// Which keys are there, in one of the forms of [`shown_keys`].
    pub(super) mask: Option<ValueId>,
    /// Added to the scores.
    pub(super) bias: Option<ValueId>,
}

/// What an attention gives.
pub(super) struct Attended {
    /// `[B, S, H * Dv]`.
    pub(super) result: ValueId,
    /// All keys and values: `[B, H, T, D]` each.
    pub(super) present: [ValueId; 2],
    /// The scores before softmax, with all that is added to them: `[B, H, S, T]`.
    pub(super) scores: ValueId,
}

/// Attention of `[B, H, S, D]` each.
pub(super) fn run(
    cx: &mut NodeCx<'_>,
    [q, mut k, mut v]: [ValueId; 3],
    around: &Around,
    settings: &Settings,
) -> Result<Attended, Diagnostic> {
    if let Some([past_key, past_value]) = around.past {
        k = cx.concat(&[past_key, k], 2)?;
        v = cx.concat(&[past_value, v], 2)?;
    }
    let [batch, heads, queries, _] = cx.dims_of::<4>(q, "attention")?;
    let [_, _, keys, _] = cx.dims_of::<4>(k, "attention")?;
    let mut seen = Mask::default();
    if let Some(mask) = around.mask {
        let shown = shown_keys(cx, mask, &batch, &keys)?;
        let (zero, least) = (cx.scalar(DType::F32, 0.0)?, cx.scalar(DType::F32, settings.hidden)?);
        let hidden = cx.select(shown, zero, least)?;
        seen.add(cx, hidden)?;
    }
    if let Some(bias) = around.bias {
        let bias = cx.cast(bias, DType::F32)?;
        seen.add(cx, bias)?;
    }
    if settings.causal {
        let offset = around.past.map_or(Offset::Zero, |[key, _]| Offset::Extent(key, 2));
        let distance = distance(cx, &queries, &keys, &offset)?;
        let zero = cx.constant(Tensor::scalar(0i64))?;
        let before = cx.less_equal(zero, distance)?;
        seen.restrict(cx, before)?;
    }
    let (shared_k, shared_v) = (share_heads(cx, k, &heads)?, share_heads(cx, v, &heads)?);
    let spec = Spec { scale: settings.scale, softcap: 0.0, precision: None };
    let stages = attend_wide(cx, [q, shared_k, shared_v], &spec, &seen)?;
    let result = merge_heads(cx, stages.result)?;
    Ok(Attended { result, present: [k, v], scores: stages.masked })
}

/// [`attend`] in f32, whatever the operands are; the result has their type. Masks are f32.
pub(super) fn attend_wide(
    cx: &mut NodeCx<'_>,
    [q, k, v]: [ValueId; 3],
    spec: &Spec,
    mask: &Mask,
) -> Result<Stages, Diagnostic> {
    let to = cx.dtype(q)?;
    let operands = [cx.cast(q, DType::F32)?, cx.cast(k, DType::F32)?, cx.cast(v, DType::F32)?];
    let mut stages = attend(cx, operands, spec, mask)?;
    for stage in
        [&mut stages.scores, &mut stages.capped, &mut stages.masked, &mut stages.weights, &mut stages.result]
    {
        *stage = cx.cast(*stage, to)?;
    }
    Ok(stages)
}

/// Whether each key may be seen, in a shape that broadcasts to `[B, H, S, T]`. The mask has a positive number for each key that may, `[B, T]` or `[B, S, T]`; or it
/// says how many there are, `[B]`, followed, in `[2 B]`, by the position of the first; or it says so and then where sequences begin when they are packed, `[3 B + 2]`.
fn shown_keys(cx: &mut NodeCx<'_>, mask: ValueId, batch: &Dim, keys: &Dim) -> Emitted {
    let dims = cx.dims(mask, "the mask")?;
    match dims.len() {
        1 => {
            let position = cx.iota(DType::I32, vec![keys.clone()], 0)?;
            let column = vec![batch.clone(), Dim::from(1), Dim::from(1), Dim::from(1)];
            let ends = cx.part(mask, 0, Dim::from(0), batch.clone())?;
            let ends = cx.reshape(ends, column.clone())?;
            let shown = cx.less(position, ends)?;
            if dims[0] != batch.clone() * Dim::from(2) {
                return Ok(shown);
            }
            let starts = cx.part(mask, 0, batch.clone(), batch.clone())?;
            let starts = cx.reshape(starts, column)?;
            let begun = cx.less_equal(starts, position)?;
            cx.and(shown, begun)
        }
        2 | 3 => {
            let axes: &[i64] = if dims.len() == 2 { &[1, 2] } else { &[1] };
            let zero = cx.scalar_like(mask, 0.0)?;
            let shown = cx.less(zero, mask)?;
            cx.unsqueeze(shown, axes)
        }
        rank => Err(unsupported(format!("a mask of rank {rank}"))),
    }
}

/// Both values or none.
fn pair(a: Option<ValueId>, b: Option<ValueId>) -> Result<Option<[ValueId; 2]>, Diagnostic> {
    match (a, b) {
        (Some(a), Some(b)) => Ok(Some([a, b])),
        (None, None) => Ok(None),
        _ => Err(Diagnostic::error(Code::InputCount, "past keys and values come together")),
    }
}

/// Refuses what only makes sense where a node writes into its input.
fn own_buffers(cx: &mut NodeCx<'_>) -> Result<(), Diagnostic> {
    match cx.attrs.flag("past_present_share_buffer")?.unwrap_or(false) {
        true => {
            Err(unsupported("a cache that is written in place").at_attribute("past_present_share_buffer"))
        }
        false => Ok(()),
    }
}

/// The extents of queries, keys and values in what projects them all at once: as given, or a third each.
fn projected_sizes(cx: &mut NodeCx<'_>, all: &Dim) -> Result<[usize; 3], Diagnostic> {
    let all = cx.constant_dim(all, "the number of projected features")?;
    let given = cx.attrs.ints("qkv_hidden_sizes")?.filter(|given| !given.is_empty());
    let parts = match given {
        Some(given) => sizes("qkv_hidden_sizes", &given, 1)?,
        None => vec![all / 3; 3],
    };
    match parts[..] {
        [q, k, v] if q.checked_add(k).and_then(|sum| sum.checked_add(v)) == Some(all) => Ok([q, k, v]),
        _ => Err(bad_attribute("qkv_hidden_sizes", format!("{parts:?} of {all} projected features"))),
    }
}

/// Queries, keys and values that lie side by side in the last axis.
fn side_by_side(cx: &mut NodeCx<'_>, all: ValueId, sizes: [usize; 3]) -> Result<[ValueId; 3], Diagnostic> {
    let axis = cx.need_rank(all, "taking it apart")?.saturating_sub(1);
    let mut start = 0;
    let mut part = |size: usize| {
        let part = cx.part(all, axis, Dim::from(start), Dim::from(size));
        start += size;
        part
    };
    Ok([part(sizes[0])?, part(sizes[1])?, part(sizes[2])?])
}

/// One of the two halves of `[2, B, H, P, D]`.
fn half(cx: &mut NodeCx<'_>, past: ValueId, which: usize) -> Emitted {
    let half = cx.part(past, 0, Dim::from(which), Dim::from(1))?;
    cx.squeeze(half, &[0])
}

/// What is left of an attention whose projection is done: `all: [B, S, sizes..]`.
fn projected(
    cx: &mut NodeCx<'_>,
    all: ValueId,
    [mask, past, bias]: [Option<ValueId>; 3],
    settings: &Settings,
) -> Converted {
    let [.., last] = cx.dims_of::<3>(all, "attention")?;
    let sizes = projected_sizes(cx, &last)?;
    let [q, k, v] = side_by_side(cx, all, sizes)?;
    let mut apart = |x| split_heads(cx, x, settings.heads);
    let apart = [apart(q)?, apart(k)?, apart(v)?];
    let past = match past {
        Some(past) => Some([half(cx, past, 0)?, half(cx, past, 1)?]),
        None => None,
    };
    let attended = run(cx, apart, &Around { past, mask, bias }, settings)?;
    let mut outputs = vec![attended.result];
    if cx.outputs.get(1).is_some_and(|name| !name.is_empty()) {
        if sizes[1] != sizes[2] {
            let message = format!("keys of {} features and values of {} in one output", sizes[1], sizes[2]);
            return Err(unsupported(message).at_attribute("qkv_hidden_sizes"));
        }
        let [key, value] = attended.present;
        let halves = [cx.unsqueeze(key, &[0])?, cx.unsqueeze(value, &[0])?];
        outputs.push(cx.concat(&halves, 0)?);
    }
    Ok(outputs)
}

fn no_rotary(cx: &mut NodeCx<'_>) -> Result<(), Diagnostic> {
    cx.attrs.ignore("rotary_embedding_dim");
    match cx.attrs.flag("do_rotary")?.unwrap_or(false) {
        true => Err(unsupported("rotary positions without their angles").at_attribute("do_rotary")),
        false => Ok(()),
    }
}

/// Hidden states, projected by one matrix.
pub(in crate::convert) fn attention(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [bias, mask, past, score_bias, filled]) = cx.args()?;
    if filled.is_some() {
        return Err(unsupported("a cache that is written in place").at_input(6));
    }
    let settings = Settings::read(cx)?;
    own_buffers(cx)?;
    no_rotary(cx)?;
    let mut all = product(cx, x, weights)?[0];
    if let Some(bias) = bias {
        all = cx.add(all, bias)?;
    }
    projected(cx, all, [mask, past, score_bias], &settings)
}

/// Quantised hidden states, projected by one quantised matrix.
pub(in crate::convert) fn quantized(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights, bias, x_scale, w_scale], [mask, x_zero, w_zero, past]) = cx.args()?;
    let settings = Settings::read(cx)?;
    own_buffers(cx)?;
    no_rotary(cx)?;
    let x_zero = x_zero.map(|zero| one_or_many(cx, zero)).transpose()?;
    let w_zero = w_zero.map(|zero| one_or_many(cx, zero)).transpose()?;
    let (x, weights) = (centre(cx, x, x_zero)?, centre(cx, weights, w_zero)?);
    let sums = product(cx, x, weights)?[0];
    let to = cx.dtype(bias)?;
    let sums = cx.cast(sums, to)?;
    let (x_scale, w_scale) = (one_or_many(cx, x_scale)?, one_or_many(cx, w_scale)?);
    let factor = cx.mul(x_scale, w_scale)?;
    let scaled = cx.mul(sums, factor)?;
    let all = cx.add(scaled, bias)?;
    projected(cx, all, [mask, past, None], &settings)
}

/// One of several values that lie between the heads and their features: `[B, S, H, n, D]` as `[B, H, S, D]`.
fn between(cx: &mut NodeCx<'_>, all: ValueId, which: usize) -> Emitted {
    let part = cx.part(all, 3, Dim::from(which), Dim::from(1))?;
    let part = cx.squeeze(part, &[3])?;
    cx.transpose(part, &[0, 2, 1, 3])
}

/// Projections `[B, S, H * D]` with their bias, side by side or each by itself; heads may lie apart already, and then have no bias.
fn heads_of(
    cx: &mut NodeCx<'_>,
    [q, k, v]: [Option<ValueId>; 3],
    bias: Option<ValueId>,
    heads: usize,
) -> Result<[ValueId; 3], Diagnostic> {
    let q = q.ok_or_else(|| Diagnostic::error(Code::InputCount, "the queries are missing").at_input(0))?;
    let missing = |input| Diagnostic::error(Code::InputCount, "keys and values are missing").at_input(input);
    let rank = cx.need_rank(q, "attention")?;
    let no_bias = |form: &str| match bias {
        Some(_) => Err(unsupported(format!("a bias of {form}"))),
        None => Ok(()),
    };
    if rank == 5 {
        no_bias("heads with queries, keys and values together")?;
        return Ok([between(cx, q, 0)?, between(cx, q, 1)?, between(cx, q, 2)?]);
    }
    if k.is_none() {
        // Queries, keys and values side by side.
        let [.., last] = cx.dims_of::<3>(q, "attention")?;
        let sizes = projected_sizes(cx, &last)?;
        let all = match bias {
            Some(bias) => cx.add(q, bias)?,
            None => q,
        };
        let [q, k, v] = side_by_side(cx, all, sizes)?;
        let mut apart = |x| split_heads(cx, x, heads);
        return Ok([apart(q)?, apart(k)?, apart(v)?]);
    }
    let k = k.ok_or_else(|| missing(1))?;
    let [.., width] = cx.dims_of::<3>(q, "the queries")?;
    let key_rank = cx.need_rank(k, "attention")?;
    let own_bias = |cx: &mut NodeCx<'_>, x: ValueId, start: &Dim, size: &Dim| match bias {
        Some(bias) => {
            let part = cx.part(bias, 0, start.clone(), size.clone())?;
            cx.add(x, part)
        }
        None => Ok(x),
    };
    if key_rank == 5 {
        no_bias("heads with keys and values together")?;
        return Ok([split_heads(cx, q, heads)?, between(cx, k, 0)?, between(cx, k, 1)?]);
    }
    let v = v.ok_or_else(|| missing(2))?;
    let zero = Dim::from(0);
    let q = own_bias(cx, q, &zero, &width)?;
    let q = split_heads(cx, q, heads)?;
    if key_rank == 4 {
        return Ok([q, k, v]);
    }
    let [.., key_width] = cx.dims_of::<3>(k, "the keys")?;
    let [.., value_width] = cx.dims_of::<3>(v, "the values")?;
    let k = own_bias(cx, k, &width, &key_width)?;
    let v = own_bias(cx, v, &(width + key_width), &value_width)?;
    Ok([q, split_heads(cx, k, heads)?, split_heads(cx, v, heads)?])
}

/// Queries, keys and values that are projected already.
pub(in crate::convert) fn multi_head(cx: &mut NodeCx<'_>) -> Converted {
    let ([q], [k, v, bias, mask, score_bias, past_key, past_value, filled, beams]) = cx.args()?;
    if filled.is_some() || beams.is_some() {
        return Err(unsupported("a cache that is written in place").at_input(8));
    }
    let settings = Settings::read(cx)?;
    let apart = heads_of(cx, [Some(q), k, v], bias, settings.heads)?;
    let around = Around { past: pair(past_key, past_value)?, mask, bias: score_bias };
    with_caches(cx, apart, &around, &settings)
}

/// One query for each sequence.
pub(in crate::convert) fn decoder_masked(cx: &mut NodeCx<'_>) -> Converted {
    let ([q], [k, v, mask, score_bias, past_key, past_value, filled, width, beams, bias]) = cx.args()?;
    if filled.is_some() || beams.is_some() {
        return Err(unsupported("a cache that is written in place").at_input(7));
    }
    if let Some(width) = width
        && cx.ints(width).as_deref() != Some(&[1])
    {
        return Err(unsupported("a beam wider than 1").at_input(8));
    }
    let settings = Settings::read(cx)?;
    own_buffers(cx)?;
    cx.attrs.ignore("output_qk");
    let apart = heads_of(cx, [Some(q), k, v], bias, settings.heads)?;
    let around = Around { past: pair(past_key, past_value)?, mask, bias: score_bias };
    with_caches(cx, apart, &around, &settings)
}

fn with_caches(cx: &mut NodeCx<'_>, apart: [ValueId; 3], around: &Around, settings: &Settings) -> Converted {
    let Attended { result, present: [key, value], scores } = run(cx, apart, around, settings)?;
    Ok(vec![result, key, value, scores])
}

/// Attention within sequences that lie one after the other, without padding: rows are tokens, `[N, ..]` each.
pub(in crate::convert) fn packed_multi_head(cx: &mut NodeCx<'_>) -> Converted {
    let ([q], [k, v, bias, offsets, ends, score_bias]) = cx.args()?;
    let settings = Settings::read(cx)?;
    let mut rows = |x: Option<ValueId>| x.map(|x| cx.unsqueeze(x, &[0])).transpose();
    let batched = [rows(Some(q))?, rows(k)?, rows(v)?];
    let mut apart = batched;
    let mut bias = bias;
    if let ([Some(together), None, None], Some(4)) = (batched, cx.rank(q)) {
        // Heads with queries, keys and values together; the bias has them one after the other.
        let mut flat = |which| {
            let heads = between(cx, together, which)?;
            merge_heads(cx, heads)
        };
        apart = [Some(flat(0)?), Some(flat(1)?), Some(flat(2)?)];
    }
    let heads = heads_of(cx, apart, bias.take(), settings.heads)?;
    packed(cx, heads, [offsets, ends, score_bias], &settings)
}

/// Hidden states of tokens, projected by one matrix, then as [`packed_multi_head`].
pub(in crate::convert) fn packed_attention(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights, bias], [offsets, ends, score_bias]) = cx.args()?;
    let settings = Settings::read(cx)?;
    let all = product(cx, x, weights)?[0];
    let all = cx.add(all, bias)?;
    let all = cx.unsqueeze(all, &[0])?;
    let heads = heads_of(cx, [Some(all), None, None], None, settings.heads)?;
    packed(cx, heads, [offsets, ends, score_bias], &settings)
}

fn packed(
    cx: &mut NodeCx<'_>,
    [q, k, v]: [ValueId; 3],
    [offsets, ends, score_bias]: [Option<ValueId>; 3],
    settings: &Settings,
) -> Converted {
    let missing =
        |input| Diagnostic::error(Code::InputCount, "where sequences lie is missing").at_input(input);
    let (offsets, ends) = (offsets.ok_or_else(|| missing(4))?, ends.ok_or_else(|| missing(5))?);
    let [_, heads, tokens, _] = cx.dims_of::<4>(q, "attention")?;
    let [_, longest] = cx.dims_of::<2>(offsets, "the places of tokens")?;
    let [count] = cx.dims_of::<1>(ends, "the ends of sequences")?;
    // The sequence of a token: how many have ended at or before it.
    let position = cx.iota(DType::I32, vec![tokens.clone(), Dim::from(1)], 0)?;
    let inner = cx.part(ends, 0, Dim::from(1), count - Dim::from(1))?;
    let ended = cx.less_equal(inner, position)?;
    let ended = cx.cast(ended, DType::I32)?;
    let sequence = cx.reduce(ops::ReduceKind::Sum, ended, Some(&[1]))?;
    let sequence = cx.squeeze(sequence, &[1])?;
    let row = cx.unsqueeze(sequence, &[1])?;
    let together = cx.equal(row, sequence)?;
    let mut seen = Mask { allowed: Some(together), ..Mask::default() };
    if let Some(bias) = score_bias {
        // `[B, H, L, L]` by sequence and by the places of both tokens in it.
        let [sequences, bias_heads, ..] = cx.dims_of::<4>(bias, "what is added to scores")?;
        let starts = cx.one(ops::Gather { axis: 0 }, &[ends, sequence])?;
        let position = cx.reshape(position, vec![tokens.clone()])?;
        let place = cx.sub(position, starts)?;
        let place = cx.cast(place, DType::I64)?;
        let extent = cx.one(ops::ShapeOf { start: 2, end: Some(3) }, &[bias])?;
        let sequence = cx.cast(sequence, DType::I64)?;
        let first = if sequences.is(1) {
            place
        } else {
            let start = cx.mul(sequence, extent)?;
            cx.add(start, place)?
        };
        let first = cx.mul(first, extent)?;
        let first = cx.unsqueeze(first, &[1])?;
        let at = cx.add(first, place)?;
        let rows = cx.transpose(bias, &[0, 2, 3, 1])?;
        let flat = sequences * longest.clone() * longest;
        let rows = cx.reshape(rows, vec![flat, bias_heads])?;
        let found = cx.one(ops::Gather { axis: 0 }, &[rows, at])?;
        let found = cx.transpose(found, &[2, 0, 1])?;
        let found = cx.unsqueeze(found, &[0])?;
        let found = cx.cast(found, DType::F32)?;
        seen.add(cx, found)?;
    }
    let (k, v) = (share_heads(cx, k, &heads)?, share_heads(cx, v, &heads)?);
    let spec = Spec { scale: settings.scale, softcap: 0.0, precision: None };
    let stages = attend_wide(cx, [q, k, v], &spec, &seen)?;
    let merged = merge_heads(cx, stages.result)?;
    Ok(vec![cx.squeeze(merged, &[0])?])
}
