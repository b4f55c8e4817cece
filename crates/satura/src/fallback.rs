//! Compiling for a device and, where it does not take the graph at all, for the next best one: never silently.

use crate::bind::Inputs;
use crate::fix::{self, values_of};
use crate::specialise::ready_for;
use crate::{Device, DeviceKind, Error};
use satura_ir::{ExecError, Fallback, Graph, Runnable};
use std::collections::BTreeSet;

/// A graph that is ready to run.
pub(crate) struct Prepared {
    /// The graph that was compiled.
    pub(crate) graph: Graph,
    /// What runs it.
    pub(crate) runnable: Box<dyn Runnable>,
    /// The name of the device it runs on.
    pub(crate) device: String,
    /// Set where that is not the device that was asked for: the whole graph runs elsewhere, and why.
    pub(crate) fallback: Option<Fallback>,
}

/// Compiles a graph whose symbols are bound for a device. Where a shape depends on the value of a small input, that value is compiled in; `fixed` are the inputs for which that was needed
/// before, and grows. A graph that the device does not support as a whole (containers, strings, shapes that only a run shows) is compiled for the CPU or the reference evaluator, which
/// takes everything; [`Prepared::fallback`] says so.
pub(crate) fn compile_for(
    bound: &Graph,
    device: &Device,
    inputs: &Inputs,
    fixed: &mut BTreeSet<String>,
) -> Result<Prepared, Error> {
    if device.kind() == DeviceKind::Reference {
        return compile(bound, bound.clone(), device);
    }
    loop {
        let with_values = fix::fixed(bound, &values_of(inputs, fixed))?;
        let ready = ready_for(&with_values, device)?;
        let executor = device.executor();
        let needed = fix::needed(&ready, &|op| executor.keeps(op));
        let before = fixed.len();
        fixed.extend(needed);
        if fixed.len() == before {
            return compile(&with_values, ready, device);
        }
    }
}

fn compile(bound: &Graph, ready: Graph, device: &Device) -> Result<Prepared, Error> {
    let reason = match device.executor().compile(&ready) {
        Ok(runnable) => {
            return Ok(Prepared { graph: ready, runnable, device: device.name(), fallback: None });
        }
        Err(ExecError::Unsupported(reason)) if device.kind() != DeviceKind::Reference => reason,
        Err(error) => return Err(Error::Exec { device: device.name(), error }),
    };
    let next = match device.kind() {
        DeviceKind::Gpu | DeviceKind::Auto if cfg!(feature = "cpu") => DeviceKind::Cpu,
        _ => DeviceKind::Reference,
    };
    let next = Device::open(next, None)?;
    let prepared = compile(bound, ready_for(bound, &next)?, &next)?;
    let reason = match &prepared.fallback {
        Some(further) => format!("{}: {reason}; {}", device.name(), further.reason),
        None => format!("{}: {reason}; it runs on {}", device.name(), prepared.device),
    };
    let node = if bound.name.is_empty() { "main" } else { &bound.name };
    let fallback = Fallback { op: "graph".to_owned(), node: node.to_owned(), reason };
    Ok(Prepared { fallback: Some(fallback), ..prepared })
}
