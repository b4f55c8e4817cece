//! A plan as text, for people and for snapshots.

use satura_kernel::{Access, Binding, BufferKind, Plan, PlanBufferId, Step};

/// What a plan does: one line per step, then one per arena, then the peak. The same plan always gives the same text.
///
/// A dispatch shows its kernel, schedule and workgroups, and the buffers read and written; a step on the host shows its op, its buffers and its reason. Buffers are
/// named by kind and number (`in`, `out`, `w` for weights, `t` for temporaries), with their type and how the elements are stored; a binding of a part of a buffer shows its range of bytes. Weights,
/// inputs and outputs have memory of their own, `t3@1+256` lies in arena 1 from byte 256 on.
pub fn describe(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        match step {
            Step::Dispatch(dispatch) => {
                let Some(kernel) = plan.kernels.get(dispatch.kernel) else { continue };
                let bound = |access: Access| {
                    let all = dispatch.bindings.iter().zip(&kernel.buffers);
                    all.filter(move |(_, b)| b.access == access).map(|(binding, _)| part(plan, binding))
                };
                let schedule = dispatch.schedule.map_or("by hand".to_owned(), |s| s.to_string());
                line(
                    &mut text,
                    &format!("{}: {schedule}, groups {}", kernel.name, kernel.groups),
                    bound(Access::Read).collect(),
                    bound(Access::ReadWrite).collect(),
                );
            }
            Step::Host(host) => {
                let buffers = |ids: &[PlanBufferId]| ids.iter().map(|id| buffer(plan, *id)).collect();
                let head = format!("host {}: {}", host.op, host.reason);
                line(&mut text, &head, buffers(&host.reads), buffers(&host.writes));
            }
        }
    }
    for (arena, bytes) in plan.arenas.iter().enumerate() {
        text += &format!("arena {arena}: {bytes} bytes\n");
    }
    text + &format!("peak {} bytes\n", plan.peak_bytes())
}

fn line(text: &mut String, head: &str, reads: Vec<String>, writes: Vec<String>) {
    let reads = if reads.is_empty() { "nothing".to_owned() } else { reads.join(", ") };
    *text += &format!("{head}: {reads} -> {}\n", writes.join(", "));
}

fn part(plan: &Plan, binding: &Binding) -> String {
    let whole = plan.buffer(binding.buffer);
    let text = buffer(plan, binding.buffer);
    if binding.offset == 0 && binding.bytes == whole.bytes {
        return text;
    }
    format!("{text} bytes {}..{}", binding.offset, binding.offset + binding.bytes)
}

fn buffer(plan: &Plan, id: PlanBufferId) -> String {
    let buffer = plan.buffer(id);
    let name = match &buffer.kind {
        BufferKind::Weight(_) => format!("w{}", id.0),
        BufferKind::Input(i) => format!("in{i}"),
        BufferKind::Output(i) => format!("out{i}"),
        BufferKind::Temporary => format!("t{}", id.0),
    };
    let place = buffer.arena.map_or(String::new(), |arena| format!("@{arena}+{}", buffer.offset));
    format!("{name}{place} {}{:?} as {:?}", buffer.dtype, buffer.shape, buffer.storage)
}
