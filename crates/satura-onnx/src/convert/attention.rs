//! Attention: products of queries and keys, masked, through softmax, times values. With what belongs around it: heads, caches, rotary positions.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use crate::types;
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops::{self, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim};

/// What one attention computes, beside its operands.
pub(super) struct Spec {
    /// The factor of the scores; `None` is `1 / sqrt(head size)`.
    pub(super) scale: Option<f64>,
    /// Scores are bent to stay within plus and minus this; 0 for no bound.
    pub(super) softcap: f64,
    /// The dtype of the softmax; `None` is that of the queries.
    pub(super) precision: Option<DType>,
}

/// What a query may see.
#[derive(Default)]
pub(super) struct Mask {
    /// True where a key may be seen; broadcasts to the scores.
    pub(super) allowed: Option<ValueId>,
    /// Added to the scores; broadcasts to them.
    pub(super) bias: Option<ValueId>,
    /// Whether a query may be left without any key: its row is 0 then.
    pub(super) may_be_empty: bool,
    /// The score of one more key, of no value; broadcasts to `[B, H, S, 1]`.
    pub(super) sink: Option<ValueId>,
}

impl Mask {
    /// Only what another condition allows too.
    pub(super) fn restrict(&mut self, cx: &mut NodeCx<'_>, condition: ValueId) -> Result<(), Diagnostic> {
        self.allowed = Some(match self.allowed {
            Some(allowed) => cx.and(allowed, condition)?,
            None => condition,
        });
        Ok(())
    }

    /// Something more that is added.
    pub(super) fn add(&mut self, cx: &mut NodeCx<'_>, bias: ValueId) -> Result<(), Diagnostic> {
        self.bias = Some(match self.bias {
            Some(other) => cx.add(other, bias)?,
            None => bias,
        });
        Ok(())
    }
}

/// The stages of an attention.
pub(super) struct Stages {
    /// `[B, H, S, T]`: products of queries and keys.
    pub(super) scores: ValueId,
    /// After the soft bound.
    pub(super) capped: ValueId,
    /// With the mask.
    pub(super) masked: ValueId,
    /// After softmax.
    pub(super) weights: ValueId,
    /// `[B, H, S, Dv]`.
    pub(super) result: ValueId,
}

/// `softmax(softcap(q k^T * scale) + mask) v` for `q: [B, H, S, D]`, `k: [B, H, T, D]`, `v: [B, H, T, Dv]`.
pub(super) fn attend(
    cx: &mut NodeCx<'_>,
    [q, k, v]: [ValueId; 3],
    spec: &Spec,
    mask: &Mask,
) -> Result<Stages, Diagnostic> {
    let dtype = cx.dtype(q)?;
    let scale = match spec.scale {
        Some(scale) => scale,
        None => {
            let [.., size] = cx.dims_of::<4>(q, "attention")?;
            1.0 / (cx.constant_dim(&size, "the size of a head")?.max(1) as f64).sqrt()
        }
    };
    if scale < 0.0 {
        return Err(bad_attribute("scale", "the factor is negative"));
    }
    // Each side takes the root, so that neither leaves the range of a small float.
    let (q, k) = (cx.scale(q, scale.sqrt())?, cx.scale(k, scale.sqrt())?);
    let keys = cx.transpose(k, &[0, 1, 3, 2])?;
    let scores = cx.matmul(q, keys)?;
    let capped = soft_bound(cx, scores, spec.softcap)?;
    let mut masked = match mask.bias {
        Some(bias) => cx.add(capped, bias)?,
        None => capped,
    };
    let least = cx.scalar(dtype, f64::NEG_INFINITY)?;
    if let Some(allowed) = mask.allowed {
        masked = cx.select(allowed, masked, least)?;
    }
    let exact = cx.cast(masked, spec.precision.unwrap_or(dtype))?;
    let mut weights = match mask.sink {
        Some(sink) => softmax_with_sink(cx, exact, sink)?,
        None => cx.one(Op::from(ops::Softmax { axis: -1 }), &[exact])?,
    };
    weights = cx.cast(weights, dtype)?;
    if mask.may_be_empty
        && let Some(empty) = empty_rows(cx, mask, least)?
    {
        let zero = cx.scalar(dtype, 0.0)?;
        weights = cx.select(empty, zero, weights)?;
    }
    let result = cx.matmul(weights, v)?;
    Ok(Stages { scores, capped, masked, weights, result })
}

