//! Softmax and normalisations.

use super::attribute::{float, int};
use super::cx::{Cx, Form, NoForm};
use super::takes::{BFLOAT, FLOAT_13, FLOAT_22, FLOATS, Takes, exactly};
use satura_ir::ops;

pub(super) fn softmax(cx: &mut Cx<'_>, op: &ops::Softmax) -> Form {
    exactly(cx, "Softmax", FLOAT_13, vec![int("axis", op.axis)])
}

pub(super) fn log_softmax(cx: &mut Cx<'_>, op: &ops::LogSoftmax) -> Form {
    exactly(cx, "LogSoftmax", FLOAT_13, vec![int("axis", op.axis)])
}

pub(super) fn batch_norm(cx: &mut Cx<'_>, op: &ops::BatchNorm) -> Form {
    let takes: &Takes = &[(1, FLOATS), (14, BFLOAT)];
    exactly(cx, "BatchNormalization", takes, vec![float("epsilon", op.epsilon.get())])
}

/// Scale and bias must have the extents of the normalised axes.
pub(super) fn layer_norm(cx: &mut Cx<'_>, op: &ops::LayerNorm) -> Form {
    cx.need("LayerNormalization", 17)?;
    let shape = cx.need_shape(0)?;
    let axis = ops::axis_index(op.axis, shape.len()).map_err(|error| NoForm::new(error.to_string()))?;
    if (1..=2).any(|i| cx.shape(i).is_none_or(|parameter| parameter[..] != shape[axis..])) {
        return Err(NoForm::new("LayerNormalization broadcasts no scale and bias"));
    }
    exactly(
        cx,
        "LayerNormalization",
        FLOAT_13,
        vec![int("axis", op.axis), float("epsilon", op.epsilon.get())],
    )
}

pub(super) fn instance_norm(cx: &mut Cx<'_>, op: &ops::InstanceNorm) -> Form {
    exactly(cx, "InstanceNormalization", FLOAT_22, vec![float("epsilon", op.epsilon.get())])
}

/// Before operator set 21 there was one scale for each group, not for each channel.
pub(super) fn group_norm(cx: &mut Cx<'_>, op: &ops::GroupNorm) -> Form {
    cx.need("GroupNormalization", 21)?;
    let groups = int("num_groups", i64::try_from(op.groups).unwrap_or(i64::MAX));
    exactly(cx, "GroupNormalization", FLOAT_13, vec![groups, float("epsilon", op.epsilon.get())])
}
