//! Long short-term memory with quantised weights, whose inputs and states are quantised by their own range on the way.

use super::super::quantize::{centre, suitable, to_integers};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim};

/// A matrix of 8 bits, `[K, 4 H]`, as integers, and its scale, one or one for each column.
struct Quantised {
    integers: ValueId,
    scale: ValueId,
}

impl Quantised {
    /// The matrix of one direction.
    fn read(cx: &mut NodeCx<'_>, all: [ValueId; 3], direction: usize) -> Result<Quantised, Diagnostic> {
        let [weights, scale, zero] = all;
        let mut of = |x: ValueId| cx.part(x, 0, Dim::from(direction), Dim::from(1));
        let [weights, scale, zero] = [of(weights)?, of(scale)?, of(zero)?];
        let weights = cx.squeeze(weights, &[0])?;
        Ok(Quantised { integers: centre(cx, weights, Some(zero))?, scale })
    }

    /// `x: [.., K]` times the matrix, through integers of 8 bits.
    fn product(&self, cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
        let [x_scale, x_zero] = suitable(cx, x)?;
        let ratio = cx.div(x, x_scale)?;
        let x = to_integers(cx, ratio, Some(x_zero), DType::U8)?;
        let x = centre(cx, x, Some(x_zero))?;
        let sums = cx.matmul(x, self.integers)?;
        let sums = cx.cast(sums, DType::F32)?;
        let factor = cx.mul(x_scale, self.scale)?;
        cx.mul(sums, factor)
    }
}

/// What one direction gives.
struct Outcome {
    /// `[T, 1, N, H]`.
    all: ValueId,
    /// `[1, N, H]` each: the last states.
    last: [ValueId; 2],
}

/// The steps are unrolled. Gates lie in the order input, output, forget, cell.
pub(in crate::convert) fn dynamic_quantized(cx: &mut NodeCx<'_>) -> Converted {
    cx.args::<3, 9>()?;
    let optional = |cx: &NodeCx<'_>, i: usize| cx.inputs.get(i).copied().flatten();
    let needed = |cx: &NodeCx<'_>, i: usize| {
        optional(cx, i).ok_or_else(|| Diagnostic::error(Code::InputCount, "the input is missing").at_input(i))
    };
    let x = needed(cx, 0)?;
    let weights = [needed(cx, 1)?, needed(cx, 8)?, needed(cx, 9)?];
    let recurrent = [needed(cx, 2)?, needed(cx, 10)?, needed(cx, 11)?];
    let (bias, states) = (optional(cx, 3), [optional(cx, 5), optional(cx, 6)]);
    if optional(cx, 4).is_some() {
        return Err(unsupported("sequences of different lengths").at_input(4));
    }
    if optional(cx, 7).is_some() {
        return Err(unsupported("peepholes").at_input(7));
    }
    let hidden = cx.attrs.int("hidden_size")?.ok_or_else(|| Attributes::<()>::missing("hidden_size"))?;
    let hidden = sizes("hidden_size", &[hidden], 1)?[0];
    let directions =
        [("forward", [false, false]), ("reverse", [true, true]), ("bidirectional", [false, true])];
    let count = if cx.attrs.has("direction") {
        let named = cx.attrs.choice("direction", &directions)?.unwrap_or([false, false]);
        if named[0] == named[1] { vec![named[0]] } else { named.to_vec() }
    } else {
        vec![false]
    };
    plain_only(cx)?;
    let mut outcomes = Vec::new();
    for (direction, reversed) in count.into_iter().enumerate() {
        let weights = Quantised::read(cx, weights, direction)?;
        let recurrent = Quantised::read(cx, recurrent, direction)?;
        let bias = match bias {
            Some(bias) => {
                let row = cx.part(bias, 0, Dim::from(direction), Dim::from(1))?;
                let width = Dim::from(4 * hidden);
                let (input, state) =
                    (cx.part(row, 1, Dim::from(0), width.clone())?, cx.part(row, 1, width.clone(), width)?);
                Some(cx.add(input, state)?)
            }
            None => None,
        };
        let [batch, features] = {
            let [_, batch, features] = cx.dims_of::<3>(x, "a sequence")?;
            [batch, features]
        };
        let mut first = |state: Option<ValueId>| match state {
            Some(state) => {
                let state = cx.part(state, 0, Dim::from(direction), Dim::from(1))?;
                cx.squeeze(state, &[0])
            }
            None => {
                let zero = cx.scalar(DType::F32, 0.0)?;
                cx.broadcast(zero, vec![batch.clone(), Dim::from(hidden)])
            }
        };
        let states = [first(states[0])?, first(states[1])?];
        if features.is(0) {
            return Err(Diagnostic::error(Code::Shape, "a sequence without features").at_input(0));
        }
        let mut inputs = weights.product(cx, x)?;
        if let Some(bias) = bias {
            inputs = cx.add(inputs, bias)?;
        }
        outcomes.push(run(cx, inputs, &recurrent, states, hidden, reversed)?);
    }
    let all: Vec<ValueId> = outcomes.iter().map(|outcome| outcome.all).collect();
    let mut last = |which: usize| {
        let states: Vec<ValueId> = outcomes.iter().map(|outcome| outcome.last[which]).collect();
        cx.concat(&states, 0)
    };
    let (h, c) = (last(0)?, last(1)?);
    Ok(vec![cx.concat(&all, 1)?, h, c])
}