/// Softmax of `[B, H, S, T]` along its last axis as if that had one more element.
fn softmax_with_sink(cx: &mut NodeCx<'_>, x: ValueId, sink: ValueId) -> Emitted {
    let [batch, heads, queries, keys] = cx.dims_of::<4>(x, "attention")?;
    let sink = cx.cast(sink, cx.dtype(x)?)?;
    let column = cx.broadcast(sink, vec![batch, heads, queries, Dim::from(1)])?;
    let wider = cx.concat(&[x, column], 3)?;
    let weights = cx.one(Op::from(ops::Softmax { axis: -1 }), &[wider])?;
    cx.part(weights, 3, Dim::from(0), keys)
}

/// `cap * tanh(x / cap)`; `x` for a cap of 0.
fn soft_bound(cx: &mut NodeCx<'_>, x: ValueId, cap: f64) -> Emitted {
    if cap == 0.0 {
        return Ok(x);
    }
    if cap < 0.0 {
        return Err(bad_attribute("softcap", "the bound is negative"));
    }
    let bound = cx.scalar_like(x, cap)?;
    let ratio = cx.div(x, bound)?;
    let bent = cx.map(ops::Tanh {}, ratio)?;
    cx.mul(bent, bound)
}

/// Whether the mask leaves a query no key, for each query.
fn empty_rows(cx: &mut NodeCx<'_>, mask: &Mask, least: ValueId) -> Result<Option<ValueId>, Diagnostic> {
    let bias = match (mask.allowed, mask.bias) {
        (None, None) => return Ok(None),
        (Some(allowed), None) => {
            let any = cx.reduce(ReduceKind::Max, allowed, Some(&[-1]))?;
            return cx.map(ops::Not {}, any).map(Some);
        }
        (Some(allowed), Some(bias)) => cx.select(allowed, bias, least)?,
        (None, Some(bias)) => bias,
    };
    let greatest = cx.reduce(ReduceKind::Max, bias, Some(&[-1]))?;
    cx.equal(greatest, least).map(Some)
}

/// `[B, S, H * D]` as `[B, H, S, D]`.
pub(super) fn split_heads(cx: &mut NodeCx<'_>, x: ValueId, heads: usize) -> Emitted {
    let [batch, length, hidden] = cx.dims_of::<3>(x, "splitting into heads")?;
    let heads = Dim::from(heads);
    let size = match hidden.as_const().zip(heads.as_const()) {
        Some((hidden, heads)) if heads == 0 || hidden % heads != 0 => {
            let message = format!("{hidden} features do not split into {heads} heads");
            return Err(Diagnostic::error(Code::Shape, message));
        }
        _ => hidden.floor_div(&heads),
    };
    let apart = cx.reshape(x, vec![batch, length, heads, size])?;
    cx.transpose(apart, &[0, 2, 1, 3])
}

/// `[B, H, S, D]` as `[B, S, H * D]`.
pub(super) fn merge_heads(cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
    let [batch, heads, length, size] = cx.dims_of::<4>(x, "merging heads")?;
    let rows = cx.transpose(x, &[0, 2, 1, 3])?;
    cx.reshape(rows, vec![batch, length, heads * size])
}

/// Heads of keys or values that several heads of queries share: `[B, H, T, D]` as `[B, wanted, T, D]`, each head repeated in place.
pub(super) fn share_heads(cx: &mut NodeCx<'_>, x: ValueId, wanted: &Dim) -> Emitted {
    let [batch, heads, length, size] = cx.dims_of::<4>(x, "sharing heads")?;
    if heads == *wanted {
        return Ok(x);
    }
    let (have, want) = (
        cx.constant_dim(&heads, "the number of key heads")?,
        cx.constant_dim(wanted, "the number of query heads")?,
    );
    if have == 0 || want % have != 0 {
        let message = format!("{want} heads of queries do not share {have} heads of keys");
        return Err(Diagnostic::error(Code::Shape, message));
    }
    let apart = cx.unsqueeze(x, &[2])?;
    let times = Dim::from(want / have);
    let repeated = cx.broadcast(apart, vec![batch.clone(), heads, times, length.clone(), size.clone()])?;
    cx.reshape(repeated, vec![batch, wanted.clone(), length, size])
}

