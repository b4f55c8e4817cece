//! Activations: composites that have an operator of their own.

use super::attribute::{float, text};
use super::cx::{Cx, Form, NoForm};
use super::takes::{BFLOAT, FLOAT, FLOAT_22, FLOATS, NUMBERS, SIGNED_INTS, exactly};
use satura_ir::ops;

pub(super) fn relu(cx: &mut Cx<'_>, _: &ops::Relu) -> Form {
    exactly(cx, "Relu", &[(1, FLOATS), (13, BFLOAT), (14, SIGNED_INTS)], Vec::new())
}

pub(super) fn leaky_relu(cx: &mut Cx<'_>, op: &ops::LeakyRelu) -> Form {
    exactly(cx, "LeakyRelu", &[(1, FLOATS), (16, BFLOAT)], vec![float("alpha", op.alpha.get())])
}

pub(super) fn elu(cx: &mut Cx<'_>, op: &ops::Elu) -> Form {
    exactly(cx, "Elu", FLOAT_22, vec![float("alpha", op.alpha.get())])
}

pub(super) fn hard_sigmoid(cx: &mut Cx<'_>, op: &ops::HardSigmoid) -> Form {
    let attributes = vec![float("alpha", op.alpha.get()), float("beta", op.beta.get())];
    exactly(cx, "HardSigmoid", FLOAT_22, attributes)
}

pub(super) fn hard_swish(cx: &mut Cx<'_>, _: &ops::HardSwish) -> Form {
    cx.need("HardSwish", 14)?;
    exactly(cx, "HardSwish", FLOAT_22, Vec::new())
}

/// onnxruntime up to 1.32 runs Swish as a function of operator set 24 and not of later ones; the product says the same everywhere.
pub(super) fn silu(cx: &mut Cx<'_>, _: &ops::Silu) -> Form {
    if cx.version() != 24 {
        return Err(NoForm::new("Swish is written at operator set 24 only"));
    }
    exactly(cx, "Swish", FLOAT, Vec::new())
}

pub(super) fn softplus(cx: &mut Cx<'_>, _: &ops::Softplus) -> Form {
    exactly(cx, "Softplus", FLOAT_22, Vec::new())
}

pub(super) fn gelu(cx: &mut Cx<'_>, op: &ops::Gelu) -> Form {
    cx.need("Gelu", 20)?;
    exactly(cx, "Gelu", FLOAT, vec![text("approximate", if op.approximate { "tanh" } else { "none" })])
}

pub(super) fn clip(cx: &mut Cx<'_>, _: &ops::Clip) -> Form {
    exactly(cx, "Clip", NUMBERS, Vec::new())
}
