//! Sequences and optionals.

use super::attribute::{flag, int, value_type};
use super::cx::{Cx, Form, NoForm};
use super::takes::{
    BFLOAT, BOOL, COMPLEX, FLOAT4, FLOATS, FLOATS8, INTS2, INTS4, OLD_TYPES, SCALE8, SMALL_INTS, STRING,
    Takes, WIDE_INTS, is_taken,
};
use super::value_types::type_proto;
use crate::types;
use satura_ir::{Type, ops};

/// What is split into a sequence.
const SPLIT: &Takes =
    &[(1, FLOATS), (24, BFLOAT), (1, WIDE_INTS), (1, SMALL_INTS), (1, BOOL), (1, STRING), (1, COMPLEX)];

/// What optionals hold, as tensors and as items of sequences.
const OPTIONAL: &Takes = &[
    (1, FLOATS),
    (28, BFLOAT),
    (1, WIDE_INTS),
    (1, SMALL_INTS),
    (1, BOOL),
    (1, STRING),
    (1, COMPLEX),
    (28, FLOATS8),
    (28, SCALE8),
    (28, FLOAT4),
    (28, INTS4),
    (28, INTS2),
];

/// An error unless the type is a tensor of these element types, or a sequence of such tensors: sequences of anything else have no operators. There is no conversion of the items of a sequence.
fn need_items(cx: &Cx<'_>, op: &str, takes: &Takes, ty: &Type) -> Form {
    let tensor = match ty {
        Type::Sequence(item) => item,
        other => other,
    };
    match tensor.dtype() {
        Some(dtype) if is_taken(takes, cx.version(), dtype) => Ok(()),
        _ => Err(NoForm::new(format!("{op} takes no {ty}"))),
    }
}

/// An operator on sequences; the places that inputs say are scalars.
fn of_sequences(cx: &mut Cx<'_>, op: &str, place: Option<usize>) -> Form {
    for i in (0..cx.count()).filter(|i| Some(*i) != place) {
        need_items(cx, op, OLD_TYPES, cx.ty(i))?;
    }
    let inputs: Vec<_> =
        (0..cx.count()).map(|i| if Some(i) == place { cx.one_element(i) } else { cx.input(i) }).collect();
    cx.result(op, &inputs, Vec::new())
}

pub(super) fn construct(cx: &mut Cx<'_>, _: &ops::SeqConstruct) -> Form {
    if let Some(other) = (0..cx.count()).map(|i| cx.ty(i)).find(|ty| ty.as_tensor().is_none()) {
        return Err(NoForm::new(format!("SequenceConstruct takes no {other}")));
    }
    of_sequences(cx, "SequenceConstruct", None)
}

pub(super) fn empty(cx: &mut Cx<'_>, op: &ops::SeqEmpty) -> Form {
    need_items(cx, "SequenceEmpty", OLD_TYPES, cx.output_ty(0))?;
    cx.result("SequenceEmpty", &[], vec![int("dtype", i64::from(types::number(op.dtype)))])
}

pub(super) fn insert(cx: &mut Cx<'_>, _: &ops::SeqInsert) -> Form {
    of_sequences(cx, "SequenceInsert", Some(2))
}

pub(super) fn erase(cx: &mut Cx<'_>, _: &ops::SeqErase) -> Form {
    of_sequences(cx, "SequenceErase", Some(1))
}

pub(super) fn at(cx: &mut Cx<'_>, _: &ops::SeqAt) -> Form {
    of_sequences(cx, "SequenceAt", Some(1))
}

pub(super) fn length(cx: &mut Cx<'_>, _: &ops::SeqLength) -> Form {
    of_sequences(cx, "SequenceLength", None)
}

/// Whether the axis stays is asked only where no extents are given.
pub(super) fn split(cx: &mut Cx<'_>, op: &ops::SeqSplit) -> Form {
    need_items(cx, "SplitToSequence", SPLIT, cx.ty(0))?;
    let inputs = cx.inputs();
    let mut attributes = vec![int("axis", op.axis)];
    if inputs.len() < 2 {
        attributes.push(flag("keepdims", op.keep));
    }
    cx.result("SplitToSequence", &inputs, attributes)
}

pub(super) fn concat(cx: &mut Cx<'_>, op: &ops::SeqConcat) -> Form {
    need_items(cx, "ConcatFromSequence", OLD_TYPES, cx.ty(0))?;
    let list = cx.input(0);
    cx.result("ConcatFromSequence", &[list], vec![int("axis", op.axis), flag("new_axis", op.stack)])
}

/// An error unless the type is an optional that the operators of optionals take.
fn need_optional(cx: &Cx<'_>, op: &str, ty: &Type) -> Form {
    cx.need(op, 15)?;
    match ty {
        Type::Optional(item) => need_items(cx, op, OPTIONAL, item),
        other => Err(NoForm::new(format!("{op} takes no {other}"))),
    }
}

pub(super) fn optional(cx: &mut Cx<'_>, op: &ops::Optional) -> Form {
    need_optional(cx, "Optional", cx.output_ty(0))?;
    let inputs = cx.inputs();
    cx.result("Optional", &inputs, op.empty.iter().map(|ty| value_type("type", type_proto(ty))).collect())
}

pub(super) fn optional_has(cx: &mut Cx<'_>, _: &ops::OptionalHas) -> Form {
    need_optional(cx, "OptionalHasElement", cx.ty(0))?;
    let x = cx.input(0);
    cx.result("OptionalHasElement", &[x], Vec::new())
}

pub(super) fn optional_get(cx: &mut Cx<'_>, _: &ops::OptionalGet) -> Form {
    need_optional(cx, "OptionalGetElement", cx.ty(0))?;
    let x = cx.input(0);
    cx.result("OptionalGetElement", &[x], Vec::new())
}
