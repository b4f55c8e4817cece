//! Ops that give their input.

use crate::matching::{same_shape, uniform};
use satura_ir::{Node, NodeId, Op, ValueId, ops};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};
use satura_tensor::{DType, Dim};

/// Removes ops that give one of their inputs as it is: moves that move nothing, arithmetic with the neutral element, involutions and idempotent ops applied twice, casts to the same dtype
/// or there and back without loss. Bit-exact: `x + 0.0` stays, since it turns `-0.0` into `0.0`; `x + -0.0` and `x - 0.0` leave.
pub const IDENTITY: PassInfo = PassInfo {
    name: "identity",
    summary: "Removes ops that give their input unchanged.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "identity", &identity)?;
        cx.rewrite(graph, "cast-of-cast", &cast_of_cast).map(|_| ())
    },
};

fn identity(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let same = unchanged(g, node).ok_or(Skip::NoMatch)?;
    let output = node.outputs[0];
    if same_shape(g, same, output).is_none() || g.ty(same).dtype() != g.ty(output).dtype() {
        return Err(Skip::CheckFailed("the input broadcasts"));
    }
    let mut patch = g.patch(n);
    patch.replace(output, same);
    Ok(patch.finish())
}

/// The input that the node gives, up to broadcasting.
fn unchanged(g: &View<'_>, node: &Node) -> Option<ValueId> {
    let input = |i: usize| node.inputs[i];
    let is =
        |i: usize, test: &dyn Fn(crate::matching::Uniform) -> bool| uniform(g, input(i)).is_some_and(test);
    // The other input, where one passes the test.
    let other = |test: &dyn Fn(crate::matching::Uniform) -> bool| {
        if is(1, test) {
            Some(input(0))
        } else if is(0, test) {
            Some(input(1))
        } else {
            None
        }
    };
    let same = || (input(0) == input(1)).then(|| input(0));
    let inner =
        |matches: &dyn Fn(&Op) -> bool| g.producer(input(0)).map(|(_, node)| node).filter(|n| matches(&n.op));
    let boolean = || g.ty(node.outputs[0]).dtype() == Some(DType::Bool);
    let zeros = |dims: &[Dim]| dims.iter().all(|d| d.is(0));
    match &node.op {
        Op::Reshape(_) | Op::Broadcast(_) => Some(input(0)),
        Op::Transpose(op) => op.perm.iter().copied().eq(0..op.perm.len()).then(|| input(0)),
        Op::Slice(op) => (zeros(&op.starts) && op.steps.iter().all(|s| *s == 1)).then(|| input(0)),
        Op::Pad(op) => (zeros(&op.low) && zeros(&op.high)).then(|| input(0)),
        Op::Concat(_) => (node.inputs.len() == 1).then(|| input(0)),
        Op::Cast(op) => (g.ty(input(0)).dtype() == Some(op.to)).then(|| input(0)),
        Op::Add(_) => other(&|u| u.is_zero(true)),
        Op::Sub(_) => is(1, &|u| u.is_zero(false)).then(|| input(0)),
        Op::Mul(_) => other(&|u| u.is_one()),
        Op::Div(_) | Op::Pow(_) => is(1, &|u| u.is_one()).then(|| input(0)),
        Op::Max(_) | Op::Min(_) => same(),
        Op::And(_) => same().or_else(|| other(&|u| boolean() && u.is_one())),
        Op::Or(_) => same().or_else(|| other(&|u| u.is_zero(false))),
        Op::Xor(_) => other(&|u| u.is_zero(false)),
        Op::Select(_) if input(1) == input(2) => Some(input(1)),
        Op::Select(_) => uniform(g, input(0)).map(|u| input(if u.is_one() { 1 } else { 2 })),
        Op::Neg(_) => inner(&|op| matches!(op, Op::Neg(_))).map(|n| n.inputs[0]),
        Op::Not(_) => inner(&|op| matches!(op, Op::Not(_))).map(|n| n.inputs[0]),
        op @ (Op::Abs(_) | Op::Floor(_) | Op::Ceil(_) | Op::Round(_) | Op::Sign(_) | Op::Relu(_)) => {
            inner(&|other| other == op).map(|_| input(0))
        }
        Op::Reduce(op) => {
            let nothing = op.axes.as_ref().is_some_and(Vec::is_empty);
            let picks = matches!(op.kind, ops::ReduceKind::Max | ops::ReduceKind::Min);
            (nothing && picks).then(|| input(0))
        }
        _ => None,
    }
}

/// `cast(cast(x))` where the first cast loses nothing is one cast from `x`, or `x` itself.
fn cast_of_cast(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::Cast(outer) = &node.op else { return Err(Skip::NoMatch) };
    let (_, inner) = g.producer(node.inputs[0]).ok_or(Skip::NoMatch)?;
    let Op::Cast(middle) = &inner.op else { return Err(Skip::NoMatch) };
    let source = inner.inputs[0];
    let from = g.ty(source).dtype().ok_or(Skip::NoMatch)?;
    if !lossless(from, middle.to) {
        return Err(Skip::CheckFailed("the first cast may lose something"));
    }
    if outer.to == DType::String {
        return Err(Skip::CheckFailed("text shows the dtype it came from"));
    }
    let mut patch = g.patch(n);
    let value = if outer.to == from { source } else { patch.emit().one(outer.clone(), &[source])? };
    patch.replace(node.outputs[0], value);
    Ok(patch.finish())
}

/// Whether every value of `from` is a value of `to`.
fn lossless(from: DType, to: DType) -> bool {
    // Integers up to 2^bits are floats of that dtype.
    let float_bits = match to {
        DType::F64 => 53,
        DType::F32 => 24,
        DType::F16 => 11,
        DType::BF16 => 8,
        _ => 0,
    };
    match (from.int_range(), to.int_range()) {
        _ if from == to => true,
        (Some((least, greatest)), Some((low, high))) => low <= least && greatest <= high,
        (Some((least, greatest)), None) => float_bits > 0 && greatest.max(-least) <= 1 << float_bits,
        (None, _) => matches!(
            (from, to),
            (DType::F16 | DType::BF16, DType::F32 | DType::F64) | (DType::F32, DType::F64)
        ),
    }
}