/// How many keys come before the first query.
pub(super) enum Offset {
    /// None.
    Zero,
    /// As many as this axis of this value is long.
    Extent(ValueId, i64),
    /// `[B, 1, 1, 1]`, i64.
    PerBatch(ValueId),
}

/// The position of each query minus that of each key: `[S, T]`, or `[B, 1, S, T]`.
pub(super) fn distance(cx: &mut NodeCx<'_>, queries: &Dim, keys: &Dim, offset: &Offset) -> Emitted {
    let shape = vec![queries.clone(), keys.clone()];
    let (row, column) = (cx.iota(DType::I64, shape.clone(), 0)?, cx.iota(DType::I64, shape, 1)?);
    let distance = cx.sub(row, column)?;
    match offset {
        Offset::Zero => Ok(distance),
        Offset::Extent(of, axis) => {
            let extent = cx.one(ops::ShapeOf { start: *axis, end: Some(*axis + 1) }, &[*of])?;
            cx.add(distance, extent)
        }
        Offset::PerBatch(offset) => cx.add(distance, *offset),
    }
}

/// The number of heads in an attribute.
fn heads(cx: &mut NodeCx<'_>, name: &str) -> Result<Option<usize>, Diagnostic> {
    match cx.attrs.int(name)? {
        None => Ok(None),
        Some(count) => Ok(Some(sizes(name, &[count], 1)?[0])),
    }
}

/// The standard op: heads apart or side by side, with a cache inside or outside, and every kind of mask.
pub(super) fn attention(cx: &mut NodeCx<'_>) -> Converted {
    let ([q, k, v], [mask, past_key, past_value, filled]) = cx.args()?;
    let causal = cx.attrs.flag("is_causal")?.unwrap_or(false);
    let (q_heads, kv_heads) = (heads(cx, "q_num_heads")?, heads(cx, "kv_num_heads")?);
    let scale = cx.attrs.float("scale")?.map(f64::from);
    let softcap = f64::from(cx.attrs.float("softcap")?.unwrap_or(0.0));
    let mode = cx.attrs.int("qk_matmul_output_mode")?.unwrap_or(0);
    let precision = match cx.attrs.int("softmax_precision")? {
        None | Some(0) => None,
        Some(number) => Some(types::dtype(number).map_err(|error| error.at_attribute("softmax_precision"))?),
    };
    let mut window = [-1, -1];
    if cx.version >= 25 {
        for (side, name) in window.iter_mut().zip(["left_window_size", "right_window_size"]) {
            *side = cx.attrs.int(name)?.unwrap_or(-1);
            if *side < -1 {
                return Err(bad_attribute(name, "-1 or more is expected"));
            }
        }
    }
    if past_key.is_some() != past_value.is_some() {
        return Err(Diagnostic::error(Code::InputCount, "past keys and values come together"));
    }
    if past_key.is_some() && filled.is_some() {
        return Err(unsupported("a cache inside and one outside at once"));
    }
    let flat = cx.need_rank(q, "attention")? == 3;
    let (mut q, mut k, mut v) = (q, k, v);
    if flat {
        let missing = |name: &str| Attributes::<()>::missing(name);
        let q_heads = q_heads.ok_or_else(|| missing("q_num_heads"))?;
        let kv_heads = kv_heads.ok_or_else(|| missing("kv_num_heads"))?;
        q = split_heads(cx, q, q_heads)?;
        k = split_heads(cx, k, kv_heads)?;
        v = split_heads(cx, v, kv_heads)?;
    }
    if let (Some(past_key), Some(past_value)) = (past_key, past_value) {
        k = cx.concat(&[past_key, k], 2)?;
        v = cx.concat(&[past_value, v], 2)?;
    }
    let (present_key, present_value) = (k, v);
    let [_, q_heads, queries, _] = cx.dims_of::<4>(q, "attention")?;
    let [_, _, keys, _] = cx.dims_of::<4>(k, "attention")?;
    let offset = match (past_key, filled) {
        (Some(past_key), _) => Offset::Extent(past_key, 2),
        (None, Some(filled)) => {
            let [batch] = cx.dims_of::<1>(filled, "the lengths of the cache")?;
            let filled = cx.cast(filled, DType::I64)?;
            let apart = cx.reshape(filled, vec![batch, Dim::from(1), Dim::from(1), Dim::from(1)])?;
            let length = cx.one(ops::ShapeOf { start: 2, end: Some(3) }, &[q])?;
            Offset::PerBatch(cx.sub(apart, length)?)
        }
        (None, None) => Offset::Zero,
    };
    let mut seen = Mask { may_be_empty: mask.is_some() || filled.is_some(), ..Mask::default() };
    if let Some(mask) = mask {
        given_mask(cx, &mut seen, mask, &keys, q)?;
    }
    let [left, right] = window;
    if causal || left >= 0 || right >= 0 {
        seen.may_be_empty |= left >= 0 || right >= 0;
        let distance = distance(cx, &queries, &keys, &offset)?;
        let mut at_least = |cx: &mut NodeCx<'_>, least: i64| {
            let least = cx.constant(satura_tensor::Tensor::scalar(least))?;
            let inside = cx.less_equal(least, distance)?;
            seen.restrict(cx, inside)
        };
        if causal {
            at_least(cx, 0)?;
        }
        if right >= 0 {
            at_least(cx, right.saturating_neg())?;
        }
        if left >= 0 {
            let most = cx.constant(satura_tensor::Tensor::scalar(left))?;
            let inside = cx.less_equal(distance, most)?;
            seen.restrict(cx, inside)?;
        }
    }
    if let Some(filled) = filled {
        let [batch] = cx.dims_of::<1>(filled, "the lengths of the cache")?;
        let filled = cx.cast(filled, DType::I64)?;
        let lengths = cx.reshape(filled, vec![batch, Dim::from(1), Dim::from(1), Dim::from(1)])?;
        let position = cx.iota(DType::I64, vec![keys.clone()], 0)?;
        let inside = cx.less(position, lengths)?;
        seen.restrict(cx, inside)?;
    }
    let (k, v) = (share_heads(cx, k, &q_heads)?, share_heads(cx, v, &q_heads)?);
    let stages = attend(cx, [q, k, v], &Spec { scale, softcap, precision }, &seen)?;
    let result = if flat { merge_heads(cx, stages.result)? } else { stages.result };
    let shown = match mode {
        0 => stages.scores,
        1 => stages.capped,
        2 => stages.masked,
        3 => stages.weights,
        _ => return Err(bad_attribute("qk_matmul_output_mode", format!("{mode} is not one of 0 to 3"))),
    };
    Ok(vec![result, present_key, present_value, shown])
}

