//! The commands, one file each, and what several of them do first.

pub(crate) mod bench;
pub(crate) mod compile;
pub(crate) mod conformance;
pub(crate) mod devices;
pub(crate) mod inspect;
pub(crate) mod opt;
pub(crate) mod run;
pub(crate) mod verify;

use crate::Context;
use crate::progress::spin;
use crate::report::{Failure, warn};
use satura::{Device, DeviceKind, LoadOptions, Model};
use std::path::Path;

/// Reads a model and shows its warnings.
pub(crate) fn load(cx: &Context, path: &Path) -> Result<Model, Failure> {
    let options = LoadOptions { registry: cx.registry.clone(), ..LoadOptions::default() };
    let model = spin(&format!("reading {}", path.display()), || satura::load(path, &options))?;
    warn(&model.warnings);
    Ok(model)
}

/// Opens a device.
pub(crate) fn open(cx: &Context, kind: DeviceKind) -> Result<Device, Failure> {
    Ok(Device::open(kind, cx.adapter.as_deref())?)
}
