//! Sweeps: one invocation walks a row from end to end and keeps what it has combined so far. For cumulative ops, and for scatters, whose updates must meet their row in order.

use super::{Target, invocation, linear};
use crate::LowerError;
use crate::emit::unflatten;
use crate::regions::kept;
use satura_ir::ops::{Scan, ScatterElements, axis_index};
use satura_ir::{PrimOp, ValueId};
use satura_kernel::{Index, Kernel};

/// Whether `core` is walked row by row.
pub(crate) fn sweeps(target: &Target<'_>, root: ValueId, core: ValueId) -> bool {
    let Some((_, node)) = target.graph.producer(core) else { return false };
    // An invocation writes single elements of its row, so none may share a word with another's.
    let words = target.storage(root).per_word() == 1;
    match node.op.prim() {
        Some(PrimOp::Scan(_)) => words,
        Some(PrimOp::ScatterElements(_)) => words && root == core,
        _ => false,
    }
}

pub(super) fn build(
    target: &Target<'_>,
    root: ValueId,
    core: ValueId,
    workgroup: u32,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let Some((_, node)) = target.graph.producer(core) else {
        return Err(LowerError::internal("a sweep over an input"));
    };
    match node.op.prim() {
        Some(PrimOp::Scan(op)) => scan(target, root, core, node.inputs[0], op, workgroup),
        Some(PrimOp::ScatterElements(op)) => {
            scatter(target, root, [node.inputs[0], node.inputs[1], node.inputs[2]], op, workgroup)
        }
        _ => Err(LowerError::internal("this op is not walked row by row")),
    }
}

fn scan(
    target: &Target<'_>,
    root: ValueId,
    core: ValueId,
    x: ValueId,
    op: &Scan,
    workgroup: u32,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let sizes = target.sizes(core);
    let axis = axis_index(op.axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
    let outer = kept(&sizes, &[axis]);
    let mut em = target.emitter(&target.name(root, Some(core)), workgroup);
    let (row, condition, groups) = invocation(&mut em, workgroup, outer.iter().product());
    let dtype = em.dtype(x);
    let root_sizes = target.sizes(root);
    em.when_some(condition, |em| {
        let row = unflatten(&Index::var(row), &outer);
        let start = em.reduction_start(op.kind, dtype)?;
        let total = em.accumulator(start);
        em.each(sizes[axis], false, &mut |em, step| {
            let mut at = row.clone();
            at[axis] = if op.reverse { step.mul(-1).offset(sizes[axis] as i64 - 1) } else { step.clone() };
            let element = em.value(x, &at)?;
            let before = em.b.get(total);
            let after = em.combine_partial(op.kind, before, element);
            let after = em.wrap(after, dtype);
            em.b.set(total, after);
            em.give(core, if op.exclusive { before } else { after });
            let flat = linear(&at, &sizes);
            let at = if root_sizes == sizes { at } else { unflatten(&flat, &root_sizes) };
            let result = em.compute_given(root, &at)?;
            em.store(root, &flat, result)
        })
    })?;
    Ok(em.finish(groups))
}

fn scatter(
    target: &Target<'_>,
    root: ValueId,
    [x, indices, updates]: [ValueId; 3],
    op: &ScatterElements,
    workgroup: u32,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let (sizes, index_sizes) = (target.sizes(x), target.sizes(indices));
    let axis = axis_index(op.axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
    let outer = kept(&sizes, &[axis]);
    let mut em = target.emitter(&target.name(root, None), workgroup);
    let (row, condition, groups) = invocation(&mut em, workgroup, outer.iter().product());
    let dtype = em.dtype(x);
    em.when_some(condition, |em| {
        let row = unflatten(&Index::var(row), &outer);
        em.each(sizes[axis], false, &mut |em, i| {
            let mut at = row.clone();
            at[axis] = i.clone();
            let element = em.value(x, &at)?;
            em.store(root, &linear(&at, &sizes), element)
        })?;
        // The indices may be smaller than `x` on the other axes: rows beyond them keep their elements.
        let others = (0..sizes.len()).filter(|a| *a != axis);
        let conditions = others.filter_map(|a| em.inside(&row[a], index_sizes[a])).collect();
        let reached = em.all(conditions);
        em.when_some(reached, |em| {
            em.each(index_sizes[axis], false, &mut |em, i| {
                let mut from: Vec<Index> =
                    row.iter().zip(&index_sizes).map(|(c, n)| c.clone().assume_within(*n as i64)).collect();
                from[axis] = i.clone();
                let mut at = row.clone();
                at[axis] = em.loaded_index(indices, &from, sizes[axis])?;
                let place = linear(&at, &sizes);
                let update = em.value(updates, &from)?;
                let old = em.load_stored(root, &place)?;
                let new = em.combine(op.combine, old, update);
                let new = em.wrap(new, dtype);
                em.store(root, &place, new)
            })
        })
    })?;
    Ok(em.finish(groups))
}
