//! A Vulkan adapter for the GPU tests: the machine's own, or else Mesa's software driver, installed where that is possible.

use crate::cmd::{command, output, run, succeeds};
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

/// What there is to run GPU code on.
pub(crate) enum Adapter {
    /// An adapter of this name.
    Ready(String),
    /// None, and why none could be installed.
    Missing(String),
}

/// Finds an adapter, as the built binary sees it; installs Mesa's software driver if there is none.
pub(crate) fn ensure(satura: &Path) -> Result<Adapter> {
    let devices = devices(satura)?;
    if !has_kind(&devices, "gpu") {
        return Ok(Adapter::Missing("this build has no GPU back end".to_owned()));
    }
    if let Some(name) = first_adapter(&devices) {
        return Ok(Adapter::Ready(name));
    }
    if !cfg!(target_os = "linux") || !succeeds("apt-get", &["--version"]) {
        return Ok(Adapter::Missing(
            "no Vulkan adapter, and Mesa's driver is installed only where apt-get is".to_owned(),
        ));
    }
    if output(&mut command("id", &["-u"]))?.trim() != "0" {
        return Ok(Adapter::Missing(
            "no Vulkan adapter; as root: apt-get install mesa-vulkan-drivers".to_owned(),
        ));
    }
    let apt = |args: &[&str]| run(command("apt-get", args).env("DEBIAN_FRONTEND", "noninteractive"));
    let installed = apt(&["update", "-qq"]).and_then(|()| {
        apt(&["install", "-y", "-qq", "--no-install-recommends", "libvulkan1", "mesa-vulkan-drivers"])
    });
    if let Err(error) = installed {
        return Ok(Adapter::Missing(format!(
            "no Vulkan adapter, and Mesa's driver could not be installed: {error:#}"
        )));
    }
    Ok(match first_adapter(&self::devices(satura)?) {
        Some(name) => Adapter::Ready(name),
        None => Adapter::Missing("Mesa's driver is installed, but no Vulkan adapter appeared".to_owned()),
    })
}

/// What the binary says about this machine: the keys `kinds` and `adapters`.
pub(crate) fn devices(satura: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&output(&mut command(satura, &["devices", "--json"]))?)?)
}

/// Whether the binary can open devices of a kind.
pub(crate) fn has_kind(devices: &Value, kind: &str) -> bool {
    devices["kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind))
}

fn first_adapter(devices: &Value) -> Option<String> {
    devices["adapters"][0]["name"].as_str().map(str::to_owned)
}
