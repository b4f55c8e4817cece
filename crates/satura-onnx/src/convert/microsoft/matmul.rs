//! Matrix products: of transposed operands, of numbers that are quantised on the way.

use super::super::matmul::product;
use super::super::quantize::{centre, one_or_many, suitable, to_integers};
use super::activation::{fused_name, named};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::DType;

/// `alpha * op(a) * op(b)`, where an operand may have its matrices transposed, and its first axis moved to its rows before that.
pub(in crate::convert) fn fused(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let alpha = f64::from(cx.attrs.float("alpha")?.unwrap_or(1.0));
    let flag = |cx: &mut NodeCx<'_>, name: &str| Ok::<_, Diagnostic>(cx.attrs.flag(name)?.unwrap_or(false));
    let (trans_a, trans_b) = (flag(cx, "transA")?, flag(cx, "transB")?);
    let (batch_a, batch_b) = (flag(cx, "transBatchA")?, flag(cx, "transBatchB")?);
    let (a, b) = (operand(cx, a, batch_a, trans_a)?, operand(cx, b, batch_b, trans_b)?);
    let y = product(cx, a, b)?[0];
    Ok(vec![cx.scale(y, alpha)?])
}

/// [`fused`], through an activation.
pub(in crate::convert) fn fused_activation(cx: &mut NodeCx<'_>) -> Converted {
    let (name, parameters) = fused_name(cx)?;
    // The axis of activations that have one; none of those that are read does.
    cx.attrs.ignore("activation_axis");
    let y = fused(cx)?[0];
    Ok(vec![named(cx, y, &name, &parameters)?])
}

fn operand(cx: &mut NodeCx<'_>, x: ValueId, batch: bool, trans: bool) -> Emitted {
    if !batch && !trans {
        return Ok(x);
    }
    let rank = cx.need_rank(x, "transposing it")?;
    if rank < 2 {
        return Ok(x);
    }
    let mut perm: Vec<usize> = (0..rank).collect();
    if batch {
        // `[rows, batch.., columns]`.
        perm[..rank - 1].rotate_left(1);
    }
    if trans {
        perm.swap(rank - 1, rank - 2);
    }
    cx.transpose(x, &perm)
}

/// A product of f32 with weights of 8 bits: the left side is quantised by its own range first.
pub(in crate::convert) fn dynamic_quantized(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b, b_scale], [b_zero, bias]) = cx.args()?;
    let [a_scale, a_zero] = suitable(cx, a)?;
    let ratio = cx.div(a, a_scale)?;
    let a = to_integers(cx, ratio, Some(a_zero), DType::U8)?;
    let (a, b) = (centre(cx, a, Some(a_zero))?, centre(cx, b, b_zero)?);
    scaled_product(cx, [a, b], [a_scale, b_scale], bias)
}

/// A product of integers, as f32.
pub(in crate::convert) fn integer_to_float(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b, a_scale, b_scale], [a_zero, b_zero, bias]) = cx.args()?;
    let a_zero = a_zero.map(|zero| one_or_many(cx, zero)).transpose()?;
    let (a, b) = (centre(cx, a, a_zero)?, centre(cx, b, b_zero)?);
    scaled_product(cx, [a, b], [a_scale, b_scale], bias)
}

fn scaled_product(
    cx: &mut NodeCx<'_>,
    [a, b]: [ValueId; 2],
    [a_scale, b_scale]: [ValueId; 2],
    bias: Option<ValueId>,
) -> Converted {
    let y = product(cx, a, b)?[0];
    let y = cx.cast(y, cx.dtype(a_scale)?)?;
    let (a_scale, b_scale) = (one_or_many(cx, a_scale)?, one_or_many(cx, b_scale)?);
    let factor = cx.mul(a_scale, b_scale)?;
    let y = cx.mul(y, factor)?;
    Ok(vec![match bias {
        Some(bias) => cx.add(y, bias)?,
        None => y,
    }])
}

/// `x + bias + skip`.
pub(in crate::convert) fn bias_add(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, bias, skip], []) = cx.args()?;
    let sum = cx.add(x, bias)?;
    cx.emit(ops::Add {}, &[sum, skip])
}

/// `(a - a_zero) * (b - b_zero)` in i32.
pub(in crate::convert) fn mul_integer(cx: &mut NodeCx<'_>) -> Converted {
    let at = |cx: &NodeCx<'_>, i: usize| cx.inputs.get(i).copied().flatten();
    let missing = |i| Diagnostic::error(Code::InputCount, format!("input {i} is missing")).at_input(i);
    let a = at(cx, 0).ok_or_else(|| missing(0))?;
    let b = at(cx, 2).ok_or_else(|| missing(2))?;
    let (a_zero, b_zero) = (at(cx, 1), at(cx, 3));
    let (a, b) = (centre(cx, a, a_zero)?, centre(cx, b, b_zero)?);
    Ok(vec![cx.mul(a, b)?])
}

/// A product of integers of 16 bits, in 32 bits.
pub(in crate::convert) fn integer16(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let signed = cx.dtype(a)?.is_signed_int() || cx.dtype(b)?.is_signed_int();
    let wide = if signed { DType::I32 } else { DType::U32 };
    let (a, b) = (cx.cast(a, wide)?, cx.cast(b, wide)?);
    product(cx, a, b)
}
