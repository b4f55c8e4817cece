//! Attention with fewer heads of keys than of queries, and caches that are filled to a length of their own for each sequence.

use super::super::attention::{Mask, Spec, merge_heads, rotate, share_heads, split_heads};
use super::attention::attend_wide;
use super::norm::rms_norm;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim, Tensor};

/// The attributes.
struct Settings {
    heads: usize,
    shared: usize,
    scale: Option<f64>,
    softcap: f64,
    causal: bool,
    /// How many keys up to its own a query sees.
    window: Option<i64>,
    rotary: bool,
    interleaved: bool,
    /// Whether softmax has one more element, of score 0.
    smooth: bool,
    /// The epsilons of the norms of queries and keys.
    epsilons: [f64; 2],
    /// Which scores are the fourth output: 0 none, 1 those before softmax, 2 those after.
    shown: i64,
}

impl Settings {
    fn read(cx: &mut NodeCx<'_>) -> Result<Settings, Diagnostic> {
        let count = |cx: &mut NodeCx<'_>, name: &str| {
            let count = cx.attrs.int(name)?.ok_or_else(|| Attributes::<()>::missing(name))?;
            Ok::<usize, Diagnostic>(sizes(name, &[count], 1)?[0])
        };
        let (heads, shared) = (count(cx, "num_heads")?, count(cx, "kv_num_heads")?);
        for name in ["k_quant_type", "v_quant_type"] {
            if cx.attrs.string(name)?.is_some_and(|kind| kind != "NONE") {
                return Err(unsupported("a quantised cache").at_attribute(name));
            }
        }
        cx.attrs.ignore("kv_cache_bit_width");
        if cx.attrs.flag("sliding_window_cache")?.unwrap_or(false) {
            return Err(unsupported("a cache that drops what has left the window")
                .at_attribute("sliding_window_cache"));
        }
        let window = cx.attrs.int("local_window_size")?.filter(|window| *window != -1);
        if window.is_some_and(|window| window < 1) {
            return Err(bad_attribute("local_window_size", "-1 or a positive number is expected"));
        }
        let epsilon = f64::from(cx.attrs.float("qk_norm_epsilon")?.unwrap_or(1e-6));
        let own = |value: Option<f32>| value.map_or(epsilon, f64::from);
        let epsilons = [own(cx.attrs.float("q_norm_epsilon")?), own(cx.attrs.float("k_norm_epsilon")?)];
        Ok(Settings {
            heads,
            shared,
            scale: cx.attrs.float("scale")?.filter(|scale| *scale != 0.0).map(f64::from),
            softcap: f64::from(cx.attrs.float("softcap")?.unwrap_or(0.0)),
            causal: cx.attrs.flag("causal")?.unwrap_or(true),
            window,
            rotary: cx.attrs.flag("do_rotary")?.unwrap_or(false),
            interleaved: cx.attrs.flag("rotary_interleaved")?.unwrap_or(false),
            smooth: cx.attrs.flag("smooth_softmax")?.unwrap_or(false),
            epsilons,
            shown: cx.attrs.int("qk_output")?.unwrap_or(0),
        })
    }
}

/// Where the tokens of a node stand, for each sequence.
struct Places {
    /// How many come before the node's first: `[B, 1, 1, 1]`, i64.
    past: ValueId,
    /// How many there are with the node's: `[B, 1, 1, 1]`, i64.
    total: ValueId,
    /// `[B, 1, S, 1]`, i64.
    queries: ValueId,
    /// Which rows are tokens, if not all are: `[B, 1, S, 1]`.
    tokens: Option<ValueId>,
    /// How many tokens the longest sequence has beyond the rows: none for a prompt.
    more: Dim,
    /// The length of the buffers that the node gives.
    buffer: Dim,
}

