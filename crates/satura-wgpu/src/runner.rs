//! Running plans. Must hold: everything that a run needs is made when the plan is compiled; a run encodes, submits and waits, in one pass between steps on
//! the host. Whatever a run leaves behind in memory, the next one does not see: every value is written before it is read.

use crate::commands::{Command, Params, bindings, command, record};
use crate::gpu::Gpu;
use crate::memory::{DeviceMemory, dispatches};
use crate::pipelines::{self, CompileStats, Pipeline};
use crate::readback::Readback;
use crate::timing::{DispatchTime, Timestamps};
use satura_ir::{ExecError, Executor, Fallback, RunReport, Runnable};
use satura_kernel::{
    Access, BufferKind, Dispatch, HostStep, Plan, PlanBuffer, PlanBufferId, Step, Storage, decode, encode,
};
use satura_tensor::{DType, Tensor};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a plan is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Whether the device guards every access, loop and division. Slower; for tests of kernels that nobody proved.
    pub checked: bool,
    /// Whether each pipeline is started once without work, so that drivers that compile at the first start do it now and not in the first run.
    pub warm_up: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { checked: false, warm_up: true }
    }
}

/// A plan that is ready to run on a device.
pub struct CompiledPlan {
    gpu: Gpu,
    memory: DeviceMemory,
    pipelines: Vec<Pipeline>,
    commands: Vec<Command>,
    actions: Vec<Action>,
    inputs: Vec<Option<PlanBufferId>>,
    outputs: Vec<PlanBufferId>,
    values: Vec<Meta>,
    /// For each buffer whose tensor the host knows without a run (weights, tensors without elements), the tensor.
    known: Vec<Option<Tensor>>,
    readback: Readback,
    stats: CompileStats,
    report: RunReport,
}

/// What a plan buffer stands for.
struct Meta {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    storage: Storage,
    bytes: u64,
}

/// What a run does, in order.
enum Action {
    /// Starts these commands.
    Device(Range<usize>),
    /// Runs a graph on the host.
    Host(Box<HostAction>),
}

struct HostAction {
    runnable: Box<dyn Runnable>,
    name: String,
    reads: Vec<PlanBufferId>,
    writes: Vec<PlanBufferId>,
    /// Those of `reads` that the device computed.
    readback: Readback,
}

