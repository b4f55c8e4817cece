//! Which ops are elementwise on f32 and truth values, and as which functions.

use crate::assemble::{Assembler, Item};
use crate::lanes::{Binary, Unary};
use satura_ir::{Graph, Node, Op, PrimOp, ops};
use satura_tensor::DType;

/// The function of an elementwise node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Element {
    Unary(Unary),
    Binary(Binary),
    Select,
    /// Input, least, greatest.
    Clip,
}

/// Whether tensors of this dtype live in storages of f32.
pub(crate) fn in_storage(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::Bool)
}

impl Element {
    /// Adds the function to a program.
    pub(crate) fn assemble(self, assembler: &mut Assembler, inputs: &[Item]) -> Item {
        match self {
            Element::Unary(f) => assembler.unary(f, inputs[0]),
            Element::Binary(f) => assembler.binary(f, inputs[0], inputs[1]),
            Element::Select => assembler.select(inputs[0], inputs[1], inputs[2]),
            Element::Clip => {
                let raised = assembler.binary(Binary::Max, inputs[0], inputs[1]);
                assembler.binary(Binary::Min, raised, inputs[2])
            }
        }
    }
}

/// The elementwise function of a node all of whose inputs and outputs live in storages.
pub(crate) fn element(graph: &Graph, node: &Node) -> Option<Element> {
    let stored = |v: &satura_ir::ValueId| graph.ty(*v).dtype().is_some_and(in_storage);
    if node.inputs.is_empty() || !node.inputs.iter().chain(&node.outputs).all(stored) {
        return None;
    }
    match node.op.prim() {
        Some(prim) => primitive(prim, graph, node),
        None => composite(&node.op),
    }
}

#[deny(clippy::wildcard_enum_match_arm)]
fn primitive(prim: PrimOp<'_>, graph: &Graph, node: &Node) -> Option<Element> {
    let dtype = graph.ty(node.inputs[0]).dtype();
    let truth = dtype == Some(DType::Bool);
    Some(match prim {
        PrimOp::Neg(_) => Element::Unary(Unary::Neg),
        PrimOp::Abs(_) => Element::Unary(Unary::Abs),
        PrimOp::Sign(_) => Element::Unary(Unary::Sign),
        PrimOp::Floor(_) => Element::Unary(Unary::Floor),
        PrimOp::Ceil(_) => Element::Unary(Unary::Ceil),
        PrimOp::Round(_) => Element::Unary(Unary::Round),
        PrimOp::Exp(_) => Element::Unary(Unary::Exp),
        PrimOp::Log(_) => Element::Unary(Unary::Log),
        PrimOp::Sqrt(_) => Element::Unary(Unary::Sqrt),
        PrimOp::Sin(_) => Element::Unary(Unary::Sin),
        PrimOp::Cos(_) => Element::Unary(Unary::Cos),
        PrimOp::Tan(_) => Element::Unary(Unary::Tan),
        PrimOp::Tanh(_) => Element::Unary(Unary::Tanh),
        PrimOp::Sigmoid(_) => Element::Unary(Unary::Sigmoid),
        PrimOp::Erf(_) => Element::Unary(Unary::Erf),
        PrimOp::Not(_) => Element::Unary(Unary::Not),
        PrimOp::IsNan(_) => Element::Unary(Unary::IsNan),
        PrimOp::Cast(cast) => Element::Unary(match (dtype, cast.to) {
            (Some(DType::F32), DType::Bool) => Unary::Truth,
            _ => Unary::Copy,
        }),
        // Both live in storages, so they are the same dtype.
        PrimOp::BitCast(_) => Element::Unary(Unary::Copy),
        PrimOp::Add(_) => Element::Binary(Binary::Add),
        PrimOp::Sub(_) => Element::Binary(Binary::Sub),
        PrimOp::Mul(_) => Element::Binary(Binary::Mul),
        PrimOp::Div(_) => Element::Binary(Binary::Div),
        PrimOp::Pow(_) => Element::Binary(Binary::Pow),
        PrimOp::Rem(rem) => Element::Binary(match rem.kind {
            ops::RemKind::Floor => Binary::RemFloor,
            ops::RemKind::Trunc => Binary::RemTrunc,
        }),
        PrimOp::Max(_) if truth => Element::Binary(Binary::Or),
        PrimOp::Min(_) if truth => Element::Binary(Binary::And),
        PrimOp::Max(_) => Element::Binary(Binary::Max),
        PrimOp::Min(_) => Element::Binary(Binary::Min),
        PrimOp::And(_) => Element::Binary(Binary::And),
        PrimOp::Or(_) => Element::Binary(Binary::Or),
        PrimOp::Xor(_) => Element::Binary(Binary::Xor),
        PrimOp::Equal(_) => Element::Binary(Binary::Equal),
        PrimOp::Less(_) => Element::Binary(Binary::Less),
        PrimOp::LessEqual(_) => Element::Binary(Binary::LessEqual),
        PrimOp::Select(_) => Element::Select,
        PrimOp::Const(_)
        | PrimOp::Reshape(_)
        | PrimOp::Transpose(_)
        | PrimOp::Broadcast(_)
        | PrimOp::Slice(_)
        | PrimOp::Pad(_)
        | PrimOp::Concat(_)
        | PrimOp::ShapeOf(_)
        | PrimOp::Iota(_)
        | PrimOp::Reduce(_)
        | PrimOp::ArgReduce(_)
        | PrimOp::Scan(_)
        | PrimOp::MatMul(_)
        | PrimOp::Gather(_)
        | PrimOp::GatherElements(_)
        | PrimOp::GatherNd(_)
        | PrimOp::ScatterElements(_)
        | PrimOp::ScatterNd(_)
        | PrimOp::Conv(_)
        | PrimOp::ConvTranspose(_)
        | PrimOp::MaxPool(_)
        | PrimOp::AvgPool(_)
        | PrimOp::Resize(_)
        | PrimOp::If(_)
        | PrimOp::Loop(_) => return None,
    })
}

/// The function of a composite that is kept whole.
pub(crate) fn composite(op: &Op) -> Option<Element> {
    let real = |r: satura_ir::attr::Real| r.get() as f32;
    let unary = match op {
        Op::Relu(_) => Unary::Relu,
        Op::LeakyRelu(op) => Unary::LeakyRelu(real(op.alpha)),
        Op::Elu(op) => Unary::Elu(real(op.alpha)),
        Op::HardSigmoid(op) => Unary::HardSigmoid(real(op.alpha), real(op.beta)),
        Op::HardSwish(_) => Unary::HardSwish(1.0 / 6.0, 0.5),
        Op::Silu(_) => Unary::Silu,
        Op::Softplus(_) => Unary::Softplus,
        Op::Gelu(op) => {
            if op.approximate {
                Unary::GeluTanh
            } else {
                Unary::Gelu
            }
        }
        Op::Clip(_) => return Some(Element::Clip),
        _ => return None,
    };
    Some(Element::Unary(unary))
}
