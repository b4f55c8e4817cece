//! What the compiler must know of a device to choose schedules.

/// A class of devices that wants the same schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceClass {
    /// A GPU: many workgroups in flight, fast shared memory, coalesced loads.
    Gpu,
    /// A CPU behind a GPU interface: loads cost by number, barriers are expensive, subgroups are SIMD registers.
    Cpu,
}

/// Limits and features of a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceProfile {
    /// The class.
    pub class: DeviceClass,
    /// The subgroup size where it is one exact number and subgroup operations exist.
    pub subgroup_size: Option<u32>,
    /// Whether `f16` may be a storage type.
    pub f16: bool,
    /// Storage buffers that one kernel may bind.
    pub max_bindings: u32,
    /// Bytes of one binding.
    pub max_binding_bytes: u64,
    /// Alignment of a binding's offset in bytes.
    pub binding_alignment: u64,
    /// Bytes of shared memory in a workgroup.
    pub max_shared_bytes: u32,
    /// Invocations in a workgroup.
    pub max_workgroup_size: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_groups_per_dimension: u32,
}

impl DeviceProfile {
    /// WebGPU's default limits without optional features: what any browser grants.
    pub fn web() -> Self {
        DeviceProfile {
            class: DeviceClass::Gpu,
            subgroup_size: None,
            f16: false,
            max_bindings: 8,
            max_binding_bytes: 128 << 20,
            binding_alignment: 256,
            max_shared_bytes: 16 << 10,
            max_workgroup_size: 256,
            max_groups_per_dimension: 65535,
        }
    }

    /// Mesa's software Vulkan driver with 256-bit vectors.
    pub fn lavapipe8() -> Self {
        DeviceProfile {
            class: DeviceClass::Cpu,
            subgroup_size: Some(8),
            f16: true,
            max_bindings: 32,
            max_shared_bytes: 32 << 10,
            max_workgroup_size: 1024,
            ..Self::web()
        }
    }

    /// A desktop GPU with subgroups of 32.
    pub fn nvidia32() -> Self {
        DeviceProfile {
            class: DeviceClass::Gpu,
            subgroup_size: Some(32),
            f16: true,
            max_bindings: 32,
            max_binding_bytes: (2 << 30) - 4,
            max_shared_bytes: 48 << 10,
            max_workgroup_size: 1024,
            ..Self::web()
        }
    }
}