impl CompiledPlan {
    /// Compiles a plan: builds its pipelines, allocates its memory, uploads its weights. Graphs that the plan leaves to the host are compiled by `host`.
    pub fn new(
        gpu: &Gpu,
        plan: Plan,
        host: &Arc<dyn Executor>,
        options: &PlanOptions,
    ) -> Result<Self, ExecError> {
        check(&plan)?;
        let memory = DeviceMemory::new(gpu, &plan)?;
        let built = pipelines::build(gpu, &plan.kernels, options.checked)?;
        let computed: BTreeSet<PlanBufferId> = dispatches(&plan).flat_map(|d| written(&plan, d)).collect();
        let read_back = |ids: &[PlanBufferId]| -> Result<Readback, ExecError> {
            let ids: BTreeSet<PlanBufferId> =
                ids.iter().copied().filter(|id| computed.contains(id)).collect();
            let place = |id: PlanBufferId| Some((id, memory.place(id)?, plan.buffer(id).bytes));
            Readback::new(gpu, &ids.into_iter().filter_map(place).collect::<Vec<_>>())
        };

        let params = Params::new(gpu, &plan, &built.of_kernel, &built.pipelines)?;
        let mut commands: Vec<Command> = Vec::new();
        let mut actions = Vec::new();
        let mut report = RunReport { peak_bytes: plan.peak_bytes(), ..RunReport::default() };
        for (position, step) in plan.steps.iter().enumerate() {
            match step {
                Step::Dispatch(dispatch) if plan.kernels[dispatch.kernel].groups == 0 => {}
                Step::Dispatch(dispatch) => {
                    let pipeline = built.of_kernel[dispatch.kernel];
                    let bindings = bindings(&plan, dispatch, &memory)?;
                    let command = command(
                        gpu,
                        dispatch,
                        pipeline,
                        &built.pipelines[pipeline],
                        &bindings,
                        &memory,
                        params.at(position),
                    )?;
                    commands.push(command);
                    match actions.last_mut() {
                        Some(Action::Device(range)) => range.end = commands.len(),
                        _ => actions.push(Action::Device(commands.len() - 1..commands.len())),
                    }
                }
                Step::Host(step) => {
                    let HostStep { graph, reads, writes, op, node, reason } = &**step;
                    report.fallbacks.push(Fallback {
                        op: op.clone(),
                        node: node.clone(),
                        reason: reason.clone(),
                    });
                    actions.push(Action::Host(Box::new(HostAction {
                        runnable: host.compile(graph)?,
                        name: format!("{op} {node:?} on the host"),
                        reads: reads.clone(),
                        writes: writes.clone(),
                        readback: read_back(reads)?,
                    })));
                }
            }
        }
        report.kernels = commands.len();
        let readback = read_back(&plan.outputs)?;

        // Only what the host itself uses keeps its tensor: weights may be most of the process's memory.
        let host_reads =
            actions.iter().filter_map(|a| if let Action::Host(h) = a { Some(&h.reads) } else { None });
        let wanted: BTreeSet<PlanBufferId> = host_reads.flatten().chain(&plan.outputs).copied().collect();
        let known = (0..).zip(&plan.buffers).map(|(id, buffer)| match &buffer.kind {
            BufferKind::Weight(tensor) if wanted.contains(&PlanBufferId(id)) => Some(tensor.clone()),
            // No step computes a tensor without elements: there is nothing to compute.
            _ if buffer.shape.contains(&0) => {
                Tensor::from_bytes(buffer.dtype, &buffer.shape, Vec::new().into()).ok()
            }
            _ => None,
        });
        let known = known.collect();
        let meta = |b: PlanBuffer| Meta {
            name: b.name,
            dtype: b.dtype,
            shape: b.shape,
            storage: b.storage,
            bytes: b.bytes,
        };
        let mut compiled = CompiledPlan {
            gpu: gpu.clone(),
            memory,
            pipelines: built.pipelines,
            commands,
            actions,
            inputs: plan.inputs,
            outputs: plan.outputs,
            values: plan.buffers.into_iter().map(meta).collect(),
            known,
            readback,
            stats: built.stats,
            report,
        };
        if options.warm_up {
            compiled.warm_up()?;
        }
        gpu.check()?;
        Ok(compiled)
    }

    /// What compiling took, and how much of it the pipeline cache saved.
    pub fn stats(&self) -> CompileStats {
        self.stats
    }

