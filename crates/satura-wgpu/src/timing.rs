//! Durations of single dispatches by the device's own clock.

use crate::gpu::Gpu;
use crate::memory::create_buffer;
use crate::readback::read_mapped;
use satura_ir::ExecError;

/// How long a dispatch took.
#[derive(Clone, Debug, PartialEq)]
pub struct DispatchTime {
    /// The ops it computes.
    pub label: String,
    /// By the device's clock, in ns.
    pub nanoseconds: f64,
}

/// Dispatches whose two time stamps fit in one query set.
const PER_SET: usize = (wgpu::QUERY_SET_MAX_QUERIES / 2) as usize;

/// Time stamps before and after each of a number of dispatches.
pub(crate) struct Timestamps {
    sets: Vec<wgpu::QuerySet>,
    count: usize,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Timestamps {
    pub(crate) fn new(gpu: &Gpu, count: usize) -> Result<Self, ExecError> {
        if !gpu.has(wgpu::Features::TIMESTAMP_QUERY) {
            let message = format!("{} has no time stamps to profile kernels with", gpu.info().name);
            return Err(ExecError::Unsupported(message));
        }
        let bytes = count as u64 * 2 * u64::from(wgpu::QUERY_SIZE);
        let resolve = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let read = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let resolved = create_buffer(gpu, "time stamps", bytes, resolve, false)?;
        let staging = create_buffer(gpu, "time stamps", bytes, read, false)?;
        let sets = gpu.guarded("time stamps", || {
            let set = |_| {
                gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                    label: None,
                    ty: wgpu::QueryType::Timestamp,
                    count: wgpu::QUERY_SET_MAX_QUERIES,
                })
            };
            (0..count.div_ceil(PER_SET)).map(set).collect()
        })?;
        Ok(Timestamps { sets, count, resolved, staging })
    }

    /// What the pass of that dispatch writes.
    pub(crate) fn writes(&self, dispatch: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = (dispatch % PER_SET * 2) as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[dispatch / PER_SET],
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Records that all time stamps are copied to where the host can read them.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        for (index, set) in self.sets.iter().enumerate() {
            let queries = (self.count - index * PER_SET).min(PER_SET) as u32 * 2;
            let offset = index as u64 * u64::from(wgpu::QUERY_SET_MAX_QUERIES * wgpu::QUERY_SIZE);
            encoder.resolve_query_set(set, 0..queries, &self.resolved, offset);
        }
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, self.staging.size());
    }

    /// The duration of each dispatch in ns, once a run that recorded [`resolve`](Self::resolve) is done.
    pub(crate) fn read(&self, gpu: &Gpu) -> Result<Vec<f64>, ExecError> {
        let period = f64::from(gpu.queue().get_timestamp_period());
        let mut durations = Vec::with_capacity(self.count);
        let idle = gpu.queue().submit([]);
        read_mapped(gpu, &self.staging, idle, |bytes| {
            let (stamps, _) = bytes.as_chunks::<8>();
            let (pairs, _) = stamps.as_chunks::<2>();
            let ticks = |[start, end]: &[[u8; 8]; 2]| {
                u64::from_le_bytes(*end).wrapping_sub(u64::from_le_bytes(*start))
            };
            durations.extend(pairs.iter().take(self.count).map(|pair| ticks(pair) as f64 * period));
            Ok(())
        })?;
        Ok(durations)
    }
}
