//! Normalisation.

use crate::node::{Converted, NodeCx, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Tensor, cast};

fn epsilon(cx: &mut NodeCx<'_>) -> Result<Real, Diagnostic> {
    Ok(Real::from(cx.attrs.float("epsilon")?.unwrap_or(1e-5)))
}

/// At inference: with the recorded mean and variance.
pub(super) fn batch_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, bias, mean, var], []) = cx.args()?;
    let epsilon = epsilon(cx)?;
    cx.attrs.ignore("momentum");
    if cx.version < 9 && cx.attrs.int("spatial")?.unwrap_or(1) != 1 {
        return Err(unsupported("statistics per activation are not supported").at_attribute("spatial"));
    }
    if cx.version >= 14 && cx.attrs.flag("training_mode")?.unwrap_or(false) {
        return Err(unsupported("training mode is not supported: export the model for inference")
            .at_attribute("training_mode"));
    }
    cx.only_outputs(1, "batch normalisation with its statistics as outputs: export the model for inference")?;
    cx.emit(ops::BatchNorm { epsilon }, &[x, scale, bias, mean, var])
}

pub(super) fn instance_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, bias], []) = cx.args()?;
    let epsilon = epsilon(cx)?;
    cx.emit(ops::InstanceNorm { epsilon }, &[x, scale, bias])
}

pub(super) fn layer_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale], [bias]) = cx.args()?;
    let epsilon = epsilon(cx)?;
    let axis = cx.attrs.int("axis")?.unwrap_or(-1);
    // The precision of the statistics: they are computed in at least this one.
    cx.attrs.ignore("stash_type");
    let bias = match bias {
        Some(bias) => bias,
        None => zeros_like(cx, scale)?,
    };
    let mut outputs = cx.emit(ops::LayerNorm { axis, epsilon }, &[x, scale, bias])?;
    if cx.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        outputs.extend(statistics(cx, x, axis, epsilon)?);
    }
    Ok(outputs)
}

/// The mean and `1 / sqrt(variance + epsilon)` over the axes from `axis` on.
fn statistics(cx: &mut NodeCx<'_>, x: ValueId, axis: i64, epsilon: Real) -> Result<[ValueId; 2], Diagnostic> {
    let axes = Some(axes_from(cx, x, axis)?);
    let mean = cx.one(ops::Mean { axes: axes.clone(), keep: true }, &[x])?;
    let centred = cx.one(ops::Sub {}, &[x, mean])?;
    let square = cx.one(ops::Mul {}, &[centred, centred])?;
    let variance = cx.one(ops::Mean { axes, keep: true }, &[square])?;
    let (epsilon, one) = (cx.scalar_like(x, epsilon.get())?, cx.scalar_like(x, 1.0)?);
    let shifted = cx.one(ops::Add {}, &[variance, epsilon])?;
    let root = cx.one(ops::Sqrt {}, &[shifted])?;
    Ok([mean, cx.one(ops::Div {}, &[one, root])?])
}

/// The axes from `axis` on.
fn axes_from(cx: &NodeCx<'_>, x: ValueId, axis: i64) -> Result<Vec<i64>, Diagnostic> {
    let rank = cx.need_rank(x, "the axes to normalise over")?;
    let first = ops::axis_index(axis, rank)?;
    Ok((first..rank).filter_map(|a| i64::try_from(a).ok()).collect())
}

/// Zeros of the dtype and shape of a value whose shape is constant.
fn zeros_like(cx: &mut NodeCx<'_>, like: ValueId) -> Result<ValueId, Diagnostic> {
    let dtype = cx.dtype(like)?;
    let sizes = cx
        .ty(like)
        .sizes()
        .ok_or_else(|| Diagnostic::error(Code::NotConstant, "the shape of the scale is not known"))?;
    zeros(cx, dtype, &sizes)
}

/// Zeros of a floating point dtype.
pub(super) fn zeros(cx: &mut NodeCx<'_>, dtype: DType, sizes: &[usize]) -> Result<ValueId, Diagnostic> {
    let zeros = Tensor::from_vec(vec![0.0f32; sizes.iter().product()], sizes);
    let zeros = cast(&zeros, dtype)
        .ok_or_else(|| Diagnostic::error(Code::DType, format!("{dtype} has no numbers")))?;
    cx.constant(zeros)
}

/// From operator set 21 on: scale and bias of each channel. (Before, they were of each group.)
pub(super) fn group_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, bias], []) = cx.args()?;
    let epsilon = epsilon(cx)?;
    cx.attrs.ignore("stash_type");
    let groups = cx.attrs.int("num_groups")?.ok_or_else(|| Attributes::<()>::missing("num_groups"))?;
    let groups = sizes("num_groups", &[groups], 1)?[0];
    cx.emit(ops::GroupNorm { groups, epsilon }, &[x, scale, bias])
}

/// `x / sqrt(mean(x^2) + epsilon) * scale` over the axes from `axis` on.
pub(super) fn rms_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale], []) = cx.args()?;
    let epsilon = epsilon(cx)?;
    let axis = cx.attrs.int("axis")?.unwrap_or(-1);
    cx.attrs.ignore("stash_type");
    let axes = axes_from(cx, x, axis)?;
    let square = cx.one(ops::Mul {}, &[x, x])?;
    let mean = cx.one(ops::Mean { axes: Some(axes), keep: true }, &[square])?;
    let epsilon = cx.scalar_like(x, epsilon.get())?;
    let shifted = cx.one(ops::Add {}, &[mean, epsilon])?;
    let root = cx.one(ops::Sqrt {}, &[shifted])?;
    let normal = cx.one(ops::Div {}, &[x, root])?;
    cx.emit(ops::Mul {}, &[normal, scale])
}
