//! Elementwise ops of one, two and many inputs, casts and selections.

use crate::node::{Converted, NodeCx, bad_attribute, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{Op, ValueId, ops};
use satura_tensor::{Shape, Tensor};

/// An op of one input without attributes.
pub(super) fn unary(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let ([x], []) = cx.args()?;
    cx.emit(op, &[x])
}

/// An op of two inputs without attributes.
pub(super) fn binary(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let ([a, b], []) = cx.args()?;
    cx.emit(op, &[a, b])
}

/// An op of two inputs in reverse order: `a > b` is `b < a`.
pub(super) fn swapped(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let ([a, b], []) = cx.args()?;
    cx.emit(op, &[b, a])
}

/// A commutative op over any number of inputs.
pub(super) fn fold(cx: &mut NodeCx<'_>, op: impl Into<Op>) -> Converted {
    let op = op.into();
    let inputs = cx.variadic()?;
    let mut result = inputs[0];
    for input in &inputs[1..] {
        result = cx.one(op.clone(), &[result, *input])?;
    }
    Ok(vec![result])
}

/// The mean of several inputs.
pub(super) fn mean(cx: &mut NodeCx<'_>) -> Converted {
    let count = cx.inputs.len();
    let sum = fold(cx, ops::Add {})?[0];
    if count == 1 {
        return Ok(vec![sum]);
    }
    let count = u32::try_from(count).map_err(|_| unsupported("too many inputs"))?;
    let divisor = cx.scalar_like(sum, f64::from(count))?;
    cx.emit(ops::Div {}, &[sum, divisor])
}

/// `1 / x`.
pub(super) fn reciprocal(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let one = cx.scalar_like(x, 1.0)?;
    cx.emit(ops::Div {}, &[one, x])
}

/// Base and exponent may have different dtypes; the result has that of the base.
pub(super) fn pow(cx: &mut NodeCx<'_>) -> Converted {
    let ([base, exponent], []) = cx.args()?;
    let (to, from) = (cx.dtype(base)?, cx.dtype(exponent)?);
    if to == from {
        return cx.emit(ops::Pow {}, &[base, exponent]);
    }
    if to.is_int() && from.is_float() {
        let wide = cx.one(ops::Cast { to: from }, &[base])?;
        let power = cx.one(ops::Pow {}, &[wide, exponent])?;
        return cx.emit(ops::Cast { to }, &[power]);
    }
    let exponent = cx.one(ops::Cast { to }, &[exponent])?;
    cx.emit(ops::Pow {}, &[base, exponent])
}

/// The sign of the remainder is that of the divisor, with `fmod` that of the dividend.
pub(super) fn modulo(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let fmod = cx.attrs.flag("fmod")?.unwrap_or(false);
    if !fmod && cx.version < 28 && cx.dtype(a)?.is_float() {
        return Err(bad_attribute("fmod", "fmod must be 1 for floating point inputs before operator set 28"));
    }
    let kind = if fmod { ops::RemKind::Trunc } else { ops::RemKind::Floor };
    cx.emit(ops::Rem { kind }, &[a, b])
}

/// Whether an element is infinite, of either sign or of one.
pub(super) fn is_inf(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let positive = cx.attrs.flag("detect_positive")?.unwrap_or(true);
    let negative = cx.attrs.flag("detect_negative")?.unwrap_or(true);
    let magnitude = match (positive, negative) {
        (true, true) => cx.one(ops::Abs {}, &[x])?,
        (true, false) => x,
        (false, true) => cx.one(ops::Neg {}, &[x])?,
        (false, false) => {
            let is_nan = cx.one(ops::IsNan {}, &[x])?;
            let never = cx.constant(Tensor::from_bools(&[false], &[]))?;
            return cx.emit(ops::And {}, &[is_nan, never]);
        }
    };
    let infinity = cx.scalar_like(x, f64::INFINITY)?;
    cx.emit(ops::Equal {}, &[magnitude, infinity])
}

/// `condition ? a : b`.
pub(super) fn select(cx: &mut NodeCx<'_>) -> Converted {
    let ([condition, a, b], []) = cx.args()?;
    cx.emit(ops::Select {}, &[condition, a, b])
}

/// Limits to a range: two attributes before operator set 11, optional scalar inputs since.
pub(super) fn clip(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [least, greatest]) = cx.args()?;
    let (least, greatest) = if cx.version < 11 {
        let (least, greatest) = (cx.attrs.float("min")?, cx.attrs.float("max")?);
        let mut bound = |bound: Option<f32>| bound.map(|b| cx.scalar_like(x, f64::from(b))).transpose();
        (bound(least)?, bound(greatest)?)
    } else {
        let mut bound = |bound: Option<ValueId>| bound.map(|b| scalar(cx, b, "a bound")).transpose();
        (bound(least)?, bound(greatest)?)
    };
    match (least, greatest) {
        (None, None) => Ok(vec![x]),
        (Some(least), None) => cx.emit(ops::Max {}, &[x, least]),
        (None, Some(greatest)) => cx.emit(ops::Min {}, &[x, greatest]),
        (Some(least), Some(greatest)) => cx.emit(ops::Clip {}, &[x, least, greatest]),
    }
}

/// A tensor of one element as a scalar.
pub(super) fn scalar(cx: &mut NodeCx<'_>, value: ValueId, what: &str) -> Result<ValueId, Diagnostic> {
    let Some(shape) = cx.shape(value) else { return Ok(value) };
    if shape.is_empty() {
        return Ok(value);
    }
    if shape.elements().as_const().is_some_and(|n| n != 1) {
        return Err(Diagnostic::error(
            Code::Shape,
            format!("{what} must be one number, its shape is {shape}"),
        ));
    }
    cx.one(ops::Reshape { shape: Shape::default() }, &[value])
}

/// All bits turned.
pub(super) fn bitwise_not(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let dtype = cx.dtype(x)?;
    // -1 has all bits set, and wraps to the greatest value where there is no sign.
    let ones = satura_tensor::cast(&Tensor::scalar(-1i64), dtype).filter(|_| dtype.is_int());
    let ones = cx.constant(ones.ok_or_else(|| unsupported(format!("bits of {dtype}")))?)?;
    cx.emit(ops::Xor {}, &[x, ones])
}

/// Bits moved to the left or to the right.
pub(super) fn bit_shift(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, by], []) = cx.args()?;
    let kinds = [("LEFT", ops::ShiftKind::Left), ("RIGHT", ops::ShiftKind::Right)];
    let kind = cx.attrs.choice("direction", &kinds)?.ok_or_else(|| Attributes::<()>::missing("direction"))?;
    cx.emit(ops::Shift { kind }, &[x, by])
}
