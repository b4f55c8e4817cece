//! Gathering.

use super::attribute::int;
use super::cx::{Cx, Form};
use super::takes::{ANY, carrier};
use crate::proto::AttributeProto;
use satura_ir::ops;
use satura_tensor::DType;

/// Data (input 0) and updates (input 2, if any) in a dtype that is taken; indices as i64 where `wide` asks for it.
pub(super) fn indexed(cx: &mut Cx<'_>, op: &str, wide: bool, attributes: Vec<AttributeProto>) -> Form {
    let dtype = cx.dtype(0)?;
    let carrier = carrier(ANY, cx.version(), dtype)?;
    let mut inputs = cx.inputs();
    let moved: &[usize] = if cx.count() > 2 { &[0, 2] } else { &[0] };
    for i in moved.iter().copied() {
        inputs[i] = cx.cast_from(&inputs[i].clone(), dtype, carrier);
    }
    if wide {
        let index = cx.dtype(1)?;
        inputs[1] = cx.cast_from(&inputs[1].clone(), index, DType::I64);
    }
    cx.result_as(carrier, op, &inputs, attributes)
}

pub(super) fn gather(cx: &mut Cx<'_>, op: &ops::Gather) -> Form {
    indexed(cx, "Gather", false, vec![int("axis", op.axis)])
}

pub(super) fn gather_elements(cx: &mut Cx<'_>, op: &ops::GatherElements) -> Form {
    indexed(cx, "GatherElements", false, vec![int("axis", op.axis)])
}

pub(super) fn gather_nd(cx: &mut Cx<'_>, op: &ops::GatherNd) -> Form {
    indexed(cx, "GatherND", true, vec![int("batch_dims", i64::try_from(op.batch_dims).unwrap_or(i64::MAX))])
}
