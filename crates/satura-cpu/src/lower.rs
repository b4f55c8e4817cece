//! One node to one step: which kernel each op gets. Every primitive is named here.

use crate::compile::{Binding, Compiler};
use crate::element::in_storage;
use crate::kernels::{
    concat, conv, conv_transpose, gather, matmul, plain, pool, reduce, region, resize, rows,
};
use crate::memory::View;
use crate::program::Program;
use satura_ir::{ExecError, Graph, Node, NodeId, Op, PrimOp, elementwise_prims, ops};
use satura_tensor::{DType, Dim};

/// Whether the kernel of this node runs an elementwise program on its result while it is hot.
pub(crate) fn takes_epilogue(graph: &Graph, node: &Node) -> bool {
    let f32s = node.inputs.iter().chain(&node.outputs).all(|v| graph.ty(*v).dtype() == Some(DType::F32));
    let filled = node
        .inputs
        .iter()
        .chain(&node.outputs)
        .all(|v| graph.ty(*v).sizes().is_some_and(|s| !s.contains(&0)));
    let rank = |i: usize| graph.ty(node.inputs[i]).sizes().map_or(0, |s| s.len());
    f32s && filled
        && match &node.op {
            Op::MatMul(_) => true,
            Op::Conv(_) | Op::ConvTranspose(_) => rank(0) <= 5,
            _ => false,
        }
}

/// Emits the steps of a node that is not elementwise, or elementwise of another dtype. With an epilogue, the node [takes one](takes_epilogue) and its output is bound.
pub(crate) fn lower(cx: &mut Compiler<'_>, id: NodeId, epilogue: Option<Program>) -> Result<(), ExecError> {
    let node = cx.graph.node(id);
    let stored = |cx: &Compiler<'_>, v: &satura_ir::ValueId| cx.dtype(*v).is_some_and(in_storage);
    let first_stored = node.inputs.first().is_some_and(|v| stored(cx, v));
    let done = match node.op.prim() {
        Some(prim) if first_stored || matches!(prim, PrimOp::If(_) | PrimOp::Loop(_)) => {
            primitive(cx, id, node, prim, epilogue)?
        }
        Some(_) => false,
        None if first_stored => composite(cx, node)?,
        None => false,
    };
    if done { Ok(()) } else { plain::emit(cx, id) }
}

/// Emits the fast kernel of a primitive whose first input lives in a storage; gives whether there is one.
#[deny(clippy::wildcard_enum_match_arm)]
fn primitive(
    cx: &mut Compiler<'_>,
    id: NodeId,
    node: &Node,
    prim: PrimOp<'_>,
    epilogue: Option<Program>,
) -> Result<bool, ExecError> {
    let is_f32 = node.inputs.first().is_some_and(|v| cx.dtype(*v) == Some(DType::F32));
    match prim {
        PrimOp::Reshape(_) => reshape(cx, node),
        PrimOp::Transpose(op) => {
            let x = cx.view(node.inputs[0])?;
            let shape = op.perm.iter().map(|a| x.shape[*a]).collect();
            let strides = op.perm.iter().map(|a| x.strides[*a]).collect();
            cx.bind(node.outputs[0], Binding::Stored(View { shape, strides, ..x }));
            Ok(true)
        }
        PrimOp::Broadcast(_) => {
            let (x, shape) = (cx.view(node.inputs[0])?, cx.sizes(node.outputs[0])?);
            let strides = x.broadcast_strides(&shape);
            cx.bind(node.outputs[0], Binding::Stored(View { shape, strides, ..x }));
            Ok(true)
        }
        PrimOp::Slice(op) => slice(cx, node, op),
        PrimOp::Concat(op) => concat::concat(cx, node, op),
        PrimOp::Pad(op) => concat::pad(cx, node, op),
        PrimOp::Reduce(op) => reduce::emit(cx, node, op),
        PrimOp::MatMul(_) if is_f32 => matmul::emit(cx, node, epilogue),
        PrimOp::Conv(op) if is_f32 => conv::emit(cx, node, op, epilogue),
        PrimOp::ConvTranspose(op) if is_f32 => conv_transpose::emit(cx, node, op, epilogue),
        PrimOp::MaxPool(op) if is_f32 => pool::max(cx, node, op),
        PrimOp::AvgPool(op) if is_f32 => pool::average(cx, node, op),
        PrimOp::Resize(op) if is_f32 => resize::emit(cx, id, node, op),
        PrimOp::Gather(op) => gather::emit(cx, node, op),
        PrimOp::If(_) => region::conditional(cx, id, node),
        PrimOp::Loop(op) => region::repeat(cx, id, node, op),
        PrimOp::MatMul(_)
        | PrimOp::Conv(_)
        | PrimOp::ConvTranspose(_)
        | PrimOp::MaxPool(_)
        | PrimOp::AvgPool(_)
        | PrimOp::Resize(_) => Ok(false),
        // Rare on large f32 tensors: their own evaluation serves.
        PrimOp::ArgReduce(_)
        | PrimOp::Scan(_)
        | PrimOp::GatherElements(_)
        | PrimOp::GatherNd(_)
        | PrimOp::ScatterElements(_)
        | PrimOp::ScatterNd(_) => Ok(false),
        // Constants and shapes are known at compile time; these come here only beyond the folding limit.
        PrimOp::Const(_) | PrimOp::ShapeOf(_) | PrimOp::Iota(_) => Ok(false),
        // Elementwise on stored tensors is a region; here some input or the output has another dtype.
        elementwise_prims!() => Ok(false),
    }
}

