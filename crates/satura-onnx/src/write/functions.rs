//! Elementwise functions that are composites, and shifts of bits.

use super::attribute::text;
use super::cx::{Cx, Form, NoForm};
use super::elementwise::{ARITHMETIC, plain};
use super::takes::{FLOAT, carrier};
use satura_ir::ops::{self, ShiftKind};
use satura_tensor::DType;

/// An inverse trigonometric or a hyperbolic function.
pub(super) fn function(cx: &mut Cx<'_>, op: &str) -> Form {
    plain(cx, op, FLOAT)
}

/// The unsigned integers of the same width.
fn unsigned(dtype: DType) -> Option<DType> {
    Some(match dtype {
        DType::U8 | DType::I8 => DType::U8,
        DType::U16 | DType::I16 => DType::U16,
        DType::U32 | DType::I32 => DType::U32,
        DType::U64 | DType::I64 => DType::U64,
        _ => return None,
    })
}

/// Before operator set 28, the operator is for unsigned integers, as which others have the same bits. Right shifts of negative numbers are those of the complement.
pub(super) fn shift(cx: &mut Cx<'_>, op: &ops::Shift) -> Form {
    let dtype = cx.dtype(0)?;
    let Some(unsigned) = unsigned(dtype) else {
        return Err(NoForm::new(format!("BitShift takes no {dtype}")));
    };
    let bits = if cx.version() >= 28 { dtype } else { unsigned };
    let (x, by) = (cx.input(0), cx.input(1));
    let by = cx.cast_from(&by, dtype, bits);
    let direction = match op.kind {
        ShiftKind::Left => "LEFT",
        ShiftKind::Right => "RIGHT",
    };
    let attributes = vec![text("direction", direction)];
    if dtype == bits || op.kind == ShiftKind::Left {
        let x = cx.cast_from(&x, dtype, bits);
        return cx.result_as(bits, "BitShift", &[x, by], attributes);
    }
    // Small integers have no difference at operator set 13.
    let wide = carrier(ARITHMETIC, cx.version(), dtype)?;
    let x = cx.cast_from(&x, dtype, wide);
    let (zero, ones) = (cx.scalar(wide, 0.0)?, cx.scalar(wide, -1.0)?);
    let negative = cx.node("Less", &[x.clone(), zero], Vec::new());
    let complement = cx.node("Sub", &[ones.clone(), x.clone()], Vec::new());
    let magnitude = cx.node("Where", &[negative.clone(), complement, x], Vec::new());
    let magnitude = cx.cast(&magnitude, bits);
    let moved = cx.node("BitShift", &[magnitude, by], attributes);
    let moved = cx.cast(&moved, wide);
    let back = cx.node("Sub", &[ones, moved.clone()], Vec::new());
    cx.result_as(wide, "Where", &[negative, back, moved], Vec::new())
}