/// Refuses what only the standard op does.
fn plain_only(cx: &mut NodeCx<'_>) -> Result<(), Diagnostic> {
    if cx.attrs.flag("input_forget")?.unwrap_or(false) {
        return Err(unsupported("coupled gates").at_attribute("input_forget"));
    }
    if cx.attrs.has("clip") {
        return Err(unsupported("bounded gates").at_attribute("clip"));
    }
    let names = cx.attrs.strings("activations")?.unwrap_or_default();
    let usual = ["Sigmoid", "Tanh", "Tanh"];
    if names.iter().zip(usual.iter().cycle()).any(|(name, usual)| !name.eq_ignore_ascii_case(usual)) {
        return Err(bad_attribute("activations", "only Sigmoid, Tanh, Tanh are supported"));
    }
    cx.attrs.ignore("activation_alpha");
    cx.attrs.ignore("activation_beta");
    Ok(())
}

/// All steps of one direction. `inputs: [T, N, 4 H]` is what the sequence adds to the gates.
fn run(
    cx: &mut NodeCx<'_>,
    inputs: ValueId,
    recurrent: &Quantised,
    [mut h, mut c]: [ValueId; 2],
    hidden: usize,
    reversed: bool,
) -> Result<Outcome, Diagnostic> {
    let [steps, batch, _] = cx.dims_of::<3>(inputs, "a sequence")?;
    let steps = cx.constant_dim(&steps, "the length of the sequence")?;
    let mut rows = Vec::with_capacity(steps);
    for step in 0..steps {
        let at = if reversed { steps - 1 - step } else { step };
        let input = cx.part(inputs, 0, Dim::from(at), Dim::from(1))?;
        let input = cx.squeeze(input, &[0])?;
        let state = recurrent.product(cx, h)?;
        let gates = cx.add(input, state)?;
        let mut gate = |which: usize| cx.part(gates, 1, Dim::from(which * hidden), Dim::from(hidden));
        let [input, output, forget, cell] = [gate(0)?, gate(1)?, gate(2)?, gate(3)?];
        let (input, forget) = (cx.map(ops::Sigmoid {}, input)?, cx.map(ops::Sigmoid {}, forget)?);
        let (output, cell) = (cx.map(ops::Sigmoid {}, output)?, cx.map(ops::Tanh {}, cell)?);
        let (kept, new) = (cx.mul(forget, c)?, cx.mul(input, cell)?);
        c = cx.add(kept, new)?;
        let bent = cx.map(ops::Tanh {}, c)?;
        h = cx.mul(output, bent)?;
        rows.push(cx.unsqueeze(h, &[0, 1])?);
    }
    if reversed {
        rows.reverse();
    }
    let all = if rows.is_empty() {
        let zero = cx.scalar(DType::F32, 0.0)?;
        cx.broadcast(zero, vec![Dim::from(0), Dim::from(1), batch, Dim::from(hidden)])?
    } else {
        cx.concat(&rows, 0)?
    };
    Ok(Outcome { all, last: [cx.unsqueeze(h, &[0])?, cx.unsqueeze(c, &[0])?] })
}
