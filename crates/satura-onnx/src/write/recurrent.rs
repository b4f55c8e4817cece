//! Recurrent layers.

use super::attribute::{flag, float, floats, int, text, texts};
use super::cx::{Cx, Form, NoForm};
use super::names::Name;
use super::takes::{FLOAT_22, is_taken};
use crate::proto::AttributeProto;
use satura_ir::attr::Real;
use satura_ir::ops::{self, Direction, RnnActivation, RnnActivationKind};

/// The name of an activation, and whether it has the parameters alpha and beta.
fn activation(kind: RnnActivationKind) -> (&'static str, bool, bool) {
    match kind {
        RnnActivationKind::Relu => ("Relu", false, false),
        RnnActivationKind::Tanh => ("Tanh", false, false),
        RnnActivationKind::Sigmoid => ("Sigmoid", false, false),
        RnnActivationKind::Affine => ("Affine", true, true),
        RnnActivationKind::LeakyRelu => ("LeakyRelu", true, false),
        RnnActivationKind::ThresholdedRelu => ("ThresholdedRelu", true, false),
        RnnActivationKind::ScaledTanh => ("ScaledTanh", true, true),
        RnnActivationKind::HardSigmoid => ("HardSigmoid", true, true),
        RnnActivationKind::Elu => ("Elu", true, false),
        RnnActivationKind::Softsign => ("Softsign", false, false),
        RnnActivationKind::Softplus => ("Softplus", false, false),
    }
}

/// What the kinds of layer have in common. Parameters are listed for the activations that have them.
fn attributes(
    direction: Direction,
    hidden: usize,
    activations: &[RnnActivation],
    clip: Option<Real>,
) -> Vec<AttributeProto> {
    let direction = match direction {
        Direction::Forward => "forward",
        Direction::Reverse => "reverse",
        Direction::Bidirectional => "bidirectional",
    };
    let rows = || activations.iter().map(|a| (a, activation(a.kind)));
    let alphas: Vec<f32> = rows().filter(|(_, row)| row.1).map(|(a, _)| a.alpha.get() as f32).collect();
    let betas: Vec<f32> = rows().filter(|(_, row)| row.2).map(|(a, _)| a.beta.get() as f32).collect();
    let mut attributes = vec![
        int("hidden_size", i64::try_from(hidden).unwrap_or(i64::MAX)),
        text("direction", direction),
        texts("activations", rows().map(|(_, row)| row.0)),
    ];
    if !alphas.is_empty() {
        attributes.push(floats("activation_alpha", alphas));
    }
    if !betas.is_empty() {
        attributes.push(floats("activation_beta", betas));
    }
    attributes.extend(clip.map(|clip| float("clip", clip.get())));
    attributes
}

/// An optional input, left out where it is the zeros that it stands for then.
fn optional(cx: &mut Cx<'_>, i: usize) -> Name {
    if cx.is_zero(i) { "".into() } else { cx.input(i) }
}

/// The lengths of the sequences, input `i` where the layer has it.
fn lengths(cx: &mut Cx<'_>, i: usize) -> Name {
    if i < cx.count() { cx.input(i) } else { "".into() }
}

/// The outputs of the operator are laid out as those of the op: `Y: [T, D, N, H]`, the last states `[D, N, H]`.
fn layer(cx: &mut Cx<'_>, op: &str, inputs: &[Name], attributes: Vec<AttributeProto>) -> Form {
    cx.result_read(op, inputs, attributes)
}

fn check(cx: &Cx<'_>, op: &str) -> Form {
    let dtype = cx.dtype(0)?;
    if is_taken(FLOAT_22, cx.version(), dtype) {
        Ok(())
    } else {
        Err(NoForm::new(format!("{op} takes no {dtype}")))
    }
}

pub(super) fn lstm(cx: &mut Cx<'_>, op: &ops::Lstm) -> Form {
    check(cx, "LSTM")?;
    let mut all = attributes(op.direction, op.hidden, &op.activations, op.clip);
    if op.input_forget {
        all.push(flag("input_forget", true));
    }
    let inputs = [
        cx.input(0),
        cx.input(1),
        cx.input(2),
        optional(cx, 3),
        lengths(cx, 7),
        optional(cx, 4),
        optional(cx, 5),
        optional(cx, 6),
    ];
    layer(cx, "LSTM", &inputs, all)
}

pub(super) fn gru(cx: &mut Cx<'_>, op: &ops::Gru) -> Form {
    check(cx, "GRU")?;
    let mut all = attributes(op.direction, op.hidden, &op.activations, op.clip);
    all.push(flag("linear_before_reset", op.linear_before_reset));
    let inputs = [cx.input(0), cx.input(1), cx.input(2), optional(cx, 3), lengths(cx, 5), optional(cx, 4)];
    layer(cx, "GRU", &inputs, all)
}

pub(super) fn rnn(cx: &mut Cx<'_>, op: &ops::Rnn) -> Form {
    check(cx, "RNN")?;
    let all = attributes(op.direction, op.hidden, &op.activations, op.clip);
    let inputs = [cx.input(0), cx.input(1), cx.input(2), optional(cx, 3), lengths(cx, 5), optional(cx, 4)];
    layer(cx, "RNN", &inputs, all)
}
