//! Which schedule a kernel gets on a device.

use crate::emit::Contraction;
use crate::kernels::{Target, sweeps};
use crate::regions::{Core, Region, Rows};
use satura_ir::{PrimOp, ValueId};
use satura_kernel::{ContractionSchedule, DeviceClass, RowSchedule, Schedule};

/// Invocations in a workgroup where nothing asks for more or less.
const WORKGROUP: u32 = 64;

pub(crate) fn choose(target: &Target<'_>, region: &Region) -> Schedule {
    match &region.core {
        Core::Elements => elementwise(target, region.root, true),
        Core::Rows(rows) => rows_schedule(target, region.root, rows),
        Core::Nest(core) => nest(target, region.root, *core),
    }
}

fn elementwise(target: &Target<'_>, root: ValueId, vectors: bool) -> Schedule {
    let count: usize = target.sizes(root).iter().product();
    let vector = if (vectors || target.storage(root).per_word() > 1) && count % 4 == 0 { 4 } else { 1 };
    Schedule::Elementwise { vector, per_invocation: 1, workgroup: WORKGROUP }
}

fn rows_schedule(target: &Target<'_>, root: ValueId, rows: &Rows) -> Schedule {
    let length: usize = rows.axes.iter().map(|a| rows.domain[*a]).product();
    let count: usize = rows.domain.iter().product::<usize>() / length.max(1);
    let trailing = rows.axes.iter().copied().eq(rows.domain.len() - rows.axes.len()..rows.domain.len());
    // A word of several elements is written by one invocation, which a row program cannot promise unless it moves along the row by vectors.
    let packed = target.storage(root).per_word() > 1;
    if packed && !(rows.full && trailing && length % 4 == 0) {
        return elementwise(target, root, false);
    }
    if let Some(forced) = target.options.rows {
        return Schedule::Row(forced);
    }
    let serial = RowSchedule::Serial { workgroup: WORKGROUP };
    let schedule = match (target.profile.class, target.profile.subgroup_size) {
        (DeviceClass::Cpu, Some(size)) if trailing && length >= 2 * size as usize => {
            RowSchedule::Subgroup { subgroups: 4 }
        }
        (DeviceClass::Gpu, Some(size)) if length >= size as usize && (trailing || count < 1024) => {
            if length >= 2048 {
                RowSchedule::Shared { workgroup: 256 }
            } else {
                RowSchedule::Subgroup { subgroups: 4 }
            }
        }
        (DeviceClass::Gpu, None) if length >= 64 && (trailing || count < 1024) => {
            RowSchedule::Shared { workgroup: 64 }
        }
        _ => serial,
    };
    Schedule::Row(schedule)
}

fn nest(target: &Target<'_>, root: ValueId, core: ValueId) -> Schedule {
    let Some(c) = Contraction::of(target.graph, core) else {
        if sweeps(target, root, core) {
            return Schedule::Row(RowSchedule::Serial { workgroup: WORKGROUP });
        }
        let vectors = target
            .graph
            .producer(core)
            .is_some_and(|(_, node)| matches!(node.op.prim(), Some(PrimOp::MaxPool(_) | PrimOp::AvgPool(_))));
        return elementwise(target, root, vectors);
    };
    let packed = target.storage(root).per_word() > 1;
    if let Some(forced) = target.options.contraction {
        let fits = fits(forced, &c, packed);
        return if fits { Schedule::Contraction(forced) } else { elementwise(target, root, false) };
    }
    let taps: usize = c.taps.iter().product();
    let length = c.depth * taps;
    if packed && c.columns % 4 != 0 {
        return elementwise(target, root, false);
    }
    let outputs = c.batch * c.rows * c.columns;
    match (target.profile.class, target.profile.subgroup_size) {
        // Too few columns for vectors: the lanes share the sum instead.
        (_, Some(size)) if c.columns < 4 && !packed && length >= 2 * size as usize => {
            Schedule::Row(RowSchedule::Subgroup { subgroups: 4 })
        }
        _ if c.columns < 4 || c.rows < 4 => elementwise(target, root, true),
        (DeviceClass::Cpu, Some(size)) => {
            // Rows written out times taps written out, bounded: drivers compile what is written out, once for each kernel.
            let written_out = if c.taps.is_empty() || taps == 1 { 4 } else { taps.min(9) as u32 };
            let most = (4 * size).min(32);
            let mut rows = if most * written_out > 300 { most / 2 } else { most };
            // Fewer rows where a tile would be mostly empty, or where too few tasks keep the cores busy.
            while rows > 4 && (c.rows as u32).div_ceil(rows) * rows >= c.rows as u32 + rows / 2 {
                rows /= 2;
            }
            Schedule::Contraction(ContractionSchedule::Subgroup { rows, subgroups: 1 })
        }
        (DeviceClass::Cpu, None) => {
            Schedule::Contraction(ContractionSchedule::Register { rows: 8, vectors: 1, workgroup: WORKGROUP })
        }
        (DeviceClass::Gpu, _) if !packed && c.rows >= 16 && c.columns >= 16 && length >= 16 => {
            let large = outputs >= 64 * 64 * 64 && c.rows >= 64 && c.columns >= 64;
            let side = if large { 64 } else { 32 };
            let thread = side / 16;
            Schedule::Contraction(ContractionSchedule::Shared {
                rows: side,
                columns: side,
                inner: 16,
                thread_rows: thread,
                thread_columns: thread,
            })
        }
        (DeviceClass::Gpu, _) => {
            Schedule::Contraction(ContractionSchedule::Register { rows: 4, vectors: 1, workgroup: WORKGROUP })
        }
    }
}

/// Whether a tiling can compute a contraction: lanes take four columns at a time, and only whole vectors can be stored where several elements share a word.
fn fits(tiling: ContractionSchedule, c: &Contraction, packed: bool) -> bool {
    match tiling {
        ContractionSchedule::Naive { .. } => true,
        ContractionSchedule::Register { .. } | ContractionSchedule::Subgroup { .. } => {
            c.columns >= 4 && (!packed || c.columns % 4 == 0)
        }
        ContractionSchedule::Shared { .. } => !packed,
    }
}