    /// Runs several times and gives the wall time of each run, from tensors to tensors.
    pub fn time(&mut self, inputs: &[Tensor], runs: usize) -> Result<Vec<Duration>, ExecError> {
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let start = Instant::now();
            self.run(inputs)?;
            times.push(start.elapsed());
        }
        Ok(times)
    }

    /// Runs once with a time stamp around each dispatch; gives their durations in the order of the plan. Slower than a plain run, because each
    /// dispatch gets a pass of its own. [`ExecError::Unsupported`] if the device has no time stamps.
    pub fn profile(&mut self, inputs: &[Tensor]) -> Result<Vec<DispatchTime>, ExecError> {
        let timestamps = Timestamps::new(&self.gpu, self.commands.len())?;
        self.run_with(inputs, Some(&timestamps))?;
        let nanoseconds = timestamps.read(&self.gpu)?;
        let labels = self.commands.iter().map(|c| c.label.clone());
        Ok(labels.zip(nanoseconds).map(|(label, nanoseconds)| DispatchTime { label, nanoseconds }).collect())
    }

    /// Starts every pipeline with no workgroups: nothing is computed, but the driver compiles what it left for later.
    fn warm_up(&mut self) -> Result<(), ExecError> {
        let start = Instant::now();
        let mut seen = BTreeSet::new();
        let first: Vec<&Command> = self.commands.iter().filter(|c| seen.insert(c.pipeline)).collect();
        let submission = self.gpu.guarded("warm-up", || {
            let mut encoder =
                self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                for command in first {
                    pass.set_pipeline(&self.pipelines[command.pipeline].pipeline);
                    command.bind(&mut pass);
                    pass.dispatch_workgroups(0, 0, 0);
                }
            }
            self.gpu.queue().submit([encoder.finish()])
        })?;
        self.gpu.wait(submission)?;
        self.stats.warm_up_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }

    fn run_with(
        &mut self,
        inputs: &[Tensor],
        timestamps: Option<&Timestamps>,
    ) -> Result<Vec<Tensor>, ExecError> {
        let CompiledPlan { gpu, memory, pipelines, commands, actions, values, readback, .. } = self;
        gpu.check()?;
        let mut host = self.known.clone();
        check_inputs(&self.inputs, values, inputs)?;
        for (tensor, id) in inputs.iter().zip(&self.inputs) {
            if let Some(id) = id {
                upload(gpu, memory, values, *id, tensor)?;
                host[id.0 as usize] = Some(tensor.clone());
            }
        }
        let mut encoder: Option<wgpu::CommandEncoder> = None;
        let submit = |encoder: Option<wgpu::CommandEncoder>| {
            gpu.guarded("run", || gpu.queue().submit(encoder.map(wgpu::CommandEncoder::finish)))
        };
        for action in actions.iter_mut() {
            match action {
                Action::Device(range) => {
                    let encoder = encoder.get_or_insert_with(|| new_encoder(gpu));
                    gpu.guarded("run", || record(encoder, pipelines, commands, range.clone(), timestamps))?;
                }
                Action::Host(step) => {
                    if !step.readback.is_empty() {
                        let mut recorded = encoder.take().unwrap_or_else(|| new_encoder(gpu));
                        step.readback.encode(&mut recorded, memory);
                        let submission = submit(Some(recorded))?;
                        step.readback
                            .read(gpu, submission, |id, bytes| fetch(values, &mut host, id, bytes))?;
                    } else if encoder.is_some() {
                        // Uploads come before all that is submitted after them: what was recorded so far has to go first.
                        submit(encoder.take())?;
                    }
                    step.run(gpu, memory, values, &mut host)?;
                }
            }
        }
        let mut recorded = encoder.unwrap_or_else(|| new_encoder(gpu));
        readback.encode(&mut recorded, memory);
        if let Some(timestamps) = timestamps {
            timestamps.resolve(&mut recorded);
        }
        let submission = submit(Some(recorded))?;
        readback.read(gpu, submission, |id, bytes| fetch(values, &mut host, id, bytes))?;
        gpu.check()?;
        let output = |id: &PlanBufferId| {
            host[id.0 as usize].clone().ok_or_else(|| ExecError::internal("an output is computed by no step"))
        };
        self.outputs.iter().map(output).collect()
    }
}

impl Runnable for CompiledPlan {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
        self.run_with(inputs, None)
    }

    fn report(&self) -> RunReport {
        RunReport { built: self.stats.built, cached: self.stats.from_cache, ..self.report.clone() }
    }
}

impl HostAction {
    fn run(
        &mut self,
        gpu: &Gpu,
        memory: &DeviceMemory,
        values: &[Meta],
        host: &mut [Option<Tensor>],
    ) -> Result<(), ExecError> {
        let read = |id: &PlanBufferId| {
            let missing =
                || ExecError::Internal(format!("{} reads a value that no step computes", self.name));
            host[id.0 as usize].clone().ok_or_else(missing)
        };
        let inputs: Vec<Tensor> = self.reads.iter().map(read).collect::<Result<_, _>>()?;
        let outputs = self.runnable.run(&inputs)?;
        if outputs.len() != self.writes.len() {
            return Err(ExecError::Internal(format!("{} gave {} values", self.name, outputs.len())));
        }
        for (id, tensor) in self.writes.iter().zip(outputs) {
            let Meta { dtype, shape, .. } = &values[id.0 as usize];
            if tensor.dtype() != *dtype || tensor.shape() != shape {
                let (got, actual) = (tensor.dtype(), tensor.shape());
                let message = format!("{} gave {got}{actual:?} instead of {dtype}{shape:?}", self.name);
                return Err(ExecError::Internal(message));
            }
            upload(gpu, memory, values, *id, &tensor)?;
            host[id.0 as usize] = Some(tensor);
        }
        Ok(())
    }
}

fn new_encoder(gpu: &Gpu) -> wgpu::CommandEncoder {
    gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
}