/// Takes a mask that a model gives: bools are conditions, numbers are added. Keys beyond its end are not seen.
fn given_mask(
    cx: &mut NodeCx<'_>,
    seen: &mut Mask,
    mask: ValueId,
    keys: &Dim,
    q: ValueId,
) -> Result<(), Diagnostic> {
    let dims = cx.dims(mask, "the mask")?;
    let Some(last) = dims.last() else {
        return Err(Diagnostic::error(Code::Shape, "the mask is a scalar").at_input(3));
    };
    let boolean = cx.dtype(mask)? == DType::Bool;
    let mut mask = if boolean { mask } else { cx.cast(mask, cx.dtype(q)?)? };
    let more = keys.clone() - last.clone();
    let unequal = more.as_const().map_or(!last.is(1), |more| more > 0 && !last.is(1));
    if unequal && !more.is(0) {
        let fill = if boolean {
            cx.constant(satura_tensor::Tensor::from_bools(&[false], &[]))?
        } else {
            cx.scalar_like(mask, f64::NEG_INFINITY)?
        };
        let low = vec![Dim::from(0); dims.len()];
        let mut high = low.clone();
        if let Some(high) = high.last_mut() {
            *high = more.maximum(&Dim::from(0));
        }
        mask = cx.one(ops::Pad { low, high }, &[mask, fill])?;
    }
    if boolean { seen.restrict(cx, mask) } else { seen.add(cx, mask) }
}

