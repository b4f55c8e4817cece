//! One output element, or a vector of four, per invocation.

use super::{Target, invocation, linear};
use crate::LowerError;
use crate::emit::unflatten;
use satura_ir::ValueId;
use satura_kernel::{BinaryOp, Index, Kernel};

pub(super) fn build(
    target: &Target<'_>,
    root: ValueId,
    vector: u8,
    workgroup: u32,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let sizes = target.sizes(root);
    let count: usize = sizes.iter().product();
    let per_word = target.storage(root).per_word();
    let mut em = target.emitter(&target.name(root, None), workgroup);
    let groups = if vector == 4 && count % 4 == 0 {
        let (var, condition, groups) = invocation(&mut em, workgroup, count / 4);
        let lane = em.lane_var();
        em.lane = Some(lane);
        let flat = Index::var(var).mul(4).add(&Index::var(lane));
        em.when_some(condition, |em| {
            let element = em.compute(root, &unflatten(&flat, &sizes))?;
            em.store(root, &flat, element)
        })?;
        groups
    } else if per_word > 1 {
        // A word holds several elements, and one invocation writes it whole; what lies behind the last element repeats it.
        let (var, condition, groups) = invocation(&mut em, workgroup, count.div_ceil(per_word));
        let first = Index::var(var).mul(per_word as i64);
        em.when_some(condition, |em| {
            let mut parts = Vec::with_capacity(per_word);
            for l in 0..per_word {
                let (raw, last) = (em.index(&first.offset(l as i64)), em.b.u32(count as u32 - 1));
                let at = em.b.binary(BinaryOp::Min, raw, last);
                let var = em.var(at, count);
                parts.push(em.compute(root, &unflatten(&Index::var(var), &sizes))?);
            }
            let word = em.b.compose(&parts);
            em.store(root, &first, word)
        })?;
        groups
    } else {
        let (var, condition, groups) = invocation(&mut em, workgroup, count);
        let coords = unflatten(&Index::var(var), &sizes);
        em.when_some(condition, |em| {
            let element = em.compute(root, &coords)?;
            em.store(root, &linear(&coords, &sizes), element)
        })?;
        groups
    };
    Ok(em.finish(groups))
}