/// The plan buffers that a dispatch writes.
fn written<'a>(plan: &'a Plan, dispatch: &'a Dispatch) -> impl Iterator<Item = PlanBufferId> + 'a {
    let bound = plan.kernels[dispatch.kernel].buffers.iter().zip(&dispatch.bindings);
    bound.filter(|(buffer, _)| buffer.access == Access::ReadWrite).map(|(_, binding)| binding.buffer)
}

/// Checks all that indexing relies on: numbers of buffers and kernels, counts of bindings and parameters, ranges of bindings.
fn check(plan: &Plan) -> Result<(), ExecError> {
    let known = |id: &PlanBufferId| (id.0 as usize) < plan.buffers.len();
    let host = plan.steps.iter().flat_map(|step| match step {
        Step::Host(step) => [&step.reads[..], &step.writes[..]],
        Step::Dispatch(_) => [&[][..], &[][..]],
    });
    if !host.flatten().chain(&plan.outputs).chain(plan.inputs.iter().flatten()).all(known) {
        return Err(ExecError::internal("a plan names a buffer that it does not have"));
    }
    for dispatch in dispatches(plan) {
        let broken = |what: &str| Err(ExecError::Internal(format!("dispatch {:?}: {what}", dispatch.label)));
        let Some(kernel) = plan.kernels.get(dispatch.kernel) else { return broken("no such kernel") };
        if dispatch.bindings.len() != kernel.buffers.len() || dispatch.params.len() != kernel.params as usize
        {
            return broken("bindings or parameters are not as many as the kernel has");
        }
        for (binding, buffer) in dispatch.bindings.iter().zip(&kernel.buffers) {
            let end = binding.offset.checked_add(binding.bytes);
            let held = known(&binding.buffer).then(|| plan.buffer(binding.buffer).bytes);
            if end.is_none_or(|end| held.is_none_or(|held| end > held)) {
                return broken("a binding reaches beyond its buffer");
            }
            if binding.bytes < buffer.storage.byte_len(buffer.elements) as u64 {
                return broken("a binding is smaller than the kernel's buffer");
            }
        }
    }
    Ok(())
}

fn check_inputs(ids: &[Option<PlanBufferId>], values: &[Meta], inputs: &[Tensor]) -> Result<(), ExecError> {
    if ids.len() != inputs.len() {
        let message = format!("the graph has {} inputs, {} were given", ids.len(), inputs.len());
        return Err(ExecError::Input { name: "*".to_owned(), message });
    }
    for (id, tensor) in ids.iter().zip(inputs) {
        let Some(id) = id else { continue };
        let Meta { name, dtype, shape, .. } = &values[id.0 as usize];
        if tensor.dtype() != *dtype || tensor.shape() != shape {
            let (got, actual) = (tensor.dtype(), tensor.shape());
            let message = format!("expected {dtype}{shape:?}, got {got}{actual:?}");
            return Err(ExecError::Input { name: name.clone(), message });
        }
    }
    Ok(())
}

/// Writes a tensor to its device buffer, if the device uses it.
fn upload(
    gpu: &Gpu,
    memory: &DeviceMemory,
    values: &[Meta],
    id: PlanBufferId,
    tensor: &Tensor,
) -> Result<(), ExecError> {
    let Some(place) = memory.place(id) else { return Ok(()) };
    let Meta { name, storage, bytes: held, .. } = &values[id.0 as usize];
    let bytes =
        encode(tensor, *storage).map_err(|e| ExecError::Unsupported(format!("input {name:?}: {e}")))?;
    if bytes.len() as u64 > *held {
        return Err(ExecError::Internal(format!("value {name:?} has more bytes than its buffer")));
    }
    gpu.guarded(name, || gpu.queue().write_buffer(memory.buffer(place), place.offset, &bytes))
}

/// Takes a value that the device computed.
fn fetch(
    values: &[Meta],
    host: &mut [Option<Tensor>],
    id: PlanBufferId,
    bytes: &[u8],
) -> Result<(), ExecError> {
    let Meta { name, dtype, shape, storage, .. } = &values[id.0 as usize];
    let tensor = decode(bytes, *dtype, shape, *storage)
        .map_err(|e| ExecError::Internal(format!("value {name:?} cannot be read: {e}")))?;
    host[id.0 as usize] = Some(tensor);
    Ok(())
}
