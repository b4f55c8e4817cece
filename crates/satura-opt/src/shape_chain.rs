//! Chains of moves.

use satura_ir::{Node, NodeId, Op, ops};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};
use satura_tensor::{Dim, Shape};

/// Merges moves: a reshape, slice, broadcast or concatenation of the same kind of move is one; a transpose that moves only axes of extent 1 is a reshape; a gather of evenly spaced constant
/// positions is a slice; a broadcast that the elementwise op after it would do anyway is left out.
pub const SHAPE_CHAIN: PassInfo = PassInfo {
    name: "shape-chain",
    summary: "Merges chains of reshapes, slices, broadcasts and concatenations.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "chain", &|g, n| {
            let node = g.node(n);
            match &node.op {
                Op::Reshape(op) => reshape_of_reshape(g, n, op),
                Op::Transpose(op) => transpose_of_units(g, n, op),
                Op::Slice(op) => slice_of_slice(g, n, op),
                Op::Broadcast(op) => broadcast_of_broadcast(g, n, op),
                Op::Concat(op) => concat_of_concat(g, n, op),
                Op::Gather(op) => gather_as_slice(g, n, op),
                op if op.algebra().elementwise && node.inputs.len() > 1 => implied_broadcast(g, n),
                _ => Err(Skip::NoMatch),
            }
        })
        .map(|_| ())
    },
};

/// The producer of the node's first input.
fn inner<'g>(g: &'g View<'_>, n: NodeId) -> Result<&'g Node, Skip> {
    g.producer(g.node(n).inputs[0]).map(|(_, node)| node).ok_or(Skip::NoMatch)
}

/// A patch that replaces the one output of `n` by an op on `inputs`.
fn replace_by(
    g: &View<'_>,
    n: NodeId,
    op: impl Into<Op>,
    inputs: &[satura_ir::ValueId],
) -> Result<Patch, Skip> {
    let mut patch = g.patch(n);
    let value = patch.emit().one(op, inputs)?;
    patch.replace(g.node(n).outputs[0], value);
    Ok(patch.finish())
}

fn reshape_of_reshape(g: &View<'_>, n: NodeId, outer: &ops::Reshape) -> Result<Patch, Skip> {
    let inner = inner(g, n)?;
    let Op::Reshape(_) = inner.op else { return Err(Skip::NoMatch) };
    replace_by(g, n, outer.clone(), &inner.inputs)
}

fn transpose_of_units(g: &View<'_>, n: NodeId, op: &ops::Transpose) -> Result<Patch, Skip> {
    let input = g.node(n).inputs[0];
    let shape = g.ty(input).shape().ok_or(Skip::NoMatch)?;
    let moved: Vec<usize> = op.perm.iter().copied().filter(|axis| !shape[*axis].is(1)).collect();
    if !moved.is_sorted() {
        return Err(Skip::NoMatch);
    }
    let shape: Shape = op.perm.iter().map(|axis| shape[*axis].clone()).collect();
    replace_by(g, n, ops::Reshape { shape }, &[input])
}

fn slice_of_slice(g: &View<'_>, n: NodeId, outer: &ops::Slice) -> Result<Patch, Skip> {
    let inner_node = inner(g, n)?;
    let Op::Slice(inner) = &inner_node.op else { return Err(Skip::NoMatch) };
    let mut merged = outer.clone();
    for axis in 0..outer.starts.len() {
        let step = inner.steps[axis];
        merged.starts[axis] = inner.starts[axis].clone() + outer.starts[axis].clone() * Dim::from(step);
        merged.steps[axis] = step
            .checked_mul(outer.steps[axis])
            .ok_or(Skip::CheckFailed("the merged step is out of range"))?;
        // Nothing is taken, so the start is free; the sum need not be a position.
        if outer.sizes[axis].is(0) {
            merged.starts[axis] = Dim::from(0);
        }
    }
    replace_by(g, n, merged, &inner_node.inputs)
}

