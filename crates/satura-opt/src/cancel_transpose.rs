//! Transposes that cancel.

use crate::matching::eval_one;
use satura_ir::{Node, NodeId, Op, OpError, ValueId, ops};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, PatchBuilder, Skip, View};
use satura_tensor::{Dim, Shape};
use std::collections::BTreeMap;

/// Merges a transpose of a transpose, and moves a transpose up through ops that do not care about the order of axes (elementwise ops, concatenation, padding, softmax, reductions that keep
/// their axes) where that leaves fewer transposes. Constants are transposed at compile time.
pub const CANCEL_TRANSPOSE: PassInfo = PassInfo {
    name: "cancel-transpose",
    summary: "Merges transposes and moves them where they cancel.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "merge", &merge)?;
        cx.rewrite(graph, "move-up", &move_up)?;
        cx.rewrite(graph, "merge", &merge).map(|_| ())
    },
};

/// How many ops a transpose may pass.
const MAX_DEPTH: usize = 24;

/// `perm` of a value that a transpose produces, and its input.
fn transposed<'g>(g: &'g View<'_>, value: ValueId) -> Option<(&'g [usize], ValueId)> {
    match g.producer(value)?.1 {
        Node { op: Op::Transpose(op), inputs, .. } => Some((&op.perm, inputs[0])),
        _ => None,
    }
}

/// The permutation that does `first`, then `second`.
fn compose(first: &[usize], second: &[usize]) -> Vec<usize> {
    second.iter().map(|axis| first[*axis]).collect()
}

fn is_identity(perm: &[usize]) -> bool {
    perm.iter().copied().eq(0..perm.len())
}

fn merge(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::Transpose(outer) = &node.op else { return Err(Skip::NoMatch) };
    let mut patch = g.patch(n);
    let value = match transposed(g, node.inputs[0]) {
        Some((first, source)) => permuted(&mut patch, source, &compose(first, &outer.perm))?,
        None if is_identity(&outer.perm) => node.inputs[0],
        None => return Err(Skip::NoMatch),
    };
    patch.replace(node.outputs[0], value);
    Ok(patch.finish())
}

/// `value` with a transpose after it, unless it is the identity.
fn permuted(patch: &mut PatchBuilder<'_>, value: ValueId, perm: &[usize]) -> Result<ValueId, OpError> {
    if is_identity(perm) {
        Ok(value)
    } else {
        patch.emit().one(ops::Transpose { perm: perm.to_vec() }, &[value])
    }
}

fn move_up(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::Transpose(op) = &node.op else { return Err(Skip::NoMatch) };
    let value = node.inputs[0];
    if passes(g, value, &op.perm).is_none() {
        return Err(Skip::NoMatch);
    }
    if cost(g, value, &op.perm, MAX_DEPTH) > 0 {
        return Err(Skip::CheckFailed("moving it up would add transposes"));
    }
    let mut patch = g.patch(n);
    let moved = build(g, &mut patch, value, &op.perm, MAX_DEPTH, &mut BTreeMap::new())?;
    patch.replace(node.outputs[0], moved);
    Ok(patch.finish())
}

/// The node and its op for permuted axes, if a transpose after `value` can move before the op that produces it. That needs nobody else to read `value`.
fn passes<'g>(g: &'g View<'_>, value: ValueId, perm: &[usize]) -> Option<(&'g Node, Op)> {
    let (_, node) = g.producer(value)?;
    let rank = perm.len();
    if g.use_count(value) != 1 || node.outputs.len() != 1 || node.inputs.is_empty() {
        return None;
    }
    let new_axis = |axis: i64| {
        let old = ops::axis_index(axis, rank).ok()?;
        perm.iter().position(|p| *p == old).map(|p| p as i64)
    };
    let dims = |dims: &[Dim]| perm.iter().map(|axis| dims[*axis].clone()).collect();
    let op: Op = match &node.op {
        Op::Concat(op) => ops::Concat { axis: new_axis(op.axis)? }.into(),
        Op::Softmax(op) => ops::Softmax { axis: new_axis(op.axis)? }.into(),
        Op::Pad(op) => ops::Pad { low: dims(&op.low), high: dims(&op.high) }.into(),
        Op::Reduce(op) if op.keep => {
            let axes =
                op.axes.as_ref().map(|axes| axes.iter().map(|axis| new_axis(*axis)).collect::<Option<_>>());
            ops::Reduce { axes: axes.map_or(Some(None), |a: Option<Vec<i64>>| a.map(Some))?, ..op.clone() }
                .into()
        }
        op if op.algebra().elementwise => op.clone(),
        _ => return None,
    };
    let fits = node.inputs.iter().all(|input| match g.ty(*input).shape() {
        Some(shape) => {
            shape.len() == rank || shape.is_empty() || (shape.len() < rank && g.constant(*input).is_some())
        }
        None => false,
    });
    fits.then_some((node, op))
}

/// How many transposes it takes to have `value` permuted, less those that go: what [`build`] makes.
fn cost(g: &View<'_>, value: ValueId, perm: &[usize], depth: usize) -> i64 {
    if g.ty(value).shape().is_some_and(|shape| shape.is_empty()) || g.constant(value).is_some() {
        return 0;
    }
    if let Some((first, _)) = transposed(g, value) {
        let needed = i64::from(!is_identity(&compose(first, perm)));
        return needed - i64::from(g.use_count(value) == 1);
    }
    match passes(g, value, perm).filter(|_| depth > 0) {
        Some((node, _)) => node.inputs.iter().map(|input| cost(g, *input, perm, depth - 1)).sum(),
        None => 1,
    }
}

fn build(
    g: &View<'_>,
    patch: &mut PatchBuilder<'_>,
    value: ValueId,
    perm: &[usize],
    depth: usize,
    done: &mut BTreeMap<ValueId, ValueId>,
) -> Result<ValueId, Skip> {
    if let Some(built) = done.get(&value) {
        return Ok(*built);
    }
    let built = if g.ty(value).shape().is_some_and(|shape| shape.is_empty()) {
        value
    } else if let Some(tensor) = g.constant(value) {
        let mut sizes = vec![1; perm.len() - tensor.rank()];
        sizes.extend(tensor.shape());
        let full = eval_one(ops::Reshape { shape: Shape::of(&sizes) }, std::slice::from_ref(tensor))?;
        let constant = eval_one(ops::Transpose { perm: perm.to_vec() }, &[full])?;
        patch.emit().constant(constant)?
    } else if let Some((first, source)) = transposed(g, value) {
        permuted(patch, source, &compose(first, perm))?
    } else {
        match passes(g, value, perm).filter(|_| depth > 0) {
            Some((node, op)) => {
                let inputs = node
                    .inputs
                    .iter()
                    .map(|input| build(g, patch, *input, perm, depth - 1, done))
                    .collect::<Result<Vec<_>, _>>()?;
                patch.emit().one(op, &inputs)?
            }
            None => permuted(patch, value, perm)?,
        }
    };
    done.insert(value, built);
    Ok(built)
}
