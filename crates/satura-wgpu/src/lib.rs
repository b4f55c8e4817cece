//! Runs compiled graphs on GPUs through wgpu, and on software drivers behind the same interface.
//!
//! - [`adapters()`] lists the adapters, [`AdapterChoice`] names one, [`Gpu`] is an opened one with its [`DeviceProfile`](satura_kernel::DeviceProfile).
//! - [`CompiledPlan`] runs a [`Plan`](satura_kernel::Plan): pipelines and memory are made once; a run is one command buffer, one pass between steps on the host.
//! - [`GpuExecutor`] is the [`Executor`](satura_ir::Executor) over it: lowers a graph for the adapter, and gives to another executor what the device cannot do.
//! - [`CacheDir`] says where compiled pipelines are kept between processes.
//!
//! Invariants: this is the only crate that knows wgpu, and none of its types is in the public interface. Nothing here knows an op: plans come from `satura-lower`, text from `satura-wgsl`.
//! Every failure of the device is an [`ExecError::Device`](satura_ir::ExecError::Device), never a panic.

mod adapter;
mod cache;
mod commands;
mod executor;
mod gpu;
mod memory;
mod pipelines;
mod readback;
mod runner;
mod timing;

pub use adapter::{AdapterChoice, AdapterError, AdapterInfo, AdapterKind, adapters};
pub use cache::CacheDir;
pub use executor::GpuExecutor;
pub use gpu::{Gpu, test_gpu};
pub use pipelines::CompileStats;
pub use runner::{CompiledPlan, PlanOptions};
pub use timing::DispatchTime;
