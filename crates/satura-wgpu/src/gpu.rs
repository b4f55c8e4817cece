//! An opened device. Must hold: no error of the device is lost or turned into a panic; each comes back from the call that it spoils.

use crate::adapter::{self, AdapterChoice, AdapterError, AdapterInfo, AdapterKind};
use crate::cache::{CacheDir, PipelineStore};
use satura_ir::ExecError;
use satura_kernel::{DeviceClass, DeviceProfile};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An opened adapter. Clones share it.
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    info: AdapterInfo,
    subgroup_size: Option<u32>,
    device: wgpu::Device,
    queue: wgpu::Queue,
    faults: Arc<Faults>,
    pipelines: PipelineStore,
}

/// What the device complained about outside of any call.
#[derive(Default)]
struct Faults {
    lost: Mutex<Option<String>>,
    errors: Mutex<Vec<String>>,
}

/// Locks, also after a panic of another thread: what is kept here is valid after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens an adapter, with every limit and every useful feature that it has, and with the pipeline cache of [`CacheDir::from_env`].
    pub fn open(choice: &AdapterChoice) -> Result<Gpu, AdapterError> {
        Gpu::open_with_cache(choice, &CacheDir::from_env())
    }

    /// Opens an adapter with a pipeline cache in that directory.
    pub fn open_with_cache(choice: &AdapterChoice, cache: &CacheDir) -> Result<Gpu, AdapterError> {
        let adapter = adapter::choose(choice)?;
        let raw = adapter.get_info();
        let kind = AdapterKind::of(raw.device_type);
        let features = adapter.features() & adapter::wanted_features(kind);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: None,
            required_features: features,
            required_limits: adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        }))
        .map_err(|e| AdapterError::Refused { adapter: raw.name.clone(), message: e.to_string() })?;

        let faults = Arc::new(Faults::default());
        let on_error = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| lock(&on_error.errors).push(describe(&error))));
        let on_lost = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            *lock(&on_lost.lost) = Some(format!("device lost ({reason:?}): {message}"));
        });

        let exact =
            raw.subgroup_min_size == raw.subgroup_max_size && features.contains(wgpu::Features::SUBGROUP);
        let pipelines = PipelineStore::open(&device, &raw, cache);
        let inner = Inner {
            info: AdapterInfo::of(&adapter),
            subgroup_size: exact.then_some(raw.subgroup_min_size),
            device,
            queue,
            faults,
            pipelines,
        };
        Ok(Gpu { inner: Arc::new(inner) })
    }

    /// The adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.inner.info
    }

    /// What the compiler needs to know to choose schedules.
    pub fn profile(&self) -> DeviceProfile {
        let limits = self.inner.device.limits();
        let cpu = self.inner.info.kind == AdapterKind::Cpu;
        DeviceProfile {
            class: if cpu { DeviceClass::Cpu } else { DeviceClass::Gpu },
            subgroup_size: self.inner.subgroup_size,
            f16: self.has(wgpu::Features::SHADER_F16),
            max_bindings: limits.max_storage_buffers_per_shader_stage.min(limits.max_bindings_per_bind_group),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            binding_alignment: u64::from(limits.min_storage_buffer_offset_alignment),
            max_shared_bytes: limits.max_compute_workgroup_storage_size,
            max_workgroup_size: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            max_groups_per_dimension: limits.max_compute_workgroups_per_dimension,
        }
    }

    /// Remarks about the pipeline cache, for people: a corrupt file that was ignored, a directory that cannot be written.
    pub fn notes(&self) -> Vec<String> {
        self.inner.pipelines.notes()
    }

    /// Gives the device up: whatever was made with it fails from now on with [`ExecError::Device`], as after a crash of the driver. For
    /// tests of how callers take that.
    pub fn lose(&self) {
        self.inner.device.destroy();
    }

    pub(crate) fn has(&self, features: wgpu::Features) -> bool {
        self.inner.device.features().contains(features)
    }

    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    pub(crate) fn pipelines(&self) -> &PipelineStore {
        &self.inner.pipelines
    }

    /// Runs calls that create something, and gives their error, if there is one, instead of what they made.
    pub(crate) fn guarded<T>(&self, what: &str, calls: impl FnOnce() -> T) -> Result<T, ExecError> {
        // Scopes hold errors of this thread only, so that threads that create pipelines side by side get their own.
        let memory = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device().push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let made = calls();
        let errors = [
            pollster::block_on(validation.pop()),
            pollster::block_on(internal.pop()),
            pollster::block_on(memory.pop()),
        ];
        match errors.into_iter().flatten().next() {
            Some(error) => Err(ExecError::Device(format!("{what}: {}", describe(&error)))),
            None => Ok(made),
        }
    }

    /// Fails if the device was lost, or if it reported an error since the last call.
    pub(crate) fn check(&self) -> Result<(), ExecError> {
        if let Some(message) = lock(&self.inner.faults.lost).as_ref() {
            return Err(ExecError::Device(message.clone()));
        }
        let errors = std::mem::take(&mut *lock(&self.inner.faults.errors));
        match errors.into_iter().next() {
            Some(message) => Err(ExecError::Device(message)),
            None => Ok(()),
        }
    }

    /// Waits until the device has done a submission.
    pub(crate) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), ExecError> {
        let waited =
            self.device().poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
        self.check()?;
        waited.map(drop).map_err(|e| ExecError::Device(e.to_string()))
    }
}

/// An error with its causes, which hold the details.
fn describe(error: &wgpu::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

/// The device for a test: `None`, with the reason on standard error, if this machine has no adapter.
///
/// # Panics
/// If there is none although the environment variable `SATURA_REQUIRE_GPU` is `1`: then a missing adapter is a failure, not a skip.
pub fn test_gpu() -> Option<Gpu> {
    match Gpu::open_with_cache(&AdapterChoice::from_env(), &CacheDir::Off) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            let required = std::env::var("SATURA_REQUIRE_GPU").is_ok_and(|v| v == "1");
            assert!(!required, "SATURA_REQUIRE_GPU=1, but {error}");
            #[expect(clippy::print_stderr, reason = "a skipped test must say why")]
            {
                eprintln!("SKIPPED without GPU: {error}");
            }
            None
        }
    }
}