/// `lengths` are those of all sequences, less 1, and `valid` says how many rows are tokens, `[B]`; the others are padding behind them. Without it all rows are, except where a
/// sequence has less tokens than rows: then none comes before those.
fn places(
    cx: &mut NodeCx<'_>,
    [lengths, longest]: [ValueId; 2],
    valid: Option<ValueId>,
    [batch, queries]: [&Dim; 2],
    past: Option<ValueId>,
) -> Result<Places, Diagnostic> {
    let longest = known_dim(cx, longest)?;
    let held = match past {
        Some(past) => cx.dims_of::<4>(past, "the cache")?[2].clone(),
        None => Dim::from(0),
    };
    let lengths = cx.cast(lengths, DType::I64)?;
    let column = vec![batch.clone(), Dim::from(1), Dim::from(1), Dim::from(1)];
    let lengths = cx.reshape(lengths, column.clone())?;
    let total = cx.add_scalar(lengths, 1.0)?;
    let position = cx.iota(DType::I64, vec![queries.clone(), Dim::from(1)], 0)?;
    let tokens = match valid {
        Some(valid) => {
            let valid = cx.cast(valid, DType::I64)?;
            Some(cx.reshape(valid, column)?)
        }
        None => None,
    };
    let count = match tokens {
        Some(tokens) => tokens,
        // As a value, for a bound extent too.
        None => cx.one(ops::ShapeOf { start: 0, end: Some(1) }, &[position])?,
    };
    let before = cx.sub(total, count)?;
    let zero = cx.constant(Tensor::scalar(0i64))?;
    let past = cx.max(before, zero)?;
    let at = cx.add(past, position)?;
    let tokens = tokens.map(|tokens| cx.less(position, tokens)).transpose()?;
    let buffer = longest.maximum(&held);
    Ok(Places { past, total, queries: at, tokens, more: longest - queries.clone(), buffer })
}

/// The one number in a tensor, as far as it is known.
fn known_dim(cx: &NodeCx<'_>, value: ValueId) -> Result<Dim, Diagnostic> {
    if let Some([dim]) = cx.graph.value(value).known.as_ref().map(|known| &known.elements[..])
        && dim.is_known()
    {
        return Ok(dim.clone());
    }
    match cx.need_ints(value, "the total length")?[..] {
        [length] => Ok(Dim::from(length)),
        _ => Err(Diagnostic::error(Code::Shape, "the total length must be one number").at_input(6)),
    }
}

/// The buffer of a cache with the new rows `[B, H, S, D]` behind those that are held; the rest is 0.
fn filled(cx: &mut NodeCx<'_>, past: Option<ValueId>, new: ValueId, places: &Places) -> Emitted {
    let [batch, heads, rows, size] = cx.dims_of::<4>(new, "the cache")?;
    if past.is_none() && places.tokens.is_none() && rows == places.buffer {
        return Ok(new);
    }
    let zero = cx.scalar_like(new, 0.0)?;
    let new = match places.tokens {
        Some(tokens) => cx.select(tokens, new, zero)?,
        None => new,
    };
    let buffer = vec![batch.clone(), heads.clone(), places.buffer.clone(), size.clone()];
    let held = match past {
        Some(past) => {
            let [.., length, _] = cx.dims_of::<4>(past, "the cache")?;
            let mut high = vec![Dim::from(0); 4];
            high[2] = places.buffer.clone() - length;
            let low = vec![Dim::from(0); 4];
            let longer = if high[2].is(0) { past } else { cx.one(ops::Pad { low, high }, &[past, zero])? };
            let position = cx.iota(DType::I64, vec![places.buffer.clone(), Dim::from(1)], 0)?;
            let valid = cx.less(position, places.past)?;
            cx.select(valid, longer, zero)?
        }
        None => cx.broadcast(zero, buffer)?,
    };
    let at = cx.broadcast(places.queries, vec![batch, heads, rows, size])?;
    cx.one(ops::ScatterElements { axis: 2, combine: ops::ScatterKind::Replace }, &[held, at, new])
}

