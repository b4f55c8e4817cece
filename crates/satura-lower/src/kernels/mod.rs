//! From a region and a schedule to a kernel.

mod contraction;
mod elements;
mod rows;
mod sweep;

pub(crate) use sweep::sweeps;

use crate::choose::choose;
use crate::emit::Emitter;
use crate::regions::{Core, Region};
use crate::{LowerError, LowerOptions};
use satura_ir::{Graph, ValueId};
use satura_kernel::{
    BinaryOp, Builder, DeviceProfile, Index, IndexVar, Kernel, Reg, RowSchedule, Schedule, Storage,
};

/// What every kernel of a graph is built from.
pub(crate) struct Target<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) in_memory: &'a dyn Fn(ValueId) -> bool,
    pub(crate) storages: &'a dyn Fn(ValueId) -> Option<Storage>,
    /// Elements bound before the first of a value.
    pub(crate) skews: &'a dyn Fn(ValueId) -> usize,
    pub(crate) profile: &'a DeviceProfile,
    pub(crate) options: &'a LowerOptions,
}

/// A kernel, the values bound to it in order, and the schedule it was built by.
pub(crate) struct Built {
    pub(crate) kernel: Kernel,
    pub(crate) bound: Vec<ValueId>,
    pub(crate) schedule: Schedule,
}

/// Builds the kernel of a region.
pub(crate) fn build(target: &Target<'_>, region: &Region) -> Result<Built, LowerError> {
    let schedule = choose(target, region);
    let (kernel, bound) = match (&region.core, schedule) {
        (Core::Nest(core), Schedule::Contraction(tiling)) => {
            contraction::build(target, region.root, *core, tiling)?
        }
        (Core::Rows(rows), Schedule::Row(spread)) => rows::build(target, region.root, rows, spread)?,
        (Core::Nest(core), Schedule::Row(RowSchedule::Serial { workgroup }))
            if sweeps(target, region.root, *core) =>
        {
            sweep::build(target, region.root, *core, workgroup)?
        }
        (Core::Nest(core), Schedule::Row(spread)) => rows::build_depth(target, region.root, *core, spread)?,
        (_, Schedule::Elementwise { vector, workgroup, .. }) => {
            elements::build(target, region.root, vector, workgroup)?
        }
        (core, schedule) => {
            return Err(LowerError::internal(&format!("schedule {schedule:?} does not fit {core:?}")));
        }
    };
    Ok(Built { kernel, bound, schedule })
}

impl Target<'_> {
    pub(super) fn emitter(&self, name: &str, workgroup: u32) -> Emitter<'_> {
        Emitter::new(self.graph, Builder::new(name, workgroup), self.in_memory, self.storages, self.skews)
    }

    pub(crate) fn sizes(&self, value: ValueId) -> Vec<usize> {
        self.graph.ty(value).sizes().unwrap_or_default()
    }

    pub(crate) fn storage(&self, value: ValueId) -> Storage {
        (self.storages)(value).unwrap_or(Storage::F32)
    }

    /// A short name for what the region computes.
    pub(super) fn name(&self, root: ValueId, core: Option<ValueId>) -> String {
        let op = |v: ValueId| self.graph.producer(v).map_or("input", |(_, n)| n.op.name()).to_owned();
        match core {
            Some(core) if core != root => format!("{}_{}", op(core), op(root)),
            _ => op(root),
        }
    }
}

/// The number of an invocation over the whole dispatch, as a variable in `0..count`, and the condition that it is one, if that is not certain.
pub(super) fn invocation(em: &mut Emitter<'_>, workgroup: u32, count: usize) -> (IndexVar, Option<Reg>, u32) {
    let groups = count.div_ceil(workgroup as usize).max(1) as u32;
    let (group, local, size) = (em.b.group(), em.b.local(), em.b.u32(workgroup));
    let first = em.b.binary(BinaryOp::Mul, group, size);
    let number = em.b.binary(BinaryOp::Add, first, local);
    let condition = (count % workgroup as usize != 0).then(|| {
        let bound = em.b.u32(count as u32);
        em.b.binary(BinaryOp::Lt, number, bound)
    });
    (em.var(number, count), condition, groups)
}

/// The row-major position of coordinates.
pub(super) fn linear(coords: &[Index], sizes: &[usize]) -> Index {
    coords
        .iter()
        .zip(satura_tensor::contiguous_strides(sizes))
        .fold(Index::constant(0), |sum, (c, stride)| sum.add(&c.mul(stride as i64)))
}
