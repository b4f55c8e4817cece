//! Normalisation, also with a sum before it.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::ops;
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim};

pub(super) fn epsilon(cx: &mut NodeCx<'_>, default: f32) -> Result<f64, Diagnostic> {
    Ok(f64::from(cx.attrs.float("epsilon")?.unwrap_or(default)))
}

/// Layer normalisation along the last axis.
pub(super) fn layer_norm(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    scale: ValueId,
    bias: Option<ValueId>,
    epsilon: f64,
) -> Emitted {
    let bias = match bias {
        Some(bias) => bias,
        None => {
            let zero = cx.scalar_like(scale, 0.0)?;
            let dims = cx.dims(scale, "the scale")?;
            cx.broadcast(zero, dims)?
        }
    };
    cx.one(Op::from(ops::LayerNorm { axis: -1, epsilon: Real::from(epsilon) }), &[x, scale, bias])
}

/// `x / sqrt(mean(x^2) + epsilon) * scale` along the axes from `axis` on, in f32. The second value is `1 / sqrt(..)`.
pub(super) fn rms_norm(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    scale: ValueId,
    axis: i64,
    epsilon: f64,
) -> Result<[ValueId; 2], Diagnostic> {
    let rank = cx.need_rank(x, "normalising it")?;
    let axis = ops::axis_index(axis, rank)?;
    let axes: Vec<i64> = (axis..rank).filter_map(|axis| i64::try_from(axis).ok()).collect();
    let wide = cx.cast(x, DType::F32)?;
    let square = cx.mul(wide, wide)?;
    let mean = cx.one(Op::from(ops::Mean { axes: Some(axes), keep: true }), &[square])?;
    let shifted = cx.add_scalar(mean, epsilon)?;
    let root = cx.map(ops::Sqrt {}, shifted)?;
    let one = cx.scalar(DType::F32, 1.0)?;
    let factor = cx.div(one, root)?;
    let normal = cx.mul(wide, factor)?;
    let normal = cx.cast(normal, cx.dtype(scale)?)?;
    Ok([cx.mul(normal, scale)?, factor])
}

/// Normalisation by the root of the mean square.
pub(in crate::convert) fn simplified(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale], []) = cx.args()?;
    let epsilon = epsilon(cx, 1e-5)?;
    let axis = cx.attrs.int("axis")?.unwrap_or(-1);
    cx.attrs.ignore("stash_type");
    Ok(rms_norm(cx, x, scale, axis, epsilon)?.to_vec())
}

/// `x + skip (+ bias)`; the skip may lack the batch.
fn with_skip(cx: &mut NodeCx<'_>, x: ValueId, skip: ValueId, bias: Option<ValueId>) -> Emitted {
    let sum = cx.add(x, skip)?;
    match bias {
        Some(bias) => cx.add(sum, bias),
        None => Ok(sum),
    }
}

/// Layer normalisation of a sum, which is the fourth output.
pub(in crate::convert) fn skip_layer_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, skip, scale], [shift, bias]) = cx.args()?;
    let epsilon = epsilon(cx, 1e-12)?;
    let sum = with_skip(cx, x, skip, bias)?;
    let result = layer_norm(cx, sum, scale, shift, epsilon)?;
    let [mean, factor] = match cx.outputs.iter().skip(1).take(2).any(|name| !name.is_empty()) {
        true => statistics(cx, sum, epsilon)?,
        false => [sum; 2],
    };
    Ok(vec![result, mean, factor, sum])
}

/// The mean and `1 / sqrt(variance + epsilon)` along the last axis.
fn statistics(cx: &mut NodeCx<'_>, x: ValueId, epsilon: f64) -> Result<[ValueId; 2], Diagnostic> {
    let last = || Op::from(ops::Mean { axes: Some(vec![-1]), keep: true });
    let mean = cx.one(last(), &[x])?;
    let centred = cx.sub(x, mean)?;
    let square = cx.mul(centred, centred)?;
    let variance = cx.one(last(), &[square])?;
    let shifted = cx.add_scalar(variance, epsilon)?;
    let root = cx.map(ops::Sqrt {}, shifted)?;
    let one = cx.scalar_like(x, 1.0)?;
    Ok([mean, cx.div(one, root)?])
}

/// Normalisation by the root of the mean square of a sum, which is the fourth output.
pub(in crate::convert) fn skip_simplified(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, skip, scale], [bias]) = cx.args()?;
    let epsilon = epsilon(cx, 1e-12)?;
    if cx.outputs.get(1).is_some_and(|name| !name.is_empty()) {
        return Err(unsupported("the mean as an output: this normalisation has none"));
    }
    let sum = with_skip(cx, x, skip, bias)?;
    let [result, factor] = rms_norm(cx, sum, scale, -1, epsilon)?;
    Ok(vec![result, factor, factor, sum])
}

/// Group normalisation with the channels last, and perhaps an activation.
pub(in crate::convert) fn group_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, shift], []) = cx.args()?;
    grouped(cx, x, scale, shift)
}

