//! Rotary positions.

use super::super::attention::{merge_heads, rotate, split_heads};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim, Tensor};

/// What the attributes of both forms say.
struct Settings {
    heads: usize,
    turned: usize,
    interleaved: bool,
}

impl Settings {
    fn read(cx: &mut NodeCx<'_>) -> Result<Settings, Diagnostic> {
        let size = |cx: &mut NodeCx<'_>, name: &str| {
            let value = cx.attrs.int(name)?.unwrap_or(0);
            Ok::<usize, Diagnostic>(sizes(name, &[value], 0)?[0])
        };
        let settings = Settings {
            heads: size(cx, "num_heads")?,
            turned: size(cx, "rotary_embedding_dim")?,
            interleaved: cx.attrs.flag("interleaved")?.unwrap_or(false),
        };
        if cx.attrs.flag("is_packed_batching")?.unwrap_or(false) {
            return Err(unsupported("sequences that are packed").at_attribute("is_packed_batching"));
        }
        // No kernel multiplies by it.
        cx.attrs.ignore("scale");
        Ok(settings)
    }
}

/// Turns `x: [B, H, S, D]`, or `[B, S, H * D]`, by angles `[B, 1, S, half]`.
fn turn(cx: &mut NodeCx<'_>, x: ValueId, [cos, sin]: [ValueId; 2], settings: &Settings) -> Converted {
    let Settings { heads, turned, interleaved } = *settings;
    if cx.need_rank(x, "rotary positions")? == 4 {
        return Ok(vec![rotate(cx, x, [cos, sin], turned, interleaved)?]);
    }
    let [_, _, width] = cx.dims_of::<3>(x, "rotary positions")?;
    let heads = if heads > 0 {
        heads
    } else if turned > 0 {
        return Err(Attributes::<()>::missing("num_heads"));
    } else {
        // A head is as large as there are angles for.
        let [.., half] = cx.dims_of::<4>(cos, "rotary positions")?;
        let size = 2 * cx.constant_dim(&half, "the number of angles")?;
        let width = cx.constant_dim(&width, "the number of features")?;
        if size == 0 || width % size != 0 {
            let message = format!("{width} features do not split into heads of {size}");
            return Err(Diagnostic::error(Code::Shape, message));
        }
        width / size
    };
    let apart = split_heads(cx, x, heads)?;
    let result = rotate(cx, apart, [cos, sin], turned, interleaved)?;
    Ok(vec![merge_heads(cx, result)?])
}

/// Positions are those of all tokens, or that of the first token of every sequence.
pub(in crate::convert) fn embedding(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, positions, cos, sin], []) = cx.args()?;
    let settings = Settings::read(cx)?;
    let positions = match cx.need_rank(positions, "rotary positions")? {
        1 => {
            let dims = cx.dims(x, "rotary positions")?;
            let [.., tokens, _] = &dims[..] else {
                return Err(
                    Diagnostic::error(Code::Shape, "tokens and features are needed to turn them").at_input(0)
                );
            };
            let offset = cx.iota(DType::I64, vec![Dim::from(1), tokens.clone()], 1)?;
            cx.add(positions, offset)?
        }
        _ => positions,
    };
    let mut at = |table| {
        let rows = cx.one(ops::Gather { axis: 0 }, &[table, positions])?;
        cx.unsqueeze(rows, &[1])
    };
    let angles = [at(cos)?, at(sin)?];
    turn(cx, x, angles, &settings)
}

/// Each token has three positions, `[3, B, S]`: in time, from the top and from the left. Sections of the angles belong to one of them, one after the other or by turns.
pub(in crate::convert) fn multimodal(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, positions, cos, sin], []) = cx.args()?;
    let settings = Settings::read(cx)?;
    let sections =
        cx.attrs.ints("mrope_section")?.ok_or_else(|| Attributes::<()>::missing("mrope_section"))?;
    let by_turns = cx.attrs.flag("mrope_layout")?.unwrap_or(false);
    let [time, height, width] = sizes("mrope_section", &sections, 0)?[..] else {
        return Err(bad_attribute("mrope_section", "three sizes are expected"));
    };
    let half = time + height + width;
    let stream = |angle: usize| match by_turns {
        true if angle % 3 == 1 && angle < 3 * height => 1,
        true if angle % 3 == 2 && angle < 3 * width => 2,
        true => 0,
        false => usize::from(angle >= time) + usize::from(angle >= time + height),
    };
    let streams: Vec<usize> = (0..half).map(stream).collect();
    let [_, angles] = cx.dims_of::<2>(cos, "rotary positions")?;
    if cx.constant_dim(&angles, "the number of angles")? != half {
        return Err(bad_attribute("mrope_section", format!("{half} angles in sections, there are {angles}")));
    }
    let mixed = |cx: &mut NodeCx<'_>, table: ValueId| -> Emitted {
        let all = cx.one(ops::Gather { axis: 0 }, &[table, positions])?;
        let of = |cx: &mut NodeCx<'_>, which: usize| {
            let part = cx.part(all, 0, Dim::from(which), Dim::from(1))?;
            cx.squeeze(part, &[0])
        };
        let mut chosen = of(cx, 0)?;
        for which in [1, 2] {
            let mine: Vec<bool> = streams.iter().map(|stream| *stream == which).collect();
            let mine = cx.constant(Tensor::from_bools(&mine, &[half]))?;
            let other = of(cx, which)?;
            chosen = cx.select(mine, other, chosen)?;
        }
        cx.unsqueeze(chosen, &[1])
    };
    let angles = [mixed(cx, cos)?, mixed(cx, sin)?];
    turn(cx, x, angles, &settings)
}

/// `x * cos(angle) + turned * sin(angle)` for queries and for keys, whose other halves are given.
pub(in crate::convert) fn given(cx: &mut NodeCx<'_>) -> Converted {
    let ([angle, q, q_turned, k, k_turned], []) = cx.args()?;
    let to = cx.dtype(q)?;
    let table = |cx: &mut NodeCx<'_>, op: satura_ir::Op| {
        let wave = cx.map(op, angle)?;
        let wave = cx.cast(wave, to)?;
        cx.unsqueeze(wave, &[1])
    };
    let (cos, sin) = (table(cx, ops::Cos {}.into())?, table(cx, ops::Sin {}.into())?);
    let mut sum = |x, turned| {
        let (straight, across) = (cx.mul(x, cos)?, cx.mul(turned, sin)?);
        cx.add(straight, across)
    };
    Ok(vec![sum(q, q_turned)?, sum(k, k_turned)?])
}
