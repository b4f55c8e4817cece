//! Layers that carry a state along a sequence, beside the recurrent ones: linear attention, causal convolution.

use super::attention::{merge_heads, split_heads};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{Op, ValueId, ops};
use satura_tensor::{DType, Dim};

/// How a step changes the state of linear attention.
#[derive(Clone, Copy)]
struct Rule {
    /// The state fades first.
    gated: bool,
    /// The value is corrected by what the state has for the key already.
    delta: bool,
}

const RULES: &[(&str, Rule)] = &[
    ("linear", Rule { gated: false, delta: false }),
    ("gated", Rule { gated: true, delta: false }),
    ("delta", Rule { gated: false, delta: true }),
    ("gated_delta", Rule { gated: true, delta: true }),
];

/// The number of heads in an attribute.
fn heads(cx: &mut NodeCx<'_>, name: &str) -> Result<usize, Diagnostic> {
    let count = cx.attrs.int(name)?.ok_or_else(|| Attributes::<()>::missing(name))?;
    Ok(sizes(name, &[count], 1)?[0])
}

/// Attention without softmax: the state `S: [B, H, Dk, Dv]` is a matrix that step `t` scales by `exp(decay)`, to which it adds `k v^T` (with `v` replaced by
/// `beta * (v - S^T k)` under a delta rule), and of which the query reads `scale * q^T S`. The state is f32; the steps are unrolled.
pub(super) fn linear_attention(cx: &mut NodeCx<'_>) -> Converted {
    let ([query, key, value], [past, decay, beta]) = cx.args()?;
    let (q_heads, kv_heads) = (heads(cx, "q_num_heads")?, heads(cx, "kv_num_heads")?);
    if q_heads % kv_heads != 0 {
        return Err(bad_attribute("q_num_heads", format!("{q_heads} heads do not share {kv_heads}")));
    }
    // How many steps a kernel takes at once.
    cx.attrs.ignore("chunk_size");
    let scale = cx.attrs.float("scale")?.filter(|scale| *scale != 0.0).map(f64::from);
    let rule = cx.attrs.choice("update_rule", RULES)?.unwrap_or(Rule { gated: true, delta: true });
    for (input, name, given, wanted) in
        [(4, "decay", decay.is_some(), rule.gated), (5, "beta", beta.is_some(), rule.delta)]
    {
        if given != wanted {
            let message = format!("the update rule {} {name}", if wanted { "needs" } else { "takes no" });
            return Err(Diagnostic::error(Code::InputCount, message).at_input(input));
        }
    }
    let (to, group) = (cx.dtype(query)?, q_heads / kv_heads);
    let wide = |cx: &mut NodeCx<'_>, x: ValueId, heads: usize| {
        let apart = split_heads(cx, x, heads)?;
        cx.cast(apart, DType::F32)
    };
    let (q, k, v) = (wide(cx, query, q_heads)?, wide(cx, key, kv_heads)?, wide(cx, value, kv_heads)?);
    let [batch, _, length, key_size] = cx.dims_of::<4>(k, "linear attention")?;
    let [.., value_size] = cx.dims_of::<4>(v, "linear attention")?;
    let steps = cx.constant_dim(&length, "the length of the sequence")?;
    let scale = match scale {
        Some(scale) => scale,
        None => 1.0 / (cx.constant_dim(&key_size, "the size of a head")?.max(1) as f64).sqrt(),
    };
    let decay = match decay {
        Some(decay) => {
            // One number for each head, or one for each of its features.
            let apart = wide(cx, decay, kv_heads)?;
            let columns = cx.transpose(apart, &[0, 1, 3, 2])?;
            Some(cx.map(ops::Exp {}, columns)?)
        }
        None => None,
    };
    let beta = match beta {
        Some(beta) => {
            let [.., last] = cx.dims_of::<3>(beta, "beta")?;
            let count = cx.constant_dim(&last, "the last extent of beta")?;
            if count != 1 && count != kv_heads {
                let message = format!("1 or {kv_heads} numbers are needed, there are {count}");
                return Err(Diagnostic::error(Code::Shape, message).at_input(5));
            }
            Some(wide(cx, beta, count)?)
        }
        None => None,
    };
    let heads = Dim::from(kv_heads);
    let mut state = match past {
        Some(past) => cx.cast(past, DType::F32)?,
        None => {
            let zero = cx.scalar(DType::F32, 0.0)?;
            cx.broadcast(zero, vec![batch.clone(), heads.clone(), key_size.clone(), value_size.clone()])?
        }
    };
    let q = cx.scale(q, scale)?;
    let at = |cx: &mut NodeCx<'_>, x: ValueId, axis: usize, step: usize| {
        cx.part(x, axis, Dim::from(step), Dim::from(1))
    };
    let mut rows = Vec::with_capacity(steps);
    for step in 0..steps {
        let (key, mut value) = (at(cx, k, 2, step)?, at(cx, v, 2, step)?);
        if let Some(decay) = decay {
            let factor = at(cx, decay, 3, step)?;
            state = cx.mul(state, factor)?;
        }
        if let Some(beta) = beta {
            let found = cx.matmul(key, state)?;
            let missing = cx.sub(value, found)?;
            let rate = at(cx, beta, 2, step)?;
            value = cx.mul(rate, missing)?;
        }
        let column = cx.transpose(key, &[0, 1, 3, 2])?;
        let outer = cx.mul(column, value)?;
        state = cx.add(state, outer)?;
        // Heads of queries that share a state are rows of one product.
        let query = at(cx, q, 2, step)?;
        let query =
            cx.reshape(query, vec![batch.clone(), heads.clone(), Dim::from(group), key_size.clone()])?;
        let read = cx.matmul(query, state)?;
        let row = vec![batch.clone(), Dim::from(q_heads), Dim::from(1), value_size.clone()];
        rows.push(cx.reshape(read, row)?);
    }
    let result = if rows.is_empty() {
        let zero = cx.scalar(DType::F32, 0.0)?;
        cx.broadcast(zero, vec![batch, Dim::from(q_heads), Dim::from(0), value_size])?
    } else {
        cx.concat(&rows, 2)?
    };
    let merged = merge_heads(cx, result)?;
    let state_type = match past {
        Some(past) => cx.dtype(past)?,
        None => to,
    };
    Ok(vec![cx.cast(merged, to)?, cx.cast(state, state_type)?])
}