/// Whether the executor takes a composite whole.
pub(crate) fn keeps(op: &Op) -> bool {
    crate::element::composite(op).is_some() || matches!(op, Op::Softmax(_) | Op::LayerNorm(_) | Op::Mean(_))
}

fn composite(cx: &mut Compiler<'_>, node: &Node) -> Result<bool, ExecError> {
    match &node.op {
        Op::Softmax(op) => rows::softmax(cx, node, op),
        Op::LayerNorm(op) => rows::layer_norm(cx, node, op),
        Op::Mean(op) => reduce::mean(cx, node, op),
        _ => Ok(false),
    }
}

fn reshape(cx: &mut Compiler<'_>, node: &Node) -> Result<bool, ExecError> {
    let shape = cx.sizes(node.outputs[0])?;
    let x = cx.dense(node.inputs[0])?;
    let view = x.reshaped(&shape).ok_or_else(|| ExecError::internal("a dense view takes any shape"))?;
    cx.bind(node.outputs[0], Binding::Stored(view));
    Ok(true)
}

fn slice(cx: &mut Compiler<'_>, node: &Node, op: &ops::Slice) -> Result<bool, ExecError> {
    let x = cx.view(node.inputs[0])?;
    let shape = cx.sizes(node.outputs[0])?;
    let constants: Option<Vec<i64>> = op.starts.iter().map(Dim::as_const).collect();
    let Some(starts) = constants else {
        return Err(ExecError::Unsupported("a slice whose starts are not constant".to_owned()));
    };
    let mut offset = x.offset as isize;
    if !shape.contains(&0) {
        offset += starts.iter().zip(&x.strides).map(|(s, stride)| *s as isize * stride).sum::<isize>();
    }
    let strides = x.strides.iter().zip(&op.steps).map(|(stride, step)| stride * *step as isize).collect();
    let view = View { storage: x.storage, offset: offset as usize, shape, strides };
    cx.bind(node.outputs[0], Binding::Stored(view));
    Ok(true)
}

/// The view that a kernel writes its result to: the one an epilogue already bound, or a new one.
pub(crate) fn target(cx: &mut Compiler<'_>, node: &Node, epilogue: bool) -> Result<View, ExecError> {
    if epilogue {
        return cx.view(node.outputs[0]);
    }
    let sizes = cx.sizes(node.outputs[0])?;
    let view = cx.new_view(&sizes);
    cx.bind(node.outputs[0], Binding::Stored(view.clone()));
    Ok(view)
}
