//! Attention whose scores and probabilities a model changes by subgraphs of its own.

use super::attention::share_heads;
use crate::builder::stage_dtype;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Code, Diagnostic};
use satura_ir::{ValueId, ops};

/// `prob_mod(softmax(score_mod(q k^T * scale))) v` for `q: [B, H, L, E]`, `k: [B, Hk, S, E]`, `v: [B, Hk, S, Ev]`; several heads of queries share one of keys.
pub(super) fn flex_attention(cx: &mut NodeCx<'_>) -> Converted {
    let ([q, k, v], []) = cx.args()?;
    let dtype = cx.dtype(q)?;
    let precision = cx.attrs.int("softmax_precision")?;
    let stages = stage_dtype(precision, dtype)?;
    if !stages.is_float() {
        return Err(bad_attribute("softmax_precision", format!("{stages} is no float")));
    }
    let [_, heads, _, size] = cx.dims_of::<4>(q, "attention")?;
    let scale = match cx.attrs.float("scale")? {
        Some(scale) => f64::from(scale),
        None => 1.0 / (cx.constant_dim(&size, "the size of a head")?.max(1) as f64).sqrt(),
    };
    if scale < 0.0 || scale.is_nan() {
        return Err(bad_attribute("scale", format!("the factor is {scale}")));
    }
    let (k, v) = (share_heads(cx, k, &heads)?, share_heads(cx, v, &heads)?);
    // Each side takes the root, so that neither leaves the range of a small float.
    let (q, k) = (cx.scale(q, scale.sqrt())?, cx.scale(k, scale.sqrt())?);
    let keys = cx.transpose(k, &[0, 1, 3, 2])?;
    let scores = cx.matmul(q, keys)?;
    let scores = cx.cast(scores, stages)?;
    let scores = modified(cx, "score_mod", scores)?;
    let weights = cx.map(ops::Softmax { axis: -1 }, scores)?;
    let weights = modified(cx, "prob_mod", weights)?;
    let v = cx.cast(v, stages)?;
    let result = cx.matmul(weights, v)?;
    Ok(vec![cx.cast(result, dtype)?])
}

/// A value as the subgraph of an attribute changes it; itself without one.
fn modified(cx: &mut NodeCx<'_>, name: &str, x: ValueId) -> Emitted {
    let Some(region) = cx.attrs.graph(name)? else { return Ok(x) };
    let inputs: Vec<ValueId> = std::iter::once(x).chain(cx.captures.iter().copied()).collect();
    let results = cx.graph.inline(&region.graph, &inputs)?;
    let [result] = results[..] else {
        let message = format!("the subgraph gives {} values, one is expected", results.len());
        return Err(Diagnostic::error(Code::InputCount, message).at_attribute(name));
    };
    let (before, after) = (cx.ty(x), cx.ty(result));
    if !before.accepts(after) {
        let message = format!("the subgraph makes {after} of {before}; it must keep the type");
        return Err(Diagnostic::error(Code::Shape, message).at_attribute(name));
    }
    Ok(result)
}
