//! Recurrent layers.

use super::norm::zeros;
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Code, Diagnostic, escape};
use satura_ir::attr::Real;
use satura_ir::ops::{self, Direction, RnnActivation, RnnActivationKind};
use satura_ir::{Op, ValueId};
use satura_tensor::DType;

const DIRECTIONS: &[(&str, Direction)] = &[
    ("forward", Direction::Forward),
    ("reverse", Direction::Reverse),
    ("bidirectional", Direction::Bidirectional),
];

/// Activations by name, with the defaults of their parameters; `None` where there is no such parameter.
const ACTIVATIONS: &[(&str, RnnActivationKind, Option<f32>, Option<f32>)] = &[
    ("Relu", RnnActivationKind::Relu, None, None),
    ("Tanh", RnnActivationKind::Tanh, None, None),
    ("Sigmoid", RnnActivationKind::Sigmoid, None, None),
    ("Affine", RnnActivationKind::Affine, Some(1.0), Some(0.0)),
    ("LeakyRelu", RnnActivationKind::LeakyRelu, Some(0.01), None),
    ("ThresholdedRelu", RnnActivationKind::ThresholdedRelu, Some(1.0), None),
    ("ScaledTanh", RnnActivationKind::ScaledTanh, Some(1.0), Some(1.0)),
    ("HardSigmoid", RnnActivationKind::HardSigmoid, Some(0.2), Some(0.5)),
    ("Elu", RnnActivationKind::Elu, Some(1.0), None),
    ("Softsign", RnnActivationKind::Softsign, None, None),
    ("Softplus", RnnActivationKind::Softplus, None, None),
];

/// What all kinds of layer have in common.
struct Layer {
    direction: Direction,
    hidden: usize,
    activations: Vec<RnnActivation>,
    clip: Option<Real>,
    /// Whether the batch is the first axis.
    batch_first: bool,
}

impl Layer {
    fn read(cx: &mut NodeCx<'_>, r: ValueId, defaults: &[&str]) -> Result<Layer, Diagnostic> {
        let direction = cx.attrs.choice("direction", DIRECTIONS)?.unwrap_or(Direction::Forward);
        let of_weights = cx.shape(r).and_then(|s| s.get(2)?.as_const()).and_then(|h| usize::try_from(h).ok());
        let given =
            cx.attrs.int("hidden_size")?.map(|h| sizes("hidden_size", &[h], 1)).transpose()?.map(|h| h[0]);
        let hidden = match (given, of_weights) {
            (Some(given), Some(actual)) if given != actual => {
                return Err(bad_attribute(
                    "hidden_size",
                    format!("{given} is given, the weights have {actual}"),
                ));
            }
            (Some(hidden), _) | (None, Some(hidden)) => hidden,
            (None, None) => return Err(satura_import::Attributes::<()>::missing("hidden_size")),
        };
        let activations = activations(cx, defaults, direction.count())?;
        let clip = cx.attrs.float("clip")?;
        if clip.is_some_and(|c| c.is_nan() || c < 0.0) {
            return Err(bad_attribute("clip", "the bound must not be negative"));
        }
        let batch_first = if cx.version < 14 { false } else { cx.attrs.flag("layout")?.unwrap_or(false) };
        // Up to operator set 6, whether Y is wanted at all, which its name among the outputs says too.
        cx.attrs.ignore("output_sequence");
        Ok(Layer { direction, hidden, activations, clip: clip.map(Real::from), batch_first })
    }
}

