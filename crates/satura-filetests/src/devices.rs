//! The back ends that are there: the one place that knows them.

use crate::Device;
use crate::interpreter::Interpreter;
use satura_cpu::CpuExecutor;
use satura_kernel::DeviceProfile;
use satura_lower::LowerOptions;

/// Every back end of this build besides the reference evaluator, ready or absent with the reason.
pub fn available() -> Vec<Device> {
    let interpreter =
        |name, profile| Device::Ready(Box::new(Interpreter::new(name, profile, LowerOptions::default())));
    vec![
        Device::Ready(Box::new(CpuExecutor::new())),
        interpreter("interpreter (web)", DeviceProfile::web()),
        interpreter("interpreter (lavapipe8)", DeviceProfile::lavapipe8()),
        interpreter("interpreter (nvidia32)", DeviceProfile::nvidia32()),
    ]
}
