//! The memory plan: temporaries share arenas by lifetime.
//!
//! Greedy by size, after Pisarchyk and Lee, "Efficient memory management for deep neural net inference" (2020): the largest value first, each at the lowest offset where it meets
//! no value that lives at the same time. Which arena a value lies in is decided first: a step never writes into an arena that it reads.

use satura_kernel::{BufferKind, Plan, PlanBufferId, Step};
use std::collections::BTreeSet;

/// Assigns arenas and offsets to all temporaries.
pub(crate) fn plan_memory(plan: &mut Plan, alignment: u64, arena_limit: u64) {
    let steps = plan.steps.len();
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; plan.buffers.len()];
    let mut touch = |buffer: PlanBufferId, step: usize| {
        let life = lives[buffer.0 as usize].get_or_insert((step, step));
        life.1 = life.1.max(step);
    };
    let mut reads: Vec<Vec<PlanBufferId>> = Vec::with_capacity(steps);
    let mut writes: Vec<Vec<PlanBufferId>> = Vec::with_capacity(steps);
    for step in &plan.steps {
        match step {
            Step::Dispatch(dispatch) => {
                let kernel = &plan.kernels[dispatch.kernel];
                let bound = dispatch.bindings.iter().zip(&kernel.buffers);
                let of = |access| {
                    bound
                        .clone()
                        .filter(move |(_, b)| b.access == access)
                        .map(|(binding, _)| binding.buffer)
                        .collect()
                };
                reads.push(of(satura_kernel::Access::Read));
                writes.push(of(satura_kernel::Access::ReadWrite));
            }
            Step::Host(host) => {
                reads.push(host.reads.clone());
                writes.push(host.writes.clone());
            }
        }
    }
    for step in 0..steps {
        reads[step].iter().chain(&writes[step]).for_each(|b| touch(*b, step));
    }
    let temporary = |plan: &Plan, b: PlanBufferId| plan.buffer(b).kind == BufferKind::Temporary;
    // What one step reads and writes lies apart. A value written in parts meets more than the reads of its first step.
    let mut apart: Vec<BTreeSet<PlanBufferId>> = vec![BTreeSet::new(); plan.buffers.len()];
    for step in 0..steps {
        for written in writes[step].iter().filter(|b| temporary(plan, **b)) {
            for read in reads[step].iter().filter(|b| temporary(plan, **b)) {
                apart[written.0 as usize].insert(*read);
                apart[read.0 as usize].insert(*written);
            }
        }
    }
    // In order of production: the first arena that holds none of these.
    for written in writes.iter().flatten() {
        if !temporary(plan, *written) || plan.buffer(*written).arena.is_some() {
            continue;
        }
        let taken: BTreeSet<u32> =
            apart[written.0 as usize].iter().filter_map(|b| plan.buffer(*b).arena).collect();
        let arena = (0..).find(|a| !taken.contains(a)).unwrap_or(0);
        plan.buffers[written.0 as usize].arena = Some(arena);
    }
    let count = plan.buffers.iter().filter_map(|b| b.arena).max().map_or(0, |a| a + 1);
    let mut arenas: Vec<u64> = Vec::new();
    // Ids change where a group needs several arenas.
    let groups: Vec<Option<u32>> = plan.buffers.iter().map(|b| b.arena).collect();
    for arena in 0..count {
        let mut members: Vec<usize> = (0..groups.len()).filter(|b| groups[*b] == Some(arena)).collect();
        members.sort_by_key(|b| (std::cmp::Reverse(plan.buffers[*b].bytes), *b));
        // A value that no longer fits under the limit starts a further arena.
        let mut open: Vec<(u32, Vec<usize>, u64)> = vec![(arenas.len() as u32, Vec::new(), 0)];
        for member in members {
            let bytes = plan.buffers[member].bytes;
            let mut placed = false;
            for (id, inside, size) in &mut open {
                let offset = lowest_gap(plan, &lives, inside, member, alignment);
                if offset + bytes <= arena_limit || inside.is_empty() {
                    plan.buffers[member].arena = Some(*id);
                    plan.buffers[member].offset = offset;
                    *size = (*size).max(offset + bytes);
                    inside.push(member);
                    placed = true;
                    break;
                }
            }
            if !placed {
                let id = arenas.len() as u32 + open.len() as u32;
                plan.buffers[member].arena = Some(id);
                open.push((id, vec![member], bytes));
            }
        }
        arenas.extend(open.into_iter().map(|(_, _, size)| size));
    }
    plan.arenas = arenas;
}

fn lowest_gap(
    plan: &Plan,
    lives: &[Option<(usize, usize)>],
    inside: &[usize],
    member: usize,
    alignment: u64,
) -> u64 {
    let (start, end) = lives[member].unwrap_or((0, usize::MAX));
    let mut taken: Vec<(u64, u64)> = inside
        .iter()
        .filter(|other| lives[**other].is_none_or(|(s, e)| s <= end && start <= e))
        .map(|other| (plan.buffers[*other].offset, plan.buffers[*other].offset + plan.buffers[*other].bytes))
        .collect();
    taken.sort_unstable();
    let bytes = plan.buffers[member].bytes;
    let mut offset = 0u64;
    for (from, to) in taken {
        if offset + bytes <= from {
            break;
        }
        offset = offset.max(to.next_multiple_of(alignment));
    }
    offset
}
