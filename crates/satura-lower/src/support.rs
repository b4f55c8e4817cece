//! What a device cannot run.

use satura_ir::{Graph, NodeId, PrimOp};
use satura_tensor::DType;

/// Why a node's op cannot run on any device; `None` if it can.
pub(crate) fn device_op(graph: &Graph, id: NodeId) -> Option<String> {
    let node = graph.node(id);
    if node.outputs.len() != 1 {
        return Some("it has several outputs".to_owned());
    }
    match node.op.prim() {
        None if node.op.is_host() => Some("no device has this op".to_owned()),
        None => Some("it is a composite that was not decomposed".to_owned()),
        Some(PrimOp::Loop(_)) => Some("its repetitions are counted only when the model runs".to_owned()),
        Some(PrimOp::If(_)) => Some("its condition is known only when the model runs".to_owned()),
        Some(PrimOp::ShapeOf(_)) => Some("it gives a shape, which is arithmetic of the host".to_owned()),
        Some(PrimOp::Cast(op)) if op.to == DType::F8E8M0 => {
            Some("powers of two are rounded on the host".to_owned())
        }
        Some(PrimOp::BitCast(op)) => {
            let from = graph.ty(node.inputs[0]).dtype();
            // Registers hold 32 bits: of wider integers the value, not the bits; of narrower floats neither.
            let held = |d: DType| d == DType::F32 || d == DType::Bool || d.is_int() && d.bits() <= 32;
            let both = held(op.to) && from.is_some_and(held);
            (!both).then(|| format!("a device does not hold the bits of {} as they are", op.to))
        }
        Some(_) => None,
    }
}