/// Queries, keys and values as heads; without keys they lie side by side in the queries.
fn heads_of(
    cx: &mut NodeCx<'_>,
    q: ValueId,
    kv: [Option<ValueId>; 2],
    settings: &Settings,
) -> Result<[ValueId; 3], Diagnostic> {
    let (heads, shared) = (settings.heads, settings.shared);
    let [q, k, v] = match kv {
        [Some(k), Some(v)] => [q, k, v],
        [None, None] => {
            let [.., width] = cx.dims_of::<3>(q, "the queries")?;
            let width = cx.constant_dim(&width, "the number of features")?;
            let size = width / (heads + 2 * shared);
            if size * (heads + 2 * shared) != width {
                let message =
                    format!("{width} features do not split into {heads} and two times {shared} heads");
                return Err(Diagnostic::error(Code::Shape, message));
            }
            let mut part =
                |start: usize, count: usize| cx.part(q, 2, Dim::from(start * size), Dim::from(count * size));
            [part(0, heads)?, part(heads, shared)?, part(heads + shared, shared)?]
        }
        _ => return Err(Diagnostic::error(Code::InputCount, "keys and values come together").at_input(1)),
    };
    Ok([split_heads(cx, q, heads)?, split_heads(cx, k, shared)?, split_heads(cx, v, shared)?])
}

/// The cosines and sines at positions: `[B, 1, S, half]` each, and twice the half.
fn angles(
    cx: &mut NodeCx<'_>,
    tables: [Option<ValueId>; 2],
    positions: ValueId,
) -> Result<([ValueId; 2], usize), Diagnostic> {
    let [Some(cos), Some(sin)] = tables else {
        return Err(Diagnostic::error(Code::InputCount, "rotary positions need their angles").at_input(7));
    };
    let [_, half] = cx.dims_of::<2>(cos, "rotary positions")?;
    let half = cx.constant_dim(&half, "the number of angles")?;
    let mut at = |table| {
        let rows = cx.one(ops::Gather { axis: 0 }, &[table, positions])?;
        cx.unsqueeze(rows, &[1])
    };
    Ok(([at(cos)?, at(sin)?], 2 * half))
}

/// The rotary positions, `[B, S]` or `[1, S]`: as given, except that those of a prompt follow on each other from the first one given on.
fn rotary_positions(
    cx: &mut NodeCx<'_>,
    given: Option<ValueId>,
    longest: ValueId,
    places: &Places,
) -> Emitted {
    let Some(given) = given else { return cx.squeeze(places.queries, &[1, 3]) };
    let given = cx.cast(given, DType::I64)?;
    if places.tokens.is_some() || places.more.as_const().is_some_and(|more| more != 0) {
        return Ok(given);
    }
    let [_, rows] = cx.dims_of::<2>(given, "rotary positions")?;
    let position = cx.iota(DType::I64, vec![rows], 0)?;
    let first = cx.part(given, 0, Dim::from(0), Dim::from(1))?;
    let first = cx.part(first, 1, Dim::from(0), Dim::from(1))?;
    let following = cx.add(first, position)?;
    if places.more.is(0) {
        return Ok(following);
    }
    let longest = cx.cast(longest, DType::I64)?;
    let longest = cx.reshape(longest, Vec::new())?;
    let rows = cx.one(ops::ShapeOf { start: 0, end: Some(1) }, &[position])?;
    let prompt = cx.equal(longest, rows)?;
    cx.select(prompt, following, given)
}

