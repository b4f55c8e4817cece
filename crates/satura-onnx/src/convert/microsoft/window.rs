//! Ops on windows: fused to an activation, with the channels last, with padding as an input.

use super::super::window;
use super::activation::named;
use crate::node::{Converted, NodeCx};
use satura_import::{AttrValue, Code, Diagnostic};

/// A convolution with a bias, a sum and an activation.
pub(in crate::convert) fn fused_conv(cx: &mut NodeCx<'_>) -> Converted {
    let name = cx.attrs.string("activation")?.unwrap_or_default();
    let parameters = cx.attrs.floats("activation_params")?.unwrap_or_default();
    let other = cx.inputs.get(3).copied().flatten();
    cx.inputs.truncate(3);
    let mut y = window::conv(cx)?[0];
    if let Some(other) = other {
        y = cx.add(y, other)?;
    }
    Ok(vec![named(cx, y, &name, &parameters)?])
}

/// The orders of the axes that move the channels of a value of that rank from the end to their place, and back.
fn orders(rank: usize) -> [Vec<usize>; 2] {
    let spatial = 1..rank.saturating_sub(1);
    let first = std::iter::once(0).chain((rank > 1).then_some(rank.saturating_sub(1))).chain(spatial).collect();
    let last = std::iter::once(0).chain(2..rank).chain((rank > 1).then_some(1)).collect();
    [first, last]
}

/// An op on windows whose channels come last: they move to their place before it, and back. `run` sees the node with the moved input.
pub(in crate::convert) fn channels_last(
    cx: &mut NodeCx<'_>,
    run: impl FnOnce(&mut NodeCx<'_>) -> Converted,
) -> Converted {
    let Some(Some(x)) = cx.inputs.first().copied() else {
        return Err(Diagnostic::error(Code::InputCount, "input 0 is missing").at_input(0));
    };
    let [first, last] = orders(cx.need_rank(x, "moving its channels")?);
    cx.inputs[0] = Some(cx.transpose(x, &first)?);
    let y = run(cx)?[0];
    Ok(vec![cx.transpose(y, &last)?])
}

/// [`channels_last`] where the attribute says so.
pub(super) fn channels_last_if(
    cx: &mut NodeCx<'_>,
    run: impl FnOnce(&mut NodeCx<'_>) -> Converted,
) -> Converted {
    if cx.attrs.flag("channels_last")?.unwrap_or(false) { channels_last(cx, run) } else { run(cx) }
}

/// [`fused_conv`] with the channels last, of what is added too.
pub(in crate::convert) fn nhwc_fused_conv(cx: &mut NodeCx<'_>) -> Converted {
    if let Some(Some(other)) = cx.inputs.get(3).copied() {
        let [first, _] = orders(cx.need_rank(other, "moving its channels")?);
        cx.inputs[3] = Some(cx.transpose(other, &first)?);
    }
    channels_last(cx, fused_conv)
}

/// The greatest of each window, with the channels last.
pub(in crate::convert) fn nhwc_max_pool(cx: &mut NodeCx<'_>) -> Converted {
    cx.version = 12;
    channels_last(cx, window::max_pool)
}

/// A transposed convolution whose padding is an input.
pub(in crate::convert) fn conv_transpose_padded(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [pads, bias]) = cx.args()?;
    if let Some(pads) = pads {
        let pads = cx.need_ints(pads, "the padding")?;
        cx.attrs.insert("pads", AttrValue::Ints(pads))?;
    }
    cx.inputs = vec![Some(x), Some(weights), bias];
    window::conv_transpose(cx)
}
