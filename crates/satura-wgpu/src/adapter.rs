//! Finding and choosing adapters. Must hold: a software adapter is chosen automatically only where there is no other, and a choice by name
//! never falls back to anything else.

use std::fmt;

/// What kind of device an adapter is. The order is the order of automatic choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the host's memory.
    Integrated,
    /// A GPU passed into a virtual machine.
    Virtual,
    /// Unknown to the driver.
    Other,
    /// A software driver.
    Cpu,
}

impl AdapterKind {
    pub(crate) fn of(device_type: wgpu::DeviceType) -> Self {
        match device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Other,
            wgpu::DeviceType::Cpu => AdapterKind::Cpu,
        }
    }

    /// Whether host and device use one memory.
    pub(crate) fn shares_memory(self) -> bool {
        matches!(self, AdapterKind::Integrated | AdapterKind::Cpu)
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdapterKind::Discrete => "discrete GPU",
            AdapterKind::Integrated => "integrated GPU",
            AdapterKind::Virtual => "virtual GPU",
            AdapterKind::Other => "unknown device",
            AdapterKind::Cpu => "CPU (software driver)",
        })
    }
}

/// An adapter of this machine, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// The name that the driver gives.
    pub name: String,
    /// The kind of device.
    pub kind: AdapterKind,
    /// The graphics interface: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// The driver's name and version.
    pub driver: String,
    /// The optional features it has, out of those that this crate uses.
    pub features: Vec<String>,
}

impl AdapterInfo {
    pub(crate) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let kind = AdapterKind::of(info.device_type);
        let features =
            (adapter.features() & wanted_features(kind)).iter_names().map(|(name, _)| name.to_owned());
        AdapterInfo {
            kind,
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            features: features.collect(),
            name: info.name,
        }
    }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}, {}, {}]", self.name, self.kind, self.backend, self.driver)
    }
}

/// Which adapter to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The first by kind: discrete, integrated, virtual, unknown, software.
    #[default]
    Auto,
    /// The first by kind whose name has this part, in any case of letters.
    Named(String),
}

impl AdapterChoice {
    /// A choice by part of a name, or the automatic one for `auto` and for empty text.
    pub fn from_text(text: &str) -> Self {
        match text.trim() {
            "" | "auto" => AdapterChoice::Auto,
            name => AdapterChoice::Named(name.to_owned()),
        }
    }

    /// The choice that the environment variable `SATURA_ADAPTER` asks for (part of an adapter's name, or `auto`), else the automatic one.
    /// This is the only place that reads the variable.
    pub fn from_env() -> Self {
        std::env::var("SATURA_ADAPTER").map_or(AdapterChoice::Auto, |text| AdapterChoice::from_text(&text))
    }
}

/// Why no adapter could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdapterError {
    /// This machine has none: no GPU with a driver, and no software driver.
    NoneFound,
    /// No adapter's name has the wanted part.
    NoMatch {
        /// The part asked for.
        wanted: String,
        /// The adapters that there are.
        available: Vec<String>,
    },
    /// The driver refused to open it.
    Refused {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        message: String,
    },
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdapterError::NoneFound => {
                write!(
                    f,
                    "no GPU adapter found: install a GPU driver, or a software one such as Mesa's lavapipe"
                )
            }
            AdapterError::NoMatch { wanted, available } => {
                write!(f, "no adapter's name contains {wanted:?}; there are: {}", available.join(", "))
            }
            AdapterError::Refused { adapter, message } => {
                write!(f, "cannot open adapter {adapter:?}: {message}")
            }
        }
    }
}

impl std::error::Error for AdapterError {}

/// The optional features that make kernels faster or measurable; none is required.
pub(crate) fn wanted_features(kind: AdapterKind) -> wgpu::Features {
    let common = wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP
        | wgpu::Features::IMMEDIATES
        | wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::PIPELINE_CACHE;
    // Where memory is shared, mapping a device buffer saves a copy; elsewhere it would move the buffer to slow memory.
    if kind.shares_memory() { common | wgpu::Features::MAPPABLE_PRIMARY_BUFFERS } else { common }
}

/// The adapters of this machine, in the order of automatic choice.
pub fn adapters() -> Vec<AdapterInfo> {
    enumerate().iter().map(AdapterInfo::of).collect()
}

/// Opened handles, in the order of automatic choice; the sort is stable, so that adapters of one kind stay in the driver's order.
fn enumerate() -> Vec<wgpu::Adapter> {
    let backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        // No validation layers, which slow every call where they are installed: errors come from wgpu's own checks.
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|a| AdapterKind::of(a.get_info().device_type));
    adapters
}

/// The chosen adapter.
pub(crate) fn choose(choice: &AdapterChoice) -> Result<wgpu::Adapter, AdapterError> {
    let mut adapters = enumerate();
    let names: Vec<String> = adapters.iter().map(|a| a.get_info().name).collect();
    let position = position(choice, &names)?;
    Ok(adapters.swap_remove(position))
}

/// The position of the choice among names that are in the order of automatic choice.
fn position(choice: &AdapterChoice, names: &[String]) -> Result<usize, AdapterError> {
    if names.is_empty() {
        return Err(AdapterError::NoneFound);
    }
    match choice {
        AdapterChoice::Auto => Ok(0),
        AdapterChoice::Named(wanted) => {
            let lower = wanted.to_lowercase();
            names
                .iter()
                .position(|n| n.to_lowercase().contains(&lower))
                .ok_or_else(|| AdapterError::NoMatch { wanted: wanted.clone(), available: names.to_vec() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_comes_last() {
        let mut kinds =
            [AdapterKind::Cpu, AdapterKind::Virtual, AdapterKind::Discrete, AdapterKind::Integrated];
        kinds.sort();
        let expected =
            [AdapterKind::Discrete, AdapterKind::Integrated, AdapterKind::Virtual, AdapterKind::Cpu];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn names_match_in_part_and_never_fall_back() {
        let names = ["Big GPU 3000".to_owned(), "llvmpipe (LLVM 15.0.6, 256 bits)".to_owned()];
        assert_eq!(position(&AdapterChoice::from_text("LLVMpipe"), &names), Ok(1));
        assert_eq!(position(&AdapterChoice::from_text("auto"), &names), Ok(0));
        let missing = AdapterError::NoMatch { wanted: "arc".to_owned(), available: names.to_vec() };
        assert_eq!(position(&AdapterChoice::from_text("arc"), &names), Err(missing));
        assert_eq!(position(&AdapterChoice::Auto, &[]), Err(AdapterError::NoneFound));
    }
}
