//! Halves are computed as `f32`, and rounded after each op: what is fused gives what it would give through memory.

use super::Emitter;
use satura_ir::ops::{ReduceKind, ResizeMode, ScatterKind};
use satura_ir::{PrimOp, ValueId};
use satura_kernel::{Reg, UnaryOp};
use satura_tensor::DType;

impl Emitter<'_> {
    /// A computed element of a value as memory would keep it.
    pub(super) fn rounded(&mut self, value: ValueId, x: Reg) -> Reg {
        let op = match self.dtype(value) {
            DType::F16 => UnaryOp::RoundF16,
            DType::BF16 => UnaryOp::RoundBf16,
            _ => return x,
        };
        match self.graph.producer(value).and_then(|(_, node)| node.op.prim()) {
            Some(prim) if leaves_dtype(prim) => self.b.unary(op, x),
            _ => x,
        }
    }
}

/// Whether an op may give numbers that its dtype does not have, from operands that have it.
#[deny(clippy::wildcard_enum_match_arm)]
fn leaves_dtype(op: PrimOp<'_>) -> bool {
    match op {
        PrimOp::Exp(_)
        | PrimOp::Log(_)
        | PrimOp::Sqrt(_)
        | PrimOp::Sin(_)
        | PrimOp::Cos(_)
        | PrimOp::Tan(_)
        | PrimOp::Tanh(_)
        | PrimOp::Sigmoid(_)
        | PrimOp::Erf(_)
        | PrimOp::Cast(_)
        | PrimOp::Add(_)
        | PrimOp::Sub(_)
        | PrimOp::Mul(_)
        | PrimOp::Div(_)
        | PrimOp::Pow(_)
        | PrimOp::Rem(_)
        | PrimOp::Iota(_)
        | PrimOp::MatMul(_)
        | PrimOp::Conv(_)
        | PrimOp::ConvTranspose(_)
        | PrimOp::AvgPool(_) => true,
        PrimOp::Reduce(op) => adds(op.kind),
        PrimOp::Scan(op) => adds(op.kind),
        PrimOp::ScatterElements(op) => combines(op.combine),
        PrimOp::ScatterNd(op) => combines(op.combine),
        PrimOp::Resize(op) => op.mode != ResizeMode::Nearest,
        PrimOp::Const(_)
        | PrimOp::Neg(_)
        | PrimOp::Abs(_)
        | PrimOp::Sign(_)
        | PrimOp::Floor(_)
        | PrimOp::Ceil(_)
        | PrimOp::Round(_)
        | PrimOp::Not(_)
        | PrimOp::IsNan(_)
        | PrimOp::BitCast(_)
        | PrimOp::Max(_)
        | PrimOp::Min(_)
        | PrimOp::And(_)
        | PrimOp::Or(_)
        | PrimOp::Xor(_)
        | PrimOp::Equal(_)
        | PrimOp::Less(_)
        | PrimOp::LessEqual(_)
        | PrimOp::Select(_)
        | PrimOp::Reshape(_)
        | PrimOp::Transpose(_)
        | PrimOp::Broadcast(_)
        | PrimOp::Slice(_)
        | PrimOp::Pad(_)
        | PrimOp::Concat(_)
        | PrimOp::ShapeOf(_)
        | PrimOp::ArgReduce(_)
        | PrimOp::Gather(_)
        | PrimOp::GatherElements(_)
        | PrimOp::GatherNd(_)
        | PrimOp::MaxPool(_)
        | PrimOp::If(_)
        | PrimOp::Loop(_) => false,
    }
}

fn adds(kind: ReduceKind) -> bool {
    matches!(kind, ReduceKind::Sum | ReduceKind::Prod)
}

fn combines(kind: ScatterKind) -> bool {
    matches!(kind, ScatterKind::Add | ScatterKind::Mul)
}