/// The named activations of each direction, or the defaults, with parameters in order of use.
fn activations(
    cx: &mut NodeCx<'_>,
    defaults: &[&str],
    directions: usize,
) -> Result<Vec<RnnActivation>, Diagnostic> {
    let wanted = defaults.len() * directions;
    let names = match cx.attrs.strings("activations")?.filter(|names| !names.is_empty()) {
        Some(names) => names,
        None => defaults.iter().cycle().take(wanted).map(|name| (*name).to_owned()).collect(),
    };
    if names.len() != wanted {
        return Err(bad_attribute("activations", format!("{} are given, {wanted} are needed", names.len())));
    }
    let mut alphas = cx.attrs.floats("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas = cx.attrs.floats("activation_beta")?.unwrap_or_default().into_iter();
    let parameter = |default: Option<f32>, given: &mut std::vec::IntoIter<f32>| {
        Real::from(default.map_or(0.0, |default| given.next().unwrap_or(default)))
    };
    let read = |name: &String| {
        let row = ACTIVATIONS.iter().find(|row| row.0.eq_ignore_ascii_case(name));
        let row = row.ok_or_else(|| {
            bad_attribute("activations", format!("\"{}\" is not an activation", escape(name)))
        })?;
        Ok(RnnActivation {
            kind: row.1,
            alpha: parameter(row.2, &mut alphas),
            beta: parameter(row.3, &mut betas),
        })
    };
    names.iter().map(read).collect()
}

/// The inputs of a layer, the sequence first, with what is absent filled in.
struct Inputs {
    x: ValueId,
    dtype: DType,
    /// The length of each sequence, where they may differ from that of the whole.
    lengths: Option<ValueId>,
}

impl Inputs {
    fn new(
        cx: &mut NodeCx<'_>,
        layer: &Layer,
        x: ValueId,
        lengths: Option<ValueId>,
    ) -> Result<Inputs, Diagnostic> {
        if let Some(rank) = cx.rank(x).filter(|rank| *rank != 3) {
            return Err(Diagnostic::error(
                Code::Shape,
                format!("the sequence must have rank 3, it has rank {rank}"),
            )
            .at_input(0));
        }
        let dtype = cx.dtype(x)?;
        let lengths = match lengths {
            Some(lengths) => differing_lengths(cx, x, lengths, layer.batch_first)?,
            None => None,
        };
        let x = if layer.batch_first { cx.one(ops::Transpose { perm: vec![1, 0, 2] }, &[x])? } else { x };
        Ok(Inputs { x, dtype, lengths })
    }

    /// Weights `[directions, width]` that may be absent.
    fn weights(
        &self,
        cx: &mut NodeCx<'_>,
        layer: &Layer,
        given: Option<ValueId>,
        width: usize,
    ) -> Result<ValueId, Diagnostic> {
        match given {
            Some(value) => Ok(value),
            None => zeros(cx, self.dtype, &[layer.direction.count(), width * layer.hidden]),
        }
    }

    /// An initial state `[directions, N, hidden]` that may be absent.
    fn state(
        &self,
        cx: &mut NodeCx<'_>,
        layer: &Layer,
        given: Option<ValueId>,
    ) -> Result<ValueId, Diagnostic> {
        let (directions, hidden) = (layer.direction.count(), layer.hidden);
        if let Some(state) = given {
            return match layer.batch_first {
                true => cx.one(ops::Transpose { perm: vec![1, 0, 2] }, &[state]),
                false => Ok(state),
            };
        }
        let batch = cx.shape(self.x).and_then(|s| s[1].as_const()).and_then(|n| usize::try_from(n).ok());
        if let Some(batch) = batch.filter(|n| *n <= 1 << 20) {
            return zeros(cx, self.dtype, &[directions, batch, hidden]);
        }
        let zero = cx.scalar_like(self.x, 0.0)?;
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (first, last) = (cx.vector(vec![size(directions)])?, cx.vector(vec![size(hidden)])?);
        let batch = cx.one(ops::ShapeOf { start: 1, end: Some(2) }, &[self.x])?;
        let shape = cx.one(ops::Concat { axis: 0 }, &[first, batch, last])?;
        cx.one(ops::BroadcastDyn {}, &[zero, shape])
    }
}

/// The lengths, unless all of them are known to be that of the whole sequence.
fn differing_lengths(
    cx: &NodeCx<'_>,
    x: ValueId,
    lengths: ValueId,
    batch_first: bool,
) -> Result<Option<ValueId>, Diagnostic> {
    let extent = |axis: usize| cx.shape(x).and_then(|s| s[axis].as_const());
    let (steps, batch) = (extent(usize::from(batch_first)), extent(usize::from(!batch_first)));
    let (Some(known), Some(steps)) = (cx.ints(lengths), steps) else { return Ok(Some(lengths)) };
    if known.iter().any(|l| !(0..=steps).contains(l)) {
        let message = format!("a sequence length is not within 0 and {steps}");
        return Err(Diagnostic::error(Code::BadValue, message).at_input(4));
    }
    let one_each = batch.is_none_or(|batch| usize::try_from(batch) == Ok(known.len()));
    Ok((!one_each || known.iter().any(|l| *l != steps)).then_some(lengths))
}

/// The outputs as the model wants them: with the batch first where it says so.
fn outputs(
    cx: &mut NodeCx<'_>,
    layer: &Layer,
    op: impl Into<Op>,
    inputs: &[ValueId],
    lengths: Option<ValueId>,
) -> Converted {
    let inputs: Vec<ValueId> = inputs.iter().copied().chain(lengths).collect();
    let results = cx.emit(op, &inputs)?;
    if !layer.batch_first {
        return Ok(results);
    }
    let perms = [vec![2, 0, 1, 3], vec![1, 0, 2], vec![1, 0, 2]];
    results.into_iter().zip(perms).map(|(value, perm)| cx.one(ops::Transpose { perm }, &[value])).collect()
}

pub(super) fn rnn(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, w, r], [b, lengths, h0]) = cx.args()?;
    let layer = Layer::read(cx, r, &["Tanh"])?;
    let inputs = Inputs::new(cx, &layer, x, lengths)?;
    let b = inputs.weights(cx, &layer, b, 2)?;
    let h0 = inputs.state(cx, &layer, h0)?;
    let op = ops::Rnn {
        direction: layer.direction,
        hidden: layer.hidden,
        activations: layer.activations.clone(),
        clip: layer.clip,
    };
    outputs(cx, &layer, op, &[inputs.x, w, r, b, h0], inputs.lengths)
}

