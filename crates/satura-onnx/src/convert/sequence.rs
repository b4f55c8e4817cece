//! Sequences and optionals.

use crate::node::{Converted, NodeCx};
use crate::types;
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{Type, ops};
use satura_tensor::{DType, Tensor};

pub(super) fn construct(cx: &mut NodeCx<'_>) -> Converted {
    let inputs = cx.variadic()?;
    cx.emit(ops::SeqConstruct {}, &inputs)
}

pub(super) fn empty(cx: &mut NodeCx<'_>) -> Converted {
    let ([], []) = cx.args()?;
    let dtype = cx.attrs.int("dtype")?.map_or(Ok(DType::F32), types::dtype)?;
    cx.emit(ops::SeqEmpty { dtype }, &[])
}

pub(super) fn insert(cx: &mut NodeCx<'_>) -> Converted {
    let ([list, value], [position]) = cx.args()?;
    let inputs: Vec<_> = [list, value].into_iter().chain(position).collect();
    cx.emit(ops::SeqInsert {}, &inputs)
}

pub(super) fn erase(cx: &mut NodeCx<'_>) -> Converted {
    let ([list], [position]) = cx.args()?;
    let inputs: Vec<_> = [list].into_iter().chain(position).collect();
    cx.emit(ops::SeqErase {}, &inputs)
}

pub(super) fn at(cx: &mut NodeCx<'_>) -> Converted {
    let ([list, position], []) = cx.args()?;
    cx.emit(ops::SeqAt {}, &[list, position])
}

pub(super) fn length(cx: &mut NodeCx<'_>) -> Converted {
    let ([list], []) = cx.args()?;
    cx.emit(ops::SeqLength {}, &[list])
}

/// `keepdims` counts only where no extents are given.
pub(super) fn split(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [extents]) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(0);
    let keep = cx.attrs.flag("keepdims")?.unwrap_or(true) || extents.is_some();
    let inputs: Vec<_> = [x].into_iter().chain(extents).collect();
    cx.emit(ops::SeqSplit { axis, keep }, &inputs)
}

pub(super) fn concat(cx: &mut NodeCx<'_>) -> Converted {
    let ([list], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.ok_or_else(|| Attributes::<()>::missing("axis"))?;
    let stack = cx.attrs.flag("new_axis")?.unwrap_or(false);
    cx.emit(ops::SeqConcat { axis, stack }, &[list])
}

/// An optional around a value, or an empty one of the type of the attribute.
pub(super) fn optional(cx: &mut NodeCx<'_>) -> Converted {
    let ([], [value]) = cx.args()?;
    let ty = cx.attrs.value_type("type")?;
    match (value, ty) {
        (Some(value), _) => cx.emit(ops::Optional { empty: None }, &[value]),
        (None, Some(ty)) => cx.emit(ops::Optional { empty: Some(ty) }, &[]),
        (None, None) => Err(Attributes::<()>::missing("type")),
    }
}

/// Anything but an optional holds itself; an input that is absent holds nothing.
pub(super) fn has_element(cx: &mut NodeCx<'_>) -> Converted {
    let ([], [value]) = cx.args()?;
    match value {
        Some(value) if matches!(cx.ty(value), Type::Optional(_)) => cx.emit(ops::OptionalHas {}, &[value]),
        other => Ok(vec![cx.constant(Tensor::from_bools(&[other.is_some()], &[]))?]),
    }
}

/// Anything but an optional is its own element.
pub(super) fn get_element(cx: &mut NodeCx<'_>) -> Converted {
    let ([], [value]) = cx.args()?;
    match value {
        Some(value) if matches!(cx.ty(value), Type::Optional(_)) => cx.emit(ops::OptionalGet {}, &[value]),
        Some(value) => Ok(vec![value]),
        None => Err(Diagnostic::error(Code::InputCount, "input 0 is missing")),
    }
}
