//! Steps of optimisers. Each takes the rate, the number of the step, and for every tensor its value, gradient and state.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::DType;

/// What all optimisers take: the rate and the step, then `kinds` lists of tensors of one length.
struct Inputs {
    rate: ValueId,
    step: ValueId,
    lists: Vec<Vec<ValueId>>,
}

fn inputs(cx: &NodeCx<'_>, kinds: usize) -> Result<Inputs, Diagnostic> {
    let all = cx.variadic()?;
    match &all[..] {
        [rate, step, tensors @ ..] if !tensors.is_empty() && tensors.len().is_multiple_of(kinds) => {
            let lists = tensors.chunks_exact(tensors.len() / kinds).map(<[ValueId]>::to_vec).collect();
            Ok(Inputs { rate: *rate, step: *step, lists })
        }
        _ => {
            let message = format!("rate, step and {kinds} lists of one length are needed");
            Err(Diagnostic::error(Code::InputCount, message))
        }
    }
}

fn number(cx: &mut NodeCx<'_>, name: &str, default: f32) -> Result<f64, Diagnostic> {
    Ok(f64::from(cx.attrs.float(name)?.unwrap_or(default)))
}

/// `gradient + factor * value`.
fn regularised(cx: &mut NodeCx<'_>, gradient: ValueId, value: ValueId, factor: f64) -> Emitted {
    if factor == 0.0 {
        return Ok(gradient);
    }
    let pull = cx.scale(value, factor)?;
    cx.add(gradient, pull)
}

/// `a * x + b * y`.
fn blend(cx: &mut NodeCx<'_>, a: f64, x: ValueId, b: f64, y: ValueId) -> Emitted {
    let (x, y) = (cx.scale(x, a)?, cx.scale(y, b)?);
    cx.add(x, y)
}

/// The values in the order of the outputs: all of the first kind, then all of the second, and so on.
fn outputs<const N: usize>(rows: Vec<[ValueId; N]>) -> Vec<ValueId> {
    (0..N).flat_map(|kind| rows.iter().map(move |row| row[kind])).collect()
}

/// The rate falls with the steps, and for each element with the squares of its gradients.
pub(super) fn adagrad(cx: &mut NodeCx<'_>) -> Converted {
    let Inputs { rate, step, lists } = inputs(cx, 3)?;
    let decay = number(cx, "decay_factor", 0.0)?;
    let epsilon = number(cx, "epsilon", 1e-6)?;
    let pull = number(cx, "norm_coefficient", 0.0)?;
    let step = cx.cast(step, cx.dtype(rate)?)?;
    let aged = cx.scale(step, decay)?;
    let aged = cx.add_scalar(aged, 1.0)?;
    let rate = cx.div(rate, aged)?;
    let mut rows = Vec::new();
    for ((value, gradient), squares) in lists[0].iter().zip(&lists[1]).zip(&lists[2]) {
        let gradient = regularised(cx, *gradient, *value, pull)?;
        let square = cx.mul(gradient, gradient)?;
        let squares = cx.add(*squares, square)?;
        let root = cx.map(ops::Sqrt {}, squares)?;
        let divisor = cx.add_scalar(root, epsilon)?;
        let rate = cx.cast(rate, cx.dtype(*value)?)?;
        let change = cx.mul(rate, gradient)?;
        let change = cx.div(change, divisor)?;
        rows.push([cx.sub(*value, change)?, squares]);
    }
    Ok(outputs(rows))
}

/// Fading means of gradients and of their squares; the first steps are corrected for the means' start at 0.
pub(super) fn adam(cx: &mut NodeCx<'_>) -> Converted {
    let Inputs { rate, step, lists } = inputs(cx, 4)?;
    let (alpha, beta) = (number(cx, "alpha", 0.9)?, number(cx, "beta", 0.999)?);
    let epsilon = number(cx, "epsilon", 1e-6)?;
    let pull = number(cx, "norm_coefficient", 0.0)?;
    let shrink = number(cx, "norm_coefficient_post", 0.0)?;
    let zero = cx.scalar_like(step, 0.0)?;
    let started = cx.less(zero, step)?;
    let exponent = cx.cast(step, cx.dtype(rate)?)?;
    // `1 - base^step`.
    let faded = |cx: &mut NodeCx<'_>, base: f64| {
        let base = cx.scalar_like(exponent, base)?;
        let power = cx.one(ops::Pow {}, &[base, exponent])?;
        let one = cx.scalar_like(exponent, 1.0)?;
        cx.sub(one, power)
    };
    let of_squares = faded(cx, beta)?;
    let root = cx.map(ops::Sqrt {}, of_squares)?;
    let of_gradients = faded(cx, alpha)?;
    let corrected = cx.mul(rate, root)?;
    let corrected = cx.div(corrected, of_gradients)?;
    let rate = cx.select(started, corrected, rate)?;
    let mut rows = Vec::new();
    for (i, value) in lists[0].iter().copied().enumerate() {
        let gradient = regularised(cx, lists[1][i], value, pull)?;
        let mean = blend(cx, alpha, lists[2][i], 1.0 - alpha, gradient)?;
        let square = cx.mul(gradient, gradient)?;
        let squares = blend(cx, beta, lists[3][i], 1.0 - beta, square)?;
        let root = cx.map(ops::Sqrt {}, squares)?;
        let divisor = cx.add_scalar(root, epsilon)?;
        let rate = cx.cast(rate, cx.dtype(value)?)?;
        let change = cx.mul(rate, mean)?;
        let change = cx.div(change, divisor)?;
        let moved = cx.sub(value, change)?;
        rows.push([cx.scale(moved, 1.0 - shrink)?, mean, squares]);
    }
    Ok(outputs(rows))
}

/// Steps along a fading sum of gradients; Nesterov's form looks one step ahead.
pub(super) fn momentum(cx: &mut NodeCx<'_>) -> Converted {
    let Inputs { rate, step, lists } = inputs(cx, 3)?;
    let need = |cx: &mut NodeCx<'_>, name: &str| {
        let value = cx.attrs.float(name)?;
        value.map(f64::from).ok_or_else(|| satura_import::Attributes::<()>::missing(name))
    };
    let (alpha, beta, pull) = (need(cx, "alpha")?, need(cx, "beta")?, need(cx, "norm_coefficient")?);
    let ahead = cx
        .attrs
        .choice("mode", &[("standard", false), ("nesterov", true)])?
        .ok_or_else(|| satura_import::Attributes::<()>::missing("mode"))?;
    let zero = cx.scalar_like(step, 0.0)?;
    let started = cx.less(zero, step)?;
    let mut rows = Vec::new();
    for (i, value) in lists[0].iter().copied().enumerate() {
        let dtype: DType = cx.dtype(value)?;
        let gradient = regularised(cx, lists[1][i], value, pull)?;
        // The first gradient counts in full.
        let (later, first) = (cx.scalar(dtype, beta)?, cx.scalar(dtype, 1.0)?);
        let weight = cx.select(started, later, first)?;
        let weighted = cx.mul(weight, gradient)?;
        let kept = cx.scale(lists[2][i], alpha)?;
        let sum = cx.add(kept, weighted)?;
        let direction = if ahead {
            let next = cx.scale(sum, alpha)?;
            cx.add(gradient, next)?
        } else {
            sum
        };
        let rate = cx.cast(rate, dtype)?;
        let change = cx.mul(rate, direction)?;
        rows.push([cx.sub(value, change)?, sum]);
    }
    Ok(outputs(rows))
}
