//! Activations: composites that have an operator of their own.

use super::attribute::{float, text};
use super::cx::{Cx, Form, NoForm};
use super::takes::{FLOAT, FLOATS, NUMBERS, SIGNED_INTS, pointwise};
use satura_ir::ops;

pub(super) fn relu(cx: &mut Cx<'_>, _: &ops::Relu) -> Form {
    pointwise(cx, "Relu", &[(1, FLOATS), (14, SIGNED_INTS)], Vec::new())
}

pub(super) fn leaky_relu(cx: &mut Cx<'_>, op: &ops::LeakyRelu) -> Form {
    pointwise(cx, "LeakyRelu", FLOAT, vec![float("alpha", op.alpha.get())])
}

pub(super) fn elu(cx: &mut Cx<'_>, op: &ops::Elu) -> Form {
    pointwise(cx, "Elu", FLOAT, vec![float("alpha", op.alpha.get())])
}

pub(super) fn hard_sigmoid(cx: &mut Cx<'_>, op: &ops::HardSigmoid) -> Form {
    let attributes = vec![float("alpha", op.alpha.get()), float("beta", op.beta.get())];
    pointwise(cx, "HardSigmoid", FLOAT, attributes)
}

pub(super) fn hard_swish(cx: &mut Cx<'_>, _: &ops::HardSwish) -> Form {
    cx.need("HardSwish", 14)?;
    pointwise(cx, "HardSwish", FLOAT, Vec::new())
}

/// onnxruntime up to 1.32 runs Swish as a function of operator set 24 and not of later ones; the product says the same everywhere.
pub(super) fn silu(cx: &mut Cx<'_>, _: &ops::Silu) -> Form {
    if cx.version() != 24 {
        return Err(NoForm::new("Swish is written at operator set 24 only"));
    }
    pointwise(cx, "Swish", FLOAT, Vec::new())
}

pub(super) fn softplus(cx: &mut Cx<'_>, _: &ops::Softplus) -> Form {
    pointwise(cx, "Softplus", FLOAT, Vec::new())
}

pub(super) fn gelu(cx: &mut Cx<'_>, op: &ops::Gelu) -> Form {
    cx.need("Gelu", 20)?;
    pointwise(cx, "Gelu", FLOAT, vec![text("approximate", if op.approximate { "tanh" } else { "none" })])
}

pub(super) fn clip(cx: &mut Cx<'_>, _: &ops::Clip) -> Form {
    pointwise(cx, "Clip", NUMBERS, Vec::new())
}
