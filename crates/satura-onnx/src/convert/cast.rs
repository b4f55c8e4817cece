//! Casts, by the rules of the format where they differ from the IR's.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx};
use crate::types;
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::DType;

/// To a named element type.
pub(super) fn cast(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let number = cx.attrs.int("to")?.ok_or_else(|| Attributes::<()>::missing("to"))?;
    let to =
        types::dtype(number).map_err(|d| Diagnostic { code: Code::BadAttribute, ..d }.at_attribute("to"))?;
    cast_to(cx, x, to)
}

/// To the element type of the second input.
pub(super) fn cast_like(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, like], []) = cx.args()?;
    let to = cx.dtype(like)?;
    cast_to(cx, x, to)
}

/// Values out of the range of an 8-bit float saturate where the node says so; the IR's cast does not. Values out of the range of a narrow integer wrap; the IR's cast from floats saturates.
pub(super) fn cast_to(cx: &mut NodeCx<'_>, x: ValueId, to: DType) -> Converted {
    let saturate = cx.attrs.flag("saturate")?.unwrap_or(true);
    let rounding = cx.attrs.choice("round_mode", ROUNDINGS)?.unwrap_or(Rounding::Up);
    let from_float = cx.dtype(x)?.is_float();
    let x = match to {
        DType::F8E4M3FN if saturate && from_float => cx.clip(x, -448.0, 448.0)?,
        DType::F8E4M3FNUZ if saturate && from_float => cx.clip(x, -240.0, 240.0)?,
        DType::F8E5M2 | DType::F8E5M2FNUZ if saturate && from_float => cx.clip(x, -57344.0, 57344.0)?,
        DType::F4E2M1 if from_float => {
            // The format has no NaN; negative zero stands for it.
            let (is_nan, zero) = (cx.map(ops::IsNan {}, x)?, cx.scalar_like(x, -0.0)?);
            cx.select(is_nan, zero, x)?
        }
        DType::F8E8M0 if cx.dtype(x)? != DType::F8E8M0 => scale(cx, x, rounding, saturate)?,
        DType::I4 | DType::U4 | DType::I2 | DType::U2 if from_float => cx.cast(x, DType::I32)?,
        _ => x,
    };
    cx.emit(ops::Cast { to }, &[x])
}

/// How a magnitude becomes a power of two.
#[derive(Clone, Copy, PartialEq)]
enum Rounding {
    Up,
    Down,
    Nearest,
}

const ROUNDINGS: &[(&str, Rounding)] =
    &[("up", Rounding::Up), ("down", Rounding::Down), ("nearest", Rounding::Nearest)];

/// What the IR's cast to powers of two, which rounds the logarithm to the nearest integer, takes to the power that is asked for. The sign is dropped, infinity becomes NaN.
fn scale(cx: &mut NodeCx<'_>, x: ValueId, rounding: Rounding, saturate: bool) -> Emitted {
    /// More than the distance of powers of two from their neighbours among f32 numbers is not lost, and less is.
    const HALF_STEP: f64 = 1.0 / (1u64 << 25) as f64;
    let wide = cx.cast(x, DType::F64)?;
    let magnitude = cx.map(ops::Abs {}, wide)?;
    let root = std::f64::consts::SQRT_2;
    // Rounding up adds almost 1/2 to the logarithm, rounding down takes almost 1/2 away; the nearest power changes at 3/2, which is 2 after a factor of 4/3.
    let (factor, beyond) = match rounding {
        Rounding::Up => (root * (1.0 - HALF_STEP), 1.0),
        Rounding::Down => ((1.0 + HALF_STEP) / root, 2.0),
        Rounding::Nearest => (4.0 / 3.0 * (1.0 + HALF_STEP) / root, 1.5),
    };
    let scaled = cx.scale(magnitude, factor)?;
    let greatest = 2f64.powi(127);
    let limit = if saturate { f64::MAX } else { greatest * beyond };
    let limit = cx.scalar_like(magnitude, limit)?;
    let fits = match (saturate, rounding) {
        (false, Rounding::Nearest) => cx.less(magnitude, limit)?,
        _ => cx.less_equal(magnitude, limit)?,
    };
    let nan = cx.scalar_like(magnitude, f64::NAN)?;
    cx.select(fits, scaled, nan)
}

/// The same bits as a named element type of the same width.
pub(super) fn bit_cast(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let number = cx.attrs.int("to")?.ok_or_else(|| Attributes::<()>::missing("to"))?;
    let to = types::dtype(number)?;
    cx.emit(ops::BitCast { to }, &[x])
}
