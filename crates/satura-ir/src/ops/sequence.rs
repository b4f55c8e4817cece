//! What the ops on sequences and optionals share.

use crate::{Datum, InferCx, OpError, Type};
use satura_tensor::{DType, Elements};

/// The type of the items of input `i`, a sequence.
pub(super) fn item_type<'a>(cx: &InferCx<'a>, i: usize) -> Result<&'a Type, OpError> {
    match cx.ty(i) {
        Type::Sequence(item) => Ok(item),
        other => Err(OpError::dtype(format!("input {i} must be a sequence, it is {other}"))),
    }
}

/// Checks that input `i` is one integer that says a place, if it is there.
pub(super) fn check_position(cx: &InferCx<'_>, i: usize) -> Result<(), OpError> {
    if i >= cx.len() {
        return Ok(());
    }
    let dtype = cx.dtype(i)?;
    if dtype != DType::I64 && dtype != DType::I32 {
        return Err(OpError::dtype(format!("a position must be i32 or i64, it is {dtype}")));
    }
    Ok(())
}

/// The items of a sequence.
pub(super) fn items(datum: &Datum) -> Result<&[Datum], OpError> {
    match datum {
        Datum::Sequence(items) => Ok(items),
        other => Err(OpError::dtype(format!("a sequence is expected, got {}", other.kind()))),
    }
}

/// The integer, if the value is one.
pub(super) fn one_integer(datum: &Datum) -> Option<i128> {
    match datum.as_tensor()?.to_elements() {
        Elements::Int(v) if v.len() == 1 => Some(v[0]),
        _ => None,
    }
}

/// A position in `0..count`, counted from the end where it is negative.
pub(super) fn position(datum: &Datum, count: usize) -> Result<usize, OpError> {
    let number = one_integer(datum).ok_or_else(|| OpError::value("a position must be one integer"))?;
    let from_start = if number < 0 { number + count as i128 } else { number };
    usize::try_from(from_start)
        .ok()
        .filter(|at| *at < count)
        .ok_or_else(|| OpError::value(format!("position {number} is outside of a sequence of {count}")))
}
