//! Copying values from the device to the host, through a buffer that stays allocated. Must hold: between runs the buffer is never mapped.

use crate::gpu::Gpu;
use crate::memory::{DeviceMemory, Place, create_buffer, to_usize};
use satura_ir::ExecError;
use satura_kernel::PlanBufferId;
use std::sync::mpsc;
use std::time::Duration;

/// How long a finished submission's callback may take to come from another thread.
const CALLBACK_PATIENCE: Duration = Duration::from_secs(10);

/// Values that are copied together.
pub(crate) struct Readback {
    entries: Vec<Entry>,
    staging: Option<wgpu::Buffer>,
}

struct Entry {
    id: PlanBufferId,
    place: Place,
    offset: u64,
    bytes: u64,
}

impl Readback {
    /// A readback of plan buffers with their places and bytes.
    pub(crate) fn new(gpu: &Gpu, values: &[(PlanBufferId, Place, u64)]) -> Result<Self, ExecError> {
        let mut entries = Vec::new();
        let mut total = 0;
        for (id, place, bytes) in values {
            entries.push(Entry { id: *id, place: *place, offset: total, bytes: *bytes });
            total = (total + bytes).next_multiple_of(wgpu::MAP_ALIGNMENT);
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = if entries.is_empty() {
            None
        } else {
            Some(create_buffer(gpu, "readback", total, usage, false)?)
        };
        Ok(Readback { entries, staging })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Records the copies.
    pub(crate) fn encode(&self, encoder: &mut wgpu::CommandEncoder, memory: &DeviceMemory) {
        let Some(staging) = &self.staging else { return };
        for Entry { place, offset, bytes, .. } in &self.entries {
            encoder.copy_buffer_to_buffer(memory.buffer(*place), place.offset, staging, *offset, *bytes);
        }
    }

    /// Waits for the submission that holds the copies, and gives the bytes of each value to `take`.
    pub(crate) fn read(
        &self,
        gpu: &Gpu,
        submission: wgpu::SubmissionIndex,
        mut take: impl FnMut(PlanBufferId, &[u8]) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let Some(staging) = &self.staging else { return gpu.wait(submission) };
        read_mapped(gpu, staging, submission, |bytes| {
            for Entry { id, offset, bytes: length, .. } in &self.entries {
                let start = to_usize(*offset)?;
                take(*id, &bytes[start..start + to_usize(*length)?])?;
            }
            Ok(())
        })
    }
}

/// Waits for a submission, maps a buffer, and lends its bytes.
pub(crate) fn read_mapped(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    take: impl FnOnce(&[u8]) -> Result<(), ExecError>,
) -> Result<(), ExecError> {
    let (sender, receiver) = mpsc::channel();
    buffer.slice(..).map_async(wgpu::MapMode::Read, move |result| {
        // The receiver is gone only if waiting failed, which is reported already.
        drop(sender.send(result));
    });
    let waited = gpu.wait(submission);
    // The submission is done, but another thread that waits on the device may be the one that runs the callback, a moment later.
    let patience = if waited.is_ok() { CALLBACK_PATIENCE } else { Duration::ZERO };
    let mapped = receiver.recv_timeout(patience);
    if let (Ok(()), Ok(Ok(()))) = (&waited, mapped) {
        let taken = match buffer.slice(..).get_mapped_range() {
            Ok(view) => take(&view),
            Err(error) => Err(ExecError::Device(error.to_string())),
        };
        buffer.unmap();
        return taken;
    }
    buffer.unmap();
    waited?;
    Err(ExecError::Device("results cannot be mapped".to_owned()))
}