fn broadcast_of_broadcast(g: &View<'_>, n: NodeId, outer: &ops::Broadcast) -> Result<Patch, Skip> {
    let inner = inner(g, n)?;
    let Op::Broadcast(_) = inner.op else { return Err(Skip::NoMatch) };
    replace_by(g, n, outer.clone(), &inner.inputs)
}

fn concat_of_concat(g: &View<'_>, n: NodeId, outer: &ops::Concat) -> Result<Patch, Skip> {
    let node = g.node(n);
    let rank = g.ty(node.outputs[0]).shape().ok_or(Skip::NoMatch)?.len();
    let axis = ops::axis_index(outer.axis, rank)?;
    let mut inputs = Vec::new();
    for value in &node.inputs {
        match g.producer(*value) {
            Some((_, Node { op: Op::Concat(inner), inputs: parts, .. }))
                if ops::axis_index(inner.axis, rank).is_ok_and(|a| a == axis) && g.use_count(*value) == 1 =>
            {
                inputs.extend(parts);
            }
            _ => inputs.push(*value),
        }
    }
    if inputs.len() == node.inputs.len() {
        return Err(Skip::NoMatch);
    }
    replace_by(g, n, outer.clone(), &inputs)
}

fn gather_as_slice(g: &View<'_>, n: NodeId, op: &ops::Gather) -> Result<Patch, Skip> {
    let node = g.node(n);
    let (data, indices) = (node.inputs[0], node.inputs[1]);
    let known = g.value(indices).known.as_ref().ok_or(Skip::CheckFailed("the indices are not known"))?;
    let positions = known.constants().ok_or(Skip::CheckFailed("the indices are not constants"))?;
    if known.shape.len() > 1 {
        return Err(Skip::CheckFailed("the indices are not a vector"));
    }
    let shape = g.ty(data).shape().ok_or(Skip::CheckFailed("the rank is not known"))?.clone();
    let axis = ops::axis_index(op.axis, shape.len())?;
    let extent = shape[axis].as_const().ok_or(Skip::CheckFailed("the extent is not known"))?;
    let positions: Vec<i64> = positions.into_iter().map(|p| if p < 0 { p + extent } else { p }).collect();
    // An index out of range must fail when the graph runs, as before.
    if positions.iter().any(|p| !(0..extent).contains(p)) {
        return Err(Skip::CheckFailed("an index is out of range"));
    }
    let step = match positions[..] {
        [] => return Err(Skip::CheckFailed("there are no indices")),
        [_] => 1,
        [a, b, ..] => b - a,
    };
    if step == 0 || positions.windows(2).any(|pair| pair[1] - pair[0] != step) {
        return Err(Skip::CheckFailed("the indices are not evenly spaced"));
    }
    let mut slice = ops::Slice {
        starts: vec![Dim::from(0); shape.len()],
        sizes: shape.0.clone(),
        steps: vec![1; shape.len()],
    };
    slice.starts[axis] = Dim::from(positions[0]);
    slice.sizes[axis] = Dim::from(positions.len());
    slice.steps[axis] = step;
    let mut patch = g.patch(n);
    let mut value = patch.emit().one(slice, &[data])?;
    if known.shape.is_empty() {
        let mut shape = shape;
        shape.0.remove(axis);
        value = patch.emit().one(ops::Reshape { shape }, &[value])?;
    }
    patch.replace(node.outputs[0], value);
    Ok(patch.finish())
}

fn implied_broadcast(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let mut inputs = node.inputs.clone();
    for index in 0..inputs.len() {
        let Some((_, Node { op: Op::Broadcast(_), inputs: source, .. })) = g.producer(inputs[index]) else {
            continue;
        };
        let kept = std::mem::replace(&mut inputs[index], source[0]);
        let described = inputs.iter().map(|v| (g.ty(*v), g.value(*v).known.as_ref())).collect();
        let same = satura_ir::infer_op(&node.op, described, &[])
            .is_ok_and(|(types, _)| types[0].is_known() && types[0] == *g.ty(node.outputs[0]));
        if !same {
            inputs[index] = kept;
        }
    }
    if inputs == node.inputs {
        return Err(Skip::NoMatch);
    }
    replace_by(g, n, node.op.clone(), &inputs)
}
