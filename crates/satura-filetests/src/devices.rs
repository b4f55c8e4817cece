//! The back ends that are there: the one place that knows them.

use crate::Device;
use crate::interpreter::Interpreter;
use satura_cpu::CpuExecutor;
use satura_kernel::DeviceProfile;
use satura_lower::LowerOptions;
use satura_wgpu::{GpuExecutor, PlanOptions, test_gpu};

/// Every back end of this build besides the reference evaluator, ready or absent with the reason.
pub fn available() -> Vec<Device> {
    let interpreter =
        |name, profile| Device::Ready(Box::new(Interpreter::new(name, profile, LowerOptions::default())));
    // Kernels that nobody has proved yet run under the device's own checks.
    let options = PlanOptions { checked: true, warm_up: false };
    let gpu = match test_gpu() {
        Some(gpu) => Device::Ready(Box::new(GpuExecutor::new(gpu).with_options(options))),
        None => Device::Absent("gpu".to_owned(), "no adapter".to_owned()),
    };
    vec![
        gpu,
        Device::Ready(Box::new(CpuExecutor::new())),
        interpreter("interpreter (web)", DeviceProfile::web()),
        interpreter("interpreter (lavapipe8)", DeviceProfile::lavapipe8()),
        interpreter("interpreter (nvidia32)", DeviceProfile::nvidia32()),
    ]
}