pub(super) fn lstm(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, w, r], [b, lengths, h0, c0, p]) = cx.args()?;
    let layer = Layer::read(cx, r, &["Sigmoid", "Tanh", "Tanh"])?;
    let input_forget = cx.attrs.flag("input_forget")?.unwrap_or(false);
    let inputs = Inputs::new(cx, &layer, x, lengths)?;
    let b = inputs.weights(cx, &layer, b, 8)?;
    let h0 = inputs.state(cx, &layer, h0)?;
    let c0 = inputs.state(cx, &layer, c0)?;
    let p = inputs.weights(cx, &layer, p, 3)?;
    let op = ops::Lstm {
        direction: layer.direction,
        hidden: layer.hidden,
        activations: layer.activations.clone(),
        clip: layer.clip,
        input_forget,
    };
    outputs(cx, &layer, op, &[inputs.x, w, r, b, h0, c0, p], inputs.lengths)
}

pub(super) fn gru(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, w, r], [b, lengths, h0]) = cx.args()?;
    let layer = Layer::read(cx, r, &["Sigmoid", "Tanh"])?;
    let linear_before_reset = cx.attrs.flag("linear_before_reset")?.unwrap_or(false);
    let inputs = Inputs::new(cx, &layer, x, lengths)?;
    let b = inputs.weights(cx, &layer, b, 6)?;
    let h0 = inputs.state(cx, &layer, h0)?;
    let op = ops::Gru {
        direction: layer.direction,
        hidden: layer.hidden,
        activations: layer.activations.clone(),
        clip: layer.clip,
        linear_before_reset,
    };
    outputs(cx, &layer, op, &[inputs.x, w, r, b, h0], inputs.lengths)
}
