//! Arithmetic of two inputs `a` and `b`, which broadcast: what was repeated is summed up again. `g` is the gradient of the output `y`.

use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::ValueId;
use satura_ir::ops::{self, RemKind};

/// The gradients of both inputs, each made only where it is wanted.
fn both(
    cx: &mut Vjp<'_>,
    of_a: impl FnOnce(&mut Vjp<'_>, ValueId, ValueId) -> Emitted,
    of_b: impl FnOnce(&mut Vjp<'_>, ValueId, ValueId) -> Emitted,
) -> Gradients {
    let [a, b] = [cx.inputs[0], cx.inputs[1]];
    let mut gradients = vec![None, None];
    if cx.wanted[0] {
        let whole = of_a(cx, a, b)?;
        gradients[0] = Some(cx.unbroadcast(whole, a)?);
    }
    if cx.wanted[1] {
        let whole = of_b(cx, a, b)?;
        gradients[1] = Some(cx.unbroadcast(whole, b)?);
    }
    Ok(gradients)
}

/// `g`, `g`.
pub(super) fn add(cx: &mut Vjp<'_>) -> Gradients {
    both(cx, |cx, _, _| Ok(cx.gradient), |cx, _, _| Ok(cx.gradient))
}

/// `g`, `-g`.
pub(super) fn sub(cx: &mut Vjp<'_>) -> Gradients {
    both(cx, |cx, _, _| Ok(cx.gradient), |cx, _, _| cx.neg(cx.gradient))
}

/// `g * b`, `g * a`.
pub(super) fn mul(cx: &mut Vjp<'_>) -> Gradients {
    both(cx, |cx, _, b| cx.mul(cx.gradient, b), |cx, a, _| cx.mul(cx.gradient, a))
}

/// `g / b`, `-g * y / b`.
pub(super) fn div(cx: &mut Vjp<'_>) -> Gradients {
    both(
        cx,
        |cx, _, b| cx.div(cx.gradient, b),
        |cx, _, b| {
            let product = cx.mul(cx.gradient, cx.outputs[0])?;
            let quotient = cx.div(product, b)?;
            cx.neg(quotient)
        },
    )
}

/// `g * b * a^(b - 1)`, and 0 for an exponent of 0; `g * y * ln(a)`, and 0 for a base of 0.
pub(super) fn pow(cx: &mut Vjp<'_>) -> Gradients {
    both(
        cx,
        |cx, a, b| {
            let (zero, one) = (cx.scalar(b, 0.0)?, cx.scalar(b, 1.0)?);
            let less = cx.sub(b, one)?;
            let power = cx.one(ops::Pow {}, &[a, less])?;
            let slope = cx.mul(b, power)?;
            let none = cx.equal(b, zero)?;
            let slope = cx.select(none, zero, slope)?;
            cx.mul(cx.gradient, slope)
        },
        |cx, a, _| {
            let zero = cx.scalar(a, 0.0)?;
            let log = cx.one(ops::Log {}, &[a])?;
            let slope = cx.mul(cx.outputs[0], log)?;
            let none = cx.equal(a, zero)?;
            let slope = cx.select(none, zero, slope)?;
            cx.mul(cx.gradient, slope)
        },
    )
}

/// `g`, `-g * q` with the whole quotient `q`.
pub(super) fn rem(cx: &mut Vjp<'_>, op: &ops::Rem) -> Gradients {
    let kind = op.kind;
    both(
        cx,
        |cx, _, _| Ok(cx.gradient),
        |cx, a, b| {
            let quotient = cx.div(a, b)?;
            let whole = match kind {
                RemKind::Floor => cx.one(ops::Floor {}, &[quotient])?,
                RemKind::Trunc => {
                    let sign = cx.one(ops::Sign {}, &[quotient])?;
                    let size = cx.one(ops::Abs {}, &[quotient])?;
                    let whole = cx.one(ops::Floor {}, &[size])?;
                    cx.mul(sign, whole)?
                }
            };
            let product = cx.mul(cx.gradient, whole)?;
            cx.neg(product)
        },
    )
}
