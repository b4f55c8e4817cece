//! Plans made by hand.

use satura_ir::{ExecError, Executor, Reference, Runnable};
use satura_kernel::{
    Access, Binding, BufferId, BufferKind, Builder, Dispatch, Kernel, Plan, PlanBuffer, PlanBufferId, Reg,
    Step, Storage,
};
use satura_tensor::{DType, Tensor};
use satura_wgpu::{CompiledPlan, Gpu, PlanOptions};
use std::sync::Arc;

/// A plan under construction.
#[derive(Default)]
pub(crate) struct Plans {
    pub(crate) plan: Plan,
}

impl Plans {
    fn buffer(&mut self, kind: BufferKind, dtype: DType, shape: &[usize], storage: Storage) -> PlanBufferId {
        let id = PlanBufferId(self.plan.buffers.len() as u32);
        let bytes = storage.byte_len(shape.iter().product()).max(1).next_multiple_of(16) as u64;
        let shape = shape.to_vec();
        let name = format!("value {}", id.0);
        self.plan.buffers.push(PlanBuffer {
            kind,
            dtype,
            shape,
            storage,
            bytes,
            arena: None,
            offset: 0,
            name,
        });
        id
    }

    pub(crate) fn input(&mut self, dtype: DType, shape: &[usize], storage: Storage) -> PlanBufferId {
        let id = self.buffer(BufferKind::Input(self.plan.inputs.len()), dtype, shape, storage);
        self.plan.inputs.push(Some(id));
        id
    }

    pub(crate) fn output(&mut self, dtype: DType, shape: &[usize], storage: Storage) -> PlanBufferId {
        let id = self.buffer(BufferKind::Output(self.plan.outputs.len()), dtype, shape, storage);
        self.plan.outputs.push(id);
        id
    }

    pub(crate) fn weight(&mut self, tensor: &Tensor, storage: Storage) -> PlanBufferId {
        self.buffer(BufferKind::Weight(tensor.clone()), tensor.dtype(), tensor.shape(), storage)
    }

    /// A temporary after all others of its arena.
    pub(crate) fn temporary(
        &mut self,
        dtype: DType,
        shape: &[usize],
        storage: Storage,
        arena: u32,
    ) -> PlanBufferId {
        let id = self.buffer(BufferKind::Temporary, dtype, shape, storage);
        self.plan.arenas.resize(self.plan.arenas.len().max(arena as usize + 1), 0);
        let size = &mut self.plan.arenas[arena as usize];
        let buffer = &mut self.plan.buffers[id.0 as usize];
        (buffer.arena, buffer.offset) = (Some(arena), size.next_multiple_of(256));
        *size = buffer.offset + buffer.bytes;
        id
    }

    pub(crate) fn kernel(&mut self, kernel: Kernel) -> usize {
        self.plan.kernels.push(kernel);
        self.plan.kernels.len() - 1
    }

    /// A dispatch on whole buffers.
    pub(crate) fn dispatch(&mut self, kernel: usize, buffers: &[PlanBufferId], params: &[u32]) {
        let bind = |id: &PlanBufferId| Binding { buffer: *id, offset: 0, bytes: self.plan.buffer(*id).bytes };
        let bindings = buffers.iter().map(bind).collect();
        let label = format!("{} {}", self.plan.kernels[kernel].name, self.plan.steps.len());
        self.plan.steps.push(Step::Dispatch(Dispatch {
            kernel,
            bindings,
            params: params.to_vec(),
            label,
            schedule: None,
        }));
    }
}

/// A kernel `out = body(in0, in1, ..)` on `elements` elements, `width` per invocation, of storages `ins` and `out`.
pub(crate) fn elementwise(
    name: &str,
    elements: usize,
    ins: &[Storage],
    out: Storage,
    width: u8,
    body: impl FnOnce(&mut Builder, &[Reg]) -> Reg,
) -> Kernel {
    let mut b = Builder::new(name, 64);
    let buffers: Vec<BufferId> =
        (0..).zip(ins).map(|(i, s)| b.buffer(&format!("in{i}"), *s, elements, Access::Read, 1)).collect();
    let to = b.buffer("out", out, elements, Access::ReadWrite, 1);
    let index = invocation(&mut b, 64);
    let first = scale(&mut b, index, u32::from(width));
    guarded(&mut b, first, elements as u32, |b| {
        let values: Vec<Reg> = buffers.iter().map(|id| b.load(*id, first, width)).collect();
        let result = body(b, &values);
        b.store(to, first, result);
    });
    b.finish((elements as u32).div_ceil(64 * u32::from(width)))
}

/// The number of the invocation in the whole grid.
pub(crate) fn invocation(b: &mut Builder, workgroup: u32) -> Reg {
    let (group, local) = (b.group(), b.local());
    let start = scale(b, group, workgroup);
    b.binary(satura_kernel::BinaryOp::Add, start, local)
}

pub(crate) fn scale(b: &mut Builder, x: Reg, factor: u32) -> Reg {
    let factor = b.u32(factor);
    b.binary(satura_kernel::BinaryOp::Mul, x, factor)
}

/// A block that runs where `index < end`.
pub(crate) fn guarded(b: &mut Builder, index: Reg, end: u32, body: impl FnOnce(&mut Builder)) {
    let end = b.u32(end);
    let inside = b.binary(satura_kernel::BinaryOp::Lt, index, end);
    b.if_then(inside, body);
}

pub(crate) fn reference() -> Arc<dyn Executor> {
    Arc::new(Reference)
}

/// Runs a plan with and without the device's own checks, twice each, and gives the outputs, which must be the same all four times.
#[track_caller]
pub(crate) fn run(gpu: &Gpu, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut results = Vec::new();
    for checked in [true, false] {
        let options = PlanOptions { checked, warm_up: checked };
        let mut compiled = compile(gpu, plan, &options).expect("the plan compiles");
        for _ in 0..2 {
            results.push(compiled.run(inputs).expect("the plan runs"));
        }
    }
    assert!(results.iter().all(|r| *r == results[0]), "runs differ: {results:?}");
    results.swap_remove(0)
}

pub(crate) fn compile(gpu: &Gpu, plan: &Plan, options: &PlanOptions) -> Result<CompiledPlan, ExecError> {
    CompiledPlan::new(gpu, plan.clone(), &reference(), options)
}

/// Says that a test does nothing on this adapter, and why.
pub(crate) fn skipped(reason: &str) {
    #[expect(clippy::print_stderr, reason = "a skipped test must say why")]
    {
        eprintln!("SKIPPED: {reason}");
    }
}
