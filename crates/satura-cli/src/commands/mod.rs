//! The commands, one file each, and what several of them do first.

pub(crate) mod bench;
pub(crate) mod compile;
pub(crate) mod conformance;
pub(crate) mod convert;
pub(crate) mod devices;
pub(crate) mod footprint;
pub(crate) mod inspect;
pub(crate) mod opt;
pub(crate) mod roundtrip;
pub(crate) mod run;
mod suite;
pub(crate) mod verify;

use crate::Context;
use crate::inputs::Sizes;
use crate::progress::spin;
use crate::report::{Failure, note, warn};
use satura::ir::RunReport;
use satura::{Device, DeviceKind, LoadOptions, Model};
use std::path::Path;

/// Reads a model and shows its warnings.
pub(crate) fn load(cx: &Context, path: &Path) -> Result<Model, Failure> {
    let options = LoadOptions { registry: cx.registry.clone(), ..LoadOptions::default() };
    let model = spin(&format!("reading {}", path.display()), || satura::load(path, &options))?;
    warn(&model.warnings);
    Ok(model)
}

/// The model as a whole, for what looks into it: one that needs values of inputs gets those that are given, and has no such inputs any more.
pub(crate) fn whole(model: Model, sizes: &mut Sizes) -> Result<Model, Failure> {
    if model.open.is_none() {
        return Ok(model);
    }
    let missing =
        satura::describe_inputs(&model.graph).into_iter().any(|(name, _)| !sizes.inputs.contains_key(&name));
    if missing {
        model.check_whole()?;
    }
    let (whole, fixed) = model.whole_for(&sizes.inputs)?;
    sizes.inputs.retain(|name, _| !fixed.contains(name));
    sizes.shapes.retain(|name, _| !fixed.contains(name));
    Ok(whole.into_owned())
}

/// Says what does not run on the device that was asked for.
pub(crate) fn note_fallbacks(report: &RunReport) {
    for fallback in &report.fallbacks {
        note(&format!("{} ({}) runs elsewhere: {}", fallback.op, fallback.node, fallback.reason));
    }
}

/// Opens a device.
pub(crate) fn open(cx: &Context, kind: DeviceKind) -> Result<Device, Failure> {
    Ok(Device::open(kind, cx.adapter.as_deref())?)
}
