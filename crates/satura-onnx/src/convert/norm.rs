//! Normalisation.

use crate::node::{Converted, NodeCx, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim, Tensor, cast};

fn epsilon(cx: &mut NodeCx<'_>) -> Result<Real, Diagnostic> {
    Ok(Real::from(cx.attrs.float("epsilon")?.unwrap_or(1e-5)))
}

/// With the recorded mean and variance or, in training mode, with those of the batch; then the second and third outputs are the recorded ones moved towards them.
pub(super) fn batch_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale, bias, mean, var], []) = cx.args()?;
    let epsilon = epsilon(cx)?;
    let momentum = f64::from(cx.attrs.float("momentum")?.unwrap_or(0.9));
    if cx.version < 9 && cx.attrs.int("spatial")?.unwrap_or(1) != 1 {
        return Err(unsupported("statistics per activation are not supported").at_attribute("spatial"));
    }
    if cx.version >= 14 && cx.attrs.flag("training_mode")?.unwrap_or(false) {
        return batch_norm_training(cx, [x, scale, bias, mean, var], epsilon, momentum);
    }
    cx.only_outputs(1, "batch normalisation with its statistics as outputs: export the model for inference")?;
    cx.emit(ops::BatchNorm { epsilon }, &[x, scale, bias, mean, var])
}

fn batch_norm_training(
    cx: &mut NodeCx<'_>,
    [x, scale, bias, mean, var]: [ValueId; 5],
    epsilon: Real,
    momentum: f64,
) -> Converted {
    let rank = cx.need_rank(x, "the axes of its statistics")?;
    let axes: Vec<i64> =
        (0..rank).filter(|axis| *axis != 1).filter_map(|axis| i64::try_from(axis).ok()).collect();
    let average = |keep| ops::Mean { axes: Some(axes.clone()), keep };
    let of_batch = cx.one(average(true), &[x])?;
    let centred = cx.sub(x, of_batch)?;
    let square = cx.mul(centred, centred)?;
    let (wide_mean, wide_var) = (cx.one(average(false), &[x])?, cx.one(average(false), &[square])?);
    // The statistics may have a dtype of their own.
    let dtype = cx.dtype(mean)?;
    let (batch_mean, batch_var) = (cx.cast(wide_mean, dtype)?, cx.cast(wide_var, dtype)?);
    let y = cx.one(ops::BatchNorm { epsilon }, &[x, scale, bias, batch_mean, batch_var])?;
    let mut moved = |old, new| {
        let (old, new) = (cx.scale(old, momentum)?, cx.scale(new, 1.0 - momentum)?);
        cx.add(old, new)
    };
    Ok(vec![y, moved(mean, batch_mean)?, moved(var, batch_var)?])
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

/// More zeros than these are not laid out in memory.
const MOST_ZEROS: usize = 1 << 24;

/// Zeros of a floating point dtype.
pub(super) fn zeros(cx: &mut NodeCx<'_>, dtype: DType, sizes: &[usize]) -> Result<ValueId, Diagnostic> {
    let count = sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let Some(count) = count.filter(|count| *count <= MOST_ZEROS) else {
        return Err(Diagnostic::error(
            Code::ResourceLimit,
            format!("zeros of sizes {sizes:?} in place of an absent input"),
        ));
    };
    let zeros = Tensor::from_vec(vec![0.0f32; count], sizes);
    let zeros = cast(&zeros, dtype)
        .ok_or_else(|| Diagnostic::error(Code::DType, format!("{dtype} has no numbers")))?;
    cx.constant(zeros)
}

/// Scale and bias are of each channel; before operator set 21 they are of each group.
pub(super) fn group_norm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, mut scale, mut bias], []) = cx.args()?;
    let epsilon = epsilon(cx)?;
    let groups = cx.attrs.int("num_groups")?.ok_or_else(|| Attributes::<()>::missing("num_groups"))?;
    let groups = sizes("num_groups", &[groups], 1)?[0];
    if cx.version >= 21 {
        cx.attrs.ignore("stash_type");
    } else {
        let channels = cx.dims(x, "its channels")?.get(1).cloned().unwrap_or(Dim::from(0));
        let mut spread = |value: ValueId| {
            let column = cx.reshape(value, vec![Dim::from(groups), Dim::from(1)])?;
            let each = channels.exact_quotient(&Dim::from(groups)).ok_or_else(|| {
                Diagnostic::error(
                    Code::Shape,
                    format!("{channels} channels are no multiple of {groups} groups"),
                )
            })?;
            let rows = cx.broadcast(column, vec![Dim::from(groups), each])?;
            cx.reshape(rows, vec![channels.clone()])
        };
        (scale, bias) = (spread(scale)?, spread(bias)?);
    }
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