/// The whole op.
pub(in crate::convert) fn attention(cx: &mut NodeCx<'_>) -> Converted {
    let ([q], inputs) = cx.args::<1, 16>()?;
    let [k, v, past_key, past_value, lengths, longest, cos, sin, positions, score_bias, sink, ..] = inputs;
    let [.., k_scale, v_scale, q_norm, k_norm, valid] = inputs;
    let missing = |input| Diagnostic::error(Code::InputCount, "the lengths are missing").at_input(input);
    let (lengths, longest) = (lengths.ok_or_else(|| missing(5))?, longest.ok_or_else(|| missing(6))?);
    let settings = Settings::read(cx)?;
    if k_scale.is_some() || v_scale.is_some() {
        return Err(unsupported("a quantised cache").at_input(12));
    }
    if past_key.is_some() != past_value.is_some() {
        return Err(Diagnostic::error(Code::InputCount, "past keys and values come together").at_input(3));
    }
    let [mut q, mut k, v] = heads_of(cx, q, [k, v], &settings)?;
    for (x, scale, epsilon) in
        [(&mut q, q_norm, settings.epsilons[0]), (&mut k, k_norm, settings.epsilons[1])]
    {
        if let Some(scale) = scale {
            let of = cx.dtype(*x)?;
            let [normal, _] = rms_norm(cx, *x, scale, -1, epsilon)?;
            *x = cx.cast(normal, of)?;
        }
    }
    let [batch, heads, queries, _] = cx.dims_of::<4>(q, "attention")?;
    let places = places(cx, [lengths, longest], valid, [&batch, &queries], past_key)?;
    if settings.rotary {
        let positions = rotary_positions(cx, positions, longest, &places)?;
        let (angles, turned) = angles(cx, [cos, sin], positions)?;
        q = rotate(cx, q, angles, turned, settings.interleaved)?;
        k = rotate(cx, k, angles, turned, settings.interleaved)?;
    }
    let (present_key, present_value) =
        (filled(cx, past_key, k, &places)?, filled(cx, past_value, v, &places)?);
    let mut seen = mask(cx, &settings, &places, score_bias)?;
    if let Some(sink) = sink {
        let sink = cx.cast(sink, DType::F32)?;
        seen.sink = Some(cx.reshape(sink, vec![heads.clone(), Dim::from(1), Dim::from(1)])?);
    } else if settings.smooth {
        seen.sink = Some(cx.scalar(DType::F32, 0.0)?);
    }
    // The padding behind a short prompt may lie more than a window behind its last token.
    seen.may_be_empty = settings.window.is_some() && seen.sink.is_none();
    let spec = Spec { scale: settings.scale, softcap: settings.softcap, precision: None };
    let (k, v) = (share_heads(cx, present_key, &heads)?, share_heads(cx, present_value, &heads)?);
    let stages = attend_wide(cx, [q, k, v], &spec, &seen)?;
    let mut outputs = vec![merge_heads(cx, stages.result)?, present_key, present_value];
    match settings.shown {
        0 => {}
        1 => {
            let zero = cx.scalar_like(stages.masked, 0.0)?;
            outputs.push(match seen.allowed {
                Some(allowed) => cx.select(allowed, stages.masked, zero)?,
                None => stages.masked,
            });
        }
        2 => outputs.push(stages.weights),
        other => return Err(bad_attribute("qk_output", format!("{other} is not one of 0 to 2"))),
    }
    Ok(outputs)
}

/// What a query sees: keys that are there, up to its own where that matters, and not too far behind it.
fn mask(
    cx: &mut NodeCx<'_>,
    settings: &Settings,
    places: &Places,
    score_bias: Option<ValueId>,
) -> Result<Mask, Diagnostic> {
    let mut seen = Mask::default();
    let key = cx.iota(DType::I64, vec![places.buffer.clone()], 0)?;
    // A query of the padding behind a prompt comes after keys that are padding too.
    let there = cx.less(key, places.total)?;
    seen.restrict(cx, there)?;
    if settings.causal {
        let before = cx.less_equal(key, places.queries)?;
        seen.restrict(cx, before)?;
    }
    if let Some(window) = settings.window {
        let distance = cx.sub(places.queries, key)?;
        let window = cx.constant(Tensor::scalar(window))?;
        let near = cx.less(distance, window)?;
        seen.restrict(cx, near)?;
    }
    if let Some(bias) = score_bias {
        let [.., width] = cx.dims_of::<4>(bias, "what is added to scores")?;
        let mut bias = cx.cast(bias, DType::F32)?;
        let more = places.buffer.clone() - width.clone();
        if !more.is(0) && !width.is(1) {
            let zero = cx.scalar(DType::F32, 0.0)?;
            let low = vec![Dim::from(0); 4];
            let mut high = low.clone();
            high[3] = more.maximum(&Dim::from(0));
            bias = cx.one(ops::Pad { low, high }, &[bias, zero])?;
        }
        seen.add(cx, bias)?;
    }
    Ok(seen)
}