/// The same of a sum, which is the second output. What is added may have one row for each instance.
pub(in crate::convert) fn skip_group_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, shift, skip], [bias]) = cx.args()?;
    let skip = match cx.need_rank(skip, "adding it")? {
        2 => cx.unsqueeze(skip, &[1, 2])?,
        _ => skip,
    };
    let mut sum = cx.add(x, skip)?;
    if let Some(bias) = bias {
        sum = cx.add(sum, bias)?;
    }
    let y = grouped(cx, sum, scale, shift)?[0];
    Ok(vec![y, sum])
}

/// `x * activation(gate)` after normalisation by the root of the mean square of each group of as many features as the scale has, in f32.
pub(in crate::convert) fn gated_rms_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, gate], []) = cx.args()?;
    let epsilon = epsilon(cx, 1e-5)?;
    let silu = cx.attrs.choice("activation", &[("silu", true), ("swish", true), ("sigmoid", false)])?;
    let dims = cx.dims(x, "normalising it")?;
    let [size] = cx.dims_of::<1>(scale, "the scale")?;
    let Some((last, rest)) = dims.split_last() else {
        return Err(Diagnostic::error(Code::Shape, "the input is a scalar"));
    };
    let count = last
        .exact_quotient(&size)
        .ok_or_else(|| Diagnostic::error(Code::Shape, format!("{last} features in groups of {size}")))?;
    let apart: Vec<Dim> = rest.iter().cloned().chain([count, size]).collect();
    let to = cx.dtype(x)?;
    let wide = cx.cast(x, DType::F32)?;
    let wide = cx.reshape(wide, apart)?;
    let scale = cx.cast(scale, DType::F32)?;
    let [normal, _] = rms_norm(cx, wide, scale, -1, epsilon)?;
    let normal = cx.reshape(normal, dims)?;
    let gate = cx.cast(gate, DType::F32)?;
    let op: Op = if silu.unwrap_or(true) { ops::Silu {}.into() } else { ops::Sigmoid {}.into() };
    let open = cx.one(op, &[gate])?;
    let y = cx.mul(normal, open)?;
    Ok(vec![cx.cast(y, to)?])
}

/// Normalisation by the root of the mean square of each branch: of the last axis, or of equal parts of it.
pub(in crate::convert) fn branch_rms_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [scale]) = cx.args()?;
    let epsilon = epsilon(cx, 1e-5)?;
    let branches = cx.attrs.int("num_branches")?.unwrap_or(0);
    let branches = sizes("num_branches", &[branches], 0)?[0];
    let dims = cx.dims(x, "normalising it")?;
    let Some((last, rest)) = dims.split_last() else {
        return Err(Diagnostic::error(Code::Shape, "the input is a scalar"));
    };
    let to = cx.dtype(x)?;
    let mut wide = cx.cast(x, DType::F32)?;
    let mut tail = match rest.last() {
        Some(branches) if dims.len() >= 2 => vec![branches.clone(), last.clone()],
        _ => vec![Dim::from(1), last.clone()],
    };
    if branches > 0 {
        let size = last.exact_quotient(&Dim::from(branches)).ok_or_else(|| {
            Diagnostic::error(Code::Shape, format!("{last} features in {branches} branches"))
        })?;
        tail = vec![Dim::from(branches), size];
        wide = cx.reshape(wide, rest.iter().cloned().chain(tail.clone()).collect())?;
    }
    let scale = match scale {
        Some(scale) => {
            let scale = cx.cast(scale, DType::F32)?;
            let of = cx.dims(scale, "the scale")?;
            if of.len() == 1 && of[0] != tail[1] { cx.reshape(scale, tail)? } else { scale }
        }
        None => cx.scalar(DType::F32, 1.0)?,
    };
    let [normal, _] = rms_norm(cx, wide, scale, -1, epsilon)?;
    let y = cx.reshape(normal, dims)?;
    Ok(vec![cx.cast(y, to)?])
}

fn grouped(cx: &mut NodeCx<'_>, x: ValueId, scale: ValueId, shift: ValueId) -> Converted {
    let epsilon = epsilon(cx, 1e-5)?;
    let last = cx.attrs.flag("channels_last")?.unwrap_or(true);
    let groups = cx.attrs.int("groups")?.ok_or_else(|| Attributes::<()>::missing("groups"))?;
    let groups = sizes("groups", &[groups], 1)?[0];
    let swish = match cx.attrs.int("activation")?.unwrap_or(0) {
        0 => false,
        1 => true,
        other => return Err(unsupported(format!("the activation {other}")).at_attribute("activation")),
    };
    let rank = cx.need_rank(x, "normalising it")?;
    if rank < 3 {
        return Err(Diagnostic::error(Code::Shape, format!("rank 3 or more is needed, it is {rank}")));
    }
    let to_first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let to_last: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
    let of = cx.dtype(x)?;
    let mut y = if last { cx.transpose(x, &to_first)? } else { x };
    y = cx.cast(y, DType::F32)?;
    let (scale, shift) = (cx.cast(scale, DType::F32)?, cx.cast(shift, DType::F32)?);
    y = cx.one(Op::from(ops::GroupNorm { groups, epsilon: Real::from(epsilon) }), &[y, scale, shift])?;
    if swish {
        y = cx.one(Op::from(ops::Silu {}), &[y])?;
    }
    y = cx.cast(y, of)?;
    Ok(vec![if last { cx.transpose(y, &to_last)? } else { y }])
}
