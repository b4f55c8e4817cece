//! Ops that choose between their inputs, element by element.

use crate::vjp::{Gradients, Vjp};
use satura_ir::ValueId;

/// The gradient goes to the input that `wins(a, b)` says; both get half where they are equal.
fn choice(
    cx: &mut Vjp<'_>,
    wins: impl Fn(&mut Vjp<'_>, ValueId, ValueId) -> crate::vjp::Emitted,
) -> Gradients {
    let inputs = [cx.inputs[0], cx.inputs[1]];
    let same = cx.equal(inputs[0], inputs[1])?;
    let mut gradients = vec![None, None];
    for own in [0, 1] {
        if !cx.wanted[own] {
            continue;
        }
        let wins = wins(cx, inputs[own], inputs[1 - own])?;
        let wins = cx.indicator(wins, inputs[0])?;
        let half = cx.scalar(inputs[0], 0.5)?;
        let share = cx.select(same, half, wins)?;
        let whole = cx.mul(cx.gradient, share)?;
        gradients[own] = Some(cx.unbroadcast(whole, inputs[own])?);
    }
    Ok(gradients)
}

/// To the greater one.
pub(super) fn max(cx: &mut Vjp<'_>) -> Gradients {
    choice(cx, |cx, own, other| cx.less(other, own))
}

/// To the lesser one.
pub(super) fn min(cx: &mut Vjp<'_>) -> Gradients {
    choice(cx, |cx, own, other| cx.less(own, other))
}

/// To the one that the condition chose.
pub(super) fn select(cx: &mut Vjp<'_>) -> Gradients {
    let condition = cx.inputs[0];
    let mut gradients = vec![None; 3];
    let zero = cx.scalar(cx.gradient, 0.0)?;
    for at in [1, 2] {
        if cx.wanted[at] {
            let (yes, no) = if at == 1 { (cx.gradient, zero) } else { (zero, cx.gradient) };
            let whole = cx.select(condition, yes, no)?;
            gradients[at] = Some(cx.unbroadcast(whole, cx.inputs[at])?);
        }
    }
    Ok(gradients)
}