/// A convolution along the last axis, each channel by itself, that sees only the past; its state is the last inputs.
pub(super) fn causal_convolution(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [bias, past]) = cx.args()?;
    causal(cx, [x, weights], bias, past, 1)
}

/// The same with taps that are `dilation` apart.
pub(super) fn causal(
    cx: &mut NodeCx<'_>,
    [x, weights]: [ValueId; 2],
    bias: Option<ValueId>,
    past: Option<ValueId>,
    dilation: usize,
) -> Converted {
    let smooth =
        cx.attrs.choice("activation", &[("none", false), ("silu", true), ("swish", true)])?.unwrap_or(false);
    let [batch, channels, _] = cx.dims_of::<3>(x, "a causal convolution")?;
    let [.., width] = cx.dims_of::<3>(weights, "the weights of a causal convolution")?;
    let (groups, width) =
        (cx.constant_dim(&channels, "the number of channels")?, cx.constant_dim(&width, "the kernel")?);
    if width == 0 {
        return Err(Diagnostic::error(Code::Shape, "the kernel is empty").at_input(1));
    }
    let state = Dim::from((width - 1).saturating_mul(dilation));
    let past = match past {
        Some(past) => past,
        None => {
            let zero = cx.scalar_like(x, 0.0)?;
            cx.broadcast(zero, vec![batch, channels.clone(), state.clone()])?
        }
    };
    let padded = if width > 1 { cx.concat(&[past, x], 2)? } else { x };
    let conv = ops::Conv {
        strides: vec![1],
        pads_low: vec![0],
        pads_high: vec![0],
        dilations: vec![dilation],
        groups: groups.max(1),
    };
    let mut y = cx.one(conv, &[padded, weights])?;
    if let Some(bias) = bias {
        let bias = cx.reshape(bias, vec![channels, Dim::from(1)])?;
        y = cx.add(y, bias)?;
    }
    if smooth {
        y = in_f32(cx, y, |cx, y| cx.one(Op::from(ops::Silu {}), &[y]))?;
    }
    let [.., all] = cx.dims_of::<3>(padded, "a causal convolution")?;
    let present = cx.part(padded, 2, all - state.clone(), state)?;
    Ok(vec![y, present])
}

/// A function that is computed in f32.
fn in_f32(cx: &mut NodeCx<'_>, x: ValueId, f: impl FnOnce(&mut NodeCx<'_>, ValueId) -> Emitted) -> Emitted {
    let to = cx.dtype(x)?;
    let wide = cx.cast(x, DType::F32)?;
    let result = f(cx, wide)?;
    cx.cast(result, to)
}

/// `a * sigmoid(alpha * a) * b`.
pub(super) fn swiglu(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let alpha = f64::from(cx.attrs.float("alpha")?.unwrap_or(1.0));
    let scaled = cx.scale(a, alpha)?;
    let gate = cx.map(ops::Sigmoid {}, scaled)?;
    let swish = cx.mul(a, gate)?;
    Ok(vec![cx.mul(swish, b)?])
}
