//! Where the buffers of a plan lie in device memory. Must hold: weights share device buffers that kernels only read; inputs and outputs have one each; a
//! dispatch never binds one device buffer both for reading and for writing, because the device allows that for no part of a buffer.

use crate::gpu::Gpu;
use satura_ir::ExecError;
use satura_kernel::{BufferKind, Plan, PlanBufferId, encode};
use std::collections::BTreeSet;

/// A part of a device buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index in [`DeviceMemory::buffers`].
    pub(crate) buffer: usize,
    /// In bytes.
    pub(crate) offset: u64,
}

/// The device buffers of a plan.
pub(crate) struct DeviceMemory {
    buffers: Vec<wgpu::Buffer>,
    /// For each plan buffer that the device uses, its place.
    places: Vec<Option<Place>>,
}

/// A run of weights that share a device buffer.
#[derive(Default)]
struct Pack {
    bytes: u64,
    weights: Vec<(usize, u64)>,
}

impl DeviceMemory {
    /// Allocates the buffers that some dispatch binds, and uploads the weights among them.
    pub(crate) fn new(gpu: &Gpu, plan: &Plan) -> Result<Self, ExecError> {
        let mut memory = DeviceMemory { buffers: Vec::new(), places: vec![None; plan.buffers.len()] };
        for (arena, bytes) in plan.arenas.iter().enumerate() {
            let label = format!("arena {arena}");
            memory.allocate(gpu, &label, *bytes, wgpu::BufferUsages::empty())?;
        }
        let used: BTreeSet<PlanBufferId> =
            dispatches(plan).flat_map(|d| &d.bindings).map(|b| b.buffer).collect();
        let profile = gpu.profile();
        let mut packs: Vec<Pack> = Vec::new();
        for id in used {
            let index = id.0 as usize;
            let buffer = plan
                .buffers
                .get(index)
                .ok_or_else(|| ExecError::internal("a dispatch binds a missing buffer"))?;
            memory.places[index] = match &buffer.kind {
                BufferKind::Temporary => {
                    let arena = buffer.arena.map(|a| a as usize).filter(|a| *a < plan.arenas.len());
                    let arena = arena.ok_or_else(|| ExecError::internal("a temporary lies in no arena"))?;
                    Some(Place { buffer: arena, offset: buffer.offset })
                }
                BufferKind::Input(_) | BufferKind::Output(_) => {
                    Some(memory.allocate(gpu, &buffer.name, buffer.bytes, wgpu::BufferUsages::empty())?)
                }
                BufferKind::Weight(_) => {
                    let fits = |p: &&mut Pack| p.bytes + buffer.bytes <= profile.max_binding_bytes;
                    let pack = match packs.last_mut().filter(fits) {
                        Some(pack) => pack,
                        None => packs.push_mut(Pack::default()),
                    };
                    pack.weights.push((index, pack.bytes));
                    pack.bytes = (pack.bytes + buffer.bytes).next_multiple_of(profile.binding_alignment);
                    None
                }
            };
        }
        for pack in packs {
            memory.upload(gpu, plan, &pack)?;
        }
        Ok(memory)
    }

    fn upload(&mut self, gpu: &Gpu, plan: &Plan, pack: &Pack) -> Result<(), ExecError> {
        // Written while mapped: where the device shares the host's memory, without a copy.
        let mappable = gpu.has(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let usage = if mappable { wgpu::BufferUsages::MAP_WRITE } else { wgpu::BufferUsages::empty() };
        let place = self.create(gpu, "weights", pack.bytes, usage, true)?;
        let device_buffer = &self.buffers[place.buffer];
        {
            let view = device_buffer.slice(..).get_mapped_range_mut();
            let mut view = view.map_err(|e| ExecError::Device(format!("weights cannot be uploaded: {e}")))?;
            for (index, offset) in &pack.weights {
                let buffer = &plan.buffers[*index];
                let BufferKind::Weight(tensor) = &buffer.kind else { continue };
                let bytes = encode(tensor, buffer.storage)
                    .map_err(|e| ExecError::Unsupported(format!("weight {:?}: {e}", buffer.name)))?;
                if bytes.len() as u64 > buffer.bytes {
                    return Err(ExecError::Internal(format!(
                        "weight {:?} has more bytes than its buffer",
                        buffer.name
                    )));
                }
                let start = to_usize(*offset)?;
                view.slice(start..start + bytes.len()).copy_from_slice(&bytes);
            }
        }
        device_buffer.unmap();
        for (index, offset) in &pack.weights {
            self.places[*index] = Some(Place { buffer: place.buffer, offset: *offset });
        }
        Ok(())
    }

    fn allocate(
        &mut self,
        gpu: &Gpu,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<Place, ExecError> {
        self.create(gpu, label, bytes, usage, false)
    }

    fn create(
        &mut self,
        gpu: &Gpu,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
        mapped_at_creation: bool,
    ) -> Result<Place, ExecError> {
        let usage =
            usage | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = create_buffer(gpu, label, bytes, usage, mapped_at_creation)?;
        self.buffers.push(buffer);
        Ok(Place { buffer: self.buffers.len() - 1, offset: 0 })
    }

    /// The place of a plan buffer; `None` if the device does not use it.
    pub(crate) fn place(&self, id: PlanBufferId) -> Option<Place> {
        self.places.get(id.0 as usize).copied().flatten()
    }

    /// The device buffer of a place.
    pub(crate) fn buffer(&self, place: Place) -> &wgpu::Buffer {
        &self.buffers[place.buffer]
    }
}

/// The dispatches of a plan, in order.
pub(crate) fn dispatches(plan: &Plan) -> impl Iterator<Item = &satura_kernel::Dispatch> {
    plan.steps.iter().filter_map(|step| match step {
        satura_kernel::Step::Dispatch(dispatch) => Some(dispatch),
        satura_kernel::Step::Host(_) => None,
    })
}

/// A device buffer of at least 16 bytes.
pub(crate) fn create_buffer(
    gpu: &Gpu,
    label: &str,
    bytes: u64,
    usage: wgpu::BufferUsages,
    mapped_at_creation: bool,
) -> Result<wgpu::Buffer, ExecError> {
    let limit = gpu.device().limits().max_buffer_size;
    if bytes > limit {
        let name = &gpu.info().name;
        let message = format!("{label} needs {bytes} bytes in one buffer; {name} allows {limit}");
        return Err(ExecError::Device(message));
    }
    let size = bytes.max(16).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation };
    gpu.guarded(&format!("{label}: {bytes} bytes"), || gpu.device().create_buffer(&descriptor))
}

/// A count of bytes as an index on the host.
pub(crate) fn to_usize(bytes: u64) -> Result<usize, ExecError> {
    usize::try_from(bytes).map_err(|_| ExecError::internal("a buffer is larger than the host can address"))
}
