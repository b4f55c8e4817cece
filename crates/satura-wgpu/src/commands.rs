//! Starts of pipelines: what they bind, and how they are recorded. Must hold: all that a start needs exists before the first run.

use crate::gpu::Gpu;
use crate::memory::{DeviceMemory, Place, create_buffer};
use crate::pipelines::Pipeline;
use crate::timing::Timestamps;
use satura_ir::ExecError;
use satura_kernel::{Access, Dispatch, Plan, Step};
use std::num::NonZero;
use std::ops::Range;

/// One start of a pipeline.
pub(crate) struct Command {
    pub(crate) pipeline: usize,
    bind_group: wgpu::BindGroup,
    /// Bytes of the immediates; empty if there are none.
    immediates: Vec<u8>,
    pub(crate) label: String,
}

impl Command {
    pub(crate) fn bind(&self, pass: &mut wgpu::ComputePass) {
        pass.set_bind_group(0, &self.bind_group, &[]);
        if !self.immediates.is_empty() {
            pass.set_immediates(0, &self.immediates);
        }
    }
}

/// Parameters of kernels that cannot take immediates: one device buffer, written once, since a plan's parameters never change.
pub(crate) struct Params {
    buffer: Option<wgpu::Buffer>,
    /// For each step, offset and bytes.
    places: Vec<Option<(u64, u64)>>,
}

impl Params {
    pub(crate) fn new(
        gpu: &Gpu,
        plan: &Plan,
        of_kernel: &[usize],
        pipelines: &[Pipeline],
    ) -> Result<Self, ExecError> {
        let align = u64::from(gpu.device().limits().min_uniform_buffer_offset_alignment);
        let mut places = vec![None; plan.steps.len()];
        let mut data: Vec<u8> = Vec::new();
        for (place, step) in places.iter_mut().zip(&plan.steps) {
            let Step::Dispatch(dispatch) = step else { continue };
            if !pipelines[of_kernel[dispatch.kernel]].uniform {
                continue;
            }
            let offset = (data.len() as u64).next_multiple_of(align);
            data.resize(offset as usize, 0);
            data.extend(dispatch.params.iter().flat_map(|p| p.to_le_bytes()));
            *place = Some((offset, data.len() as u64 - offset));
        }
        let mut buffer = None;
        if !data.is_empty() {
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let made = create_buffer(gpu, "parameters", data.len() as u64, usage, false)?;
            gpu.guarded("parameters", || gpu.queue().write_buffer(&made, 0, &data))?;
            buffer = Some(made);
        }
        Ok(Params { buffer, places })
    }

    /// The binding of a step, if its parameters come from the buffer.
    pub(crate) fn at(&self, step: usize) -> Option<wgpu::BufferBinding<'_>> {
        let (offset, bytes) = self.places.get(step).copied().flatten()?;
        Some(wgpu::BufferBinding { buffer: self.buffer.as_ref()?, offset, size: NonZero::new(bytes) })
    }
}

/// Records commands: in one pass, or with time stamps in a pass each.
pub(crate) fn record(
    encoder: &mut wgpu::CommandEncoder,
    pipelines: &[Pipeline],
    commands: &[Command],
    range: Range<usize>,
    timestamps: Option<&Timestamps>,
) {
    let start = |pass: &mut wgpu::ComputePass, command: &Command| {
        let [x, y, z] = pipelines[command.pipeline].grid;
        command.bind(pass);
        pass.dispatch_workgroups(x, y, z);
    };
    if let Some(timestamps) = timestamps {
        for index in range {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(timestamps.writes(index)),
            });
            pass.set_pipeline(&pipelines[commands[index].pipeline].pipeline);
            start(&mut pass, &commands[index]);
        }
        return;
    }
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    let mut current = None;
    for command in &commands[range] {
        if current != Some(command.pipeline) {
            pass.set_pipeline(&pipelines[command.pipeline].pipeline);
            current = Some(command.pipeline);
        }
        start(&mut pass, command);
    }
}

pub(crate) fn command(
    gpu: &Gpu,
    dispatch: &Dispatch,
    index: usize,
    pipeline: &Pipeline,
    bindings: &[(Place, u64)],
    memory: &DeviceMemory,
    params: Option<wgpu::BufferBinding>,
) -> Result<Command, ExecError> {
    let storage = bindings.iter().map(|(place, bytes)| wgpu::BufferBinding {
        buffer: memory.buffer(*place),
        offset: place.offset,
        size: NonZero::new(*bytes),
    });
    let immediates = if params.is_some() { &[][..] } else { &dispatch.params[..] };
    let entries: Vec<wgpu::BindGroupEntry> = (0..)
        .zip(storage.chain(params))
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(buffer),
        })
        .collect();
    let bind_group = gpu.guarded(&format!("bindings of {:?}", dispatch.label), || {
        gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        })
    })?;
    Ok(Command {
        pipeline: index,
        bind_group,
        immediates: immediates.iter().flat_map(|p| p.to_le_bytes()).collect(),
        label: dispatch.label.clone(),
    })
}

/// Where a dispatch's bindings lie, and their bytes. Refuses plans that bind one device buffer for reading and for writing.
pub(crate) fn bindings(
    plan: &Plan,
    dispatch: &Dispatch,
    memory: &DeviceMemory,
) -> Result<Vec<(Place, u64)>, ExecError> {
    let mut places = Vec::new();
    let kernel = &plan.kernels[dispatch.kernel];
    for binding in &dispatch.bindings {
        let place = memory
            .place(binding.buffer)
            .ok_or_else(|| ExecError::internal("a bound buffer has no memory"))?;
        places.push((Place { offset: place.offset + binding.offset, ..place }, binding.bytes));
    }
    for (written, (a, _)) in kernel.buffers.iter().zip(&places).filter(|(b, _)| b.access == Access::ReadWrite)
    {
        let mut reads = kernel.buffers.iter().zip(&places).filter(|(b, _)| b.access == Access::Read);
        if let Some((read, _)) = reads.find(|(_, (b, _))| a.buffer == b.buffer) {
            let (read, written, label) = (&read.name, &written.name, &dispatch.label);
            let message = format!("{label:?} reads {read:?} and writes {written:?} in one device buffer");
            return Err(ExecError::Internal(message));
        }
    }
    Ok(places)
}