/// Turns pairs of features by an angle that grows with the position. `[B, H, S, D]`, or `[B, S, H * D]` with `num_heads`.
pub(super) fn rotary_embedding(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, cos, sin], [positions]) = cx.args()?;
    let interleaved = cx.attrs.flag("interleaved")?.unwrap_or(false);
    let count = cx.attrs.int("num_heads")?.unwrap_or(0);
    let turned = cx.attrs.int("rotary_embedding_dim")?.unwrap_or(0);
    let turned = sizes("rotary_embedding_dim", &[turned], 0)?[0];
    let flat = cx.need_rank(x, "rotary positions")? == 3;
    let apart = if flat {
        let count = sizes("num_heads", &[count], 0)?[0];
        if count == 0 {
            return Err(Attributes::<()>::missing("num_heads"));
        }
        split_heads(cx, x, count)?
    } else {
        x
    };
    let table = |cx: &mut NodeCx<'_>, table: ValueId| match positions {
        Some(positions) => cx.one(ops::Gather { axis: 0 }, &[table, positions]),
        None => Ok(table),
    };
    let (cos, sin) = (table(cx, cos)?, table(cx, sin)?);
    let (cos, sin) = (cx.unsqueeze(cos, &[1])?, cx.unsqueeze(sin, &[1])?);
    let result = rotate(cx, apart, [cos, sin], turned, interleaved)?;
    Ok(vec![if flat { merge_heads(cx, result)? } else { result }])
}

/// Turns the first `turned` features (all for 0) of `x: [B, H, S, D]` by angles whose cosine and sine are `[B, 1, S, turned / 2]`: pairs are neighbours, or lie half of them apart.
pub(super) fn rotate(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    [cos, sin]: [ValueId; 2],
    turned: usize,
    interleaved: bool,
) -> Emitted {
    let [batch, heads, length, size] = cx.dims_of::<4>(x, "rotary positions")?;
    let size = cx.constant_dim(&size, "the size of a head")?;
    let turned = if turned == 0 { size } else { turned };
    if turned > size || turned % 2 == 1 {
        return Err(bad_attribute("rotary_embedding_dim", format!("{turned} of {size} features")));
    }
    let half = turned / 2;
    let (first, second) = if interleaved {
        (cx.steps(x, 3, Dim::from(0), Dim::from(half), 2)?, cx.steps(x, 3, Dim::from(1), Dim::from(half), 2)?)
    } else {
        (cx.part(x, 3, Dim::from(0), Dim::from(half))?, cx.part(x, 3, Dim::from(half), Dim::from(half))?)
    };
    let real = (cx.mul(cos, first)?, cx.mul(sin, second)?);
    let real = cx.sub(real.0, real.1)?;
    let imaginary = (cx.mul(sin, first)?, cx.mul(cos, second)?);
    let imaginary = cx.add(imaginary.0, imaginary.1)?;
    let mut parts = if interleaved {
        let pair = [cx.unsqueeze(real, &[-1])?, cx.unsqueeze(imaginary, &[-1])?];
        let pairs = cx.concat(&pair, 4)?;
        vec![cx.reshape(pairs, vec![batch, heads, length, Dim::from(turned)])?]
    } else {
        vec![real, imaginary]
    };
    if turned < size {
        parts.push(cx.part(x, 3, Dim::from(turned), Dim::from(size - turned))?);
    }
    cx.concat(&parts, 3)
}

/// A cache into which an update is written along an axis, for each batch from its own position on; past the end it goes on at the start if the cache is circular.
pub(super) fn tensor_scatter(cx: &mut NodeCx<'_>) -> Converted {
    let ([cache, update], [positions]) = cx.args()?;
    let circular = cx.attrs.choice("mode", &[("linear", false), ("circular", true)])?.unwrap_or(false);
    let axis = cx.attrs.int("axis")?.unwrap_or(-2);
    let dims = cx.dims(cache, "writing into it")?;
    let axis = ops::axis_index(axis, dims.len())?;
    if axis == 0 {
        return Err(bad_attribute("axis", "the axis of the batch cannot be written along"));
    }
    let written = cx.dims(update, "writing it")?;
    let mut index = cx.iota(DType::I64, written.clone(), axis)?;
    if let Some(positions) = positions {
        let mut shape = vec![Dim::from(1); dims.len()];
        shape[0] = written[0].clone();
        let positions = cx.cast(positions, DType::I64)?;
        let positions = cx.reshape(positions, shape)?;
        index = cx.add(index, positions)?;
    }
    if circular {
        let at = i64::try_from(axis).unwrap_or(i64::MAX);
        let length = cx.one(ops::ShapeOf { start: at, end: Some(at + 1) }, &[cache])?;
        index = cx.one(ops::Rem { kind: ops::RemKind::Floor }, &[index, length])?;
    }
    let axis = i64::try_from(axis).unwrap_or(i64::MAX);
    let op = ops::ScatterElements { axis, combine: ops::ScatterKind::Replace };
    cx.emit(op, &[cache, index, update])
}
