//! Devices: what `--device` names, and the executor behind each.

use crate::Error;
use satura_ir::{Executor, Reference};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where a graph runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// A GPU if there is one, else the CPU. A software driver behind a GPU interface is no GPU here.
    #[default]
    Auto,
    /// Any adapter behind a GPU interface, a software driver included.
    Gpu,
    /// The CPU back end.
    Cpu,
    /// The reference evaluator, which defines every result.
    Reference,
}

/// The names of the kinds, as `--device` takes them.
pub const DEVICE_NAMES: [(&str, DeviceKind); 4] = [
    ("auto", DeviceKind::Auto),
    ("gpu", DeviceKind::Gpu),
    ("cpu", DeviceKind::Cpu),
    ("reference", DeviceKind::Reference),
];

impl FromStr for DeviceKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = DEVICE_NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, kind)| *kind)
            .ok_or_else(|| format!("expected one of {}", DEVICE_NAMES.map(|(name, _)| name).join(", ")))
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = DEVICE_NAMES.iter().find(|(_, kind)| kind == self).map_or("?", |(name, _)| name);
        f.pad(name)
    }
}

/// The kinds that this build can open, [`DeviceKind::Auto`] left out.
pub fn device_kinds() -> Vec<DeviceKind> {
    let mut kinds = vec![DeviceKind::Reference];
    if cfg!(feature = "cpu") {
        kinds.push(DeviceKind::Cpu);
    }
    if cfg!(feature = "wgpu") {
        kinds.push(DeviceKind::Gpu);
    }
    kinds
}

/// An adapter of this machine, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The name that the driver gives.
    pub name: String,
    /// What kind of device it is.
    pub kind: String,
    /// The driver and the interface.
    pub driver: String,
    /// Whether [`DeviceKind::Auto`] may take it.
    pub is_gpu: bool,
}

/// An opened device. Clones share it.
#[derive(Clone)]
pub struct Device {
    kind: DeviceKind,
    executor: Arc<dyn Executor>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({}: {})", self.kind, self.executor.name())
    }
}

impl Device {
    /// Opens a device. `adapter` is part of the name of the GPU adapter to take; without it the environment variable `SATURA_ADAPTER` counts.
    pub fn open(kind: DeviceKind, adapter: Option<&str>) -> Result<Device, Error> {
        match kind {
            DeviceKind::Reference => Ok(Device::from_executor(kind, Arc::new(Reference))),
            DeviceKind::Cpu => open_cpu(),
            DeviceKind::Gpu => open_gpu(adapter),
            // A named adapter is a wish for a GPU, whatever its kind.
            DeviceKind::Auto if names_adapter(adapter) || adapters().iter().any(|a| a.is_gpu) => {
                open_gpu(adapter)
            }
            DeviceKind::Auto => open_cpu(),
        }
    }

    /// A device around an executor from elsewhere.
    pub fn from_executor(kind: DeviceKind, executor: Arc<dyn Executor>) -> Device {
        Device { kind, executor }
    }

    /// The kind that was opened; never [`DeviceKind::Auto`] unless made by [`from_executor`](Self::from_executor).
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// The name: `reference`, `cpu`, or the adapter's.
    pub fn name(&self) -> String {
        self.executor.name()
    }

    /// What runs graphs on it.
    pub fn executor(&self) -> &dyn Executor {
        &*self.executor
    }
}

#[cfg(feature = "cpu")]
fn open_cpu() -> Result<Device, Error> {
    Ok(Device::from_executor(DeviceKind::Cpu, Arc::new(satura_cpu::CpuExecutor::new())))
}

#[cfg(not(feature = "cpu"))]
fn open_cpu() -> Result<Device, Error> {
    Err(absent("cpu"))
}

#[cfg(feature = "wgpu")]
fn choice(adapter: Option<&str>) -> satura_wgpu::AdapterChoice {
    adapter.map_or_else(satura_wgpu::AdapterChoice::from_env, satura_wgpu::AdapterChoice::from_text)
}

/// Whether a certain adapter is wanted, by the flag or by the environment.
#[cfg(feature = "wgpu")]
fn names_adapter(adapter: Option<&str>) -> bool {
    choice(adapter) != satura_wgpu::AdapterChoice::Auto
}

#[cfg(not(feature = "wgpu"))]
fn names_adapter(adapter: Option<&str>) -> bool {
    adapter.is_some()
}

#[cfg(feature = "wgpu")]
fn open_gpu(adapter: Option<&str>) -> Result<Device, Error> {
    let gpu = satura_wgpu::Gpu::open(&choice(adapter))
        .map_err(|error| Error::Device { wanted: "gpu".to_owned(), message: error.to_string() })?;
    let executor = satura_wgpu::GpuExecutor::new(gpu);
    #[cfg(feature = "cpu")]
    let executor = executor.with_host(Arc::new(satura_cpu::CpuExecutor::default()));
    Ok(Device::from_executor(DeviceKind::Gpu, Arc::new(executor)))
}

#[cfg(not(feature = "wgpu"))]
fn open_gpu(_adapter: Option<&str>) -> Result<Device, Error> {
    Err(absent("wgpu"))
}

/// What the compiler must know of the adapter that would be opened; `None` without one.
#[cfg(feature = "wgpu")]
pub fn adapter_profile(adapter: Option<&str>) -> Option<satura_kernel::DeviceProfile> {
    satura_wgpu::Gpu::open(&choice(adapter)).ok().map(|gpu| gpu.profile())
}

/// What the compiler must know of the adapter that would be opened: there is none, in a build without GPUs.
#[cfg(not(feature = "wgpu"))]
pub fn adapter_profile(_adapter: Option<&str>) -> Option<satura_kernel::DeviceProfile> {
    None
}

/// The error for a back end that was compiled out.
#[cfg(not(all(feature = "cpu", feature = "wgpu")))]
fn absent(feature: &str) -> Error {
    Error::Device {
        wanted: feature.to_owned(),
        message: format!("this build was made without the feature `{feature}`"),
    }
}

/// The adapters of this machine, in the order of automatic choice.
#[cfg(feature = "wgpu")]
pub fn adapters() -> Vec<AdapterSummary> {
    let summary = |info: satura_wgpu::AdapterInfo| AdapterSummary {
        kind: info.kind.to_string(),
        driver: format!("{}, {}", info.backend, info.driver),
        is_gpu: !matches!(info.kind, satura_wgpu::AdapterKind::Cpu | satura_wgpu::AdapterKind::Other),
        name: info.name,
    };
    satura_wgpu::adapters().into_iter().map(summary).collect()
}

/// The adapters of this machine: none, in a build without GPUs.
#[cfg(not(feature = "wgpu"))]
pub fn adapters() -> Vec<AdapterSummary> {
    Vec::new()
}
