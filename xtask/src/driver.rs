//! A Vulkan adapter for the GPU tests: the machine's own, or else Mesa's software driver, installed where that is possible.

use crate::cmd::{command, output, run, succeeds};
use anyhow::Result;
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
    if let Some(name) = first_adapter(satura)? {
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
    Ok(match first_adapter(satura)? {
        Some(name) => Adapter::Ready(name),
        None => Adapter::Missing("Mesa's driver is installed, but no Vulkan adapter appeared".to_owned()),
    })
}

fn first_adapter(satura: &Path) -> Result<Option<String>> {
    let listing: serde_json::Value =
        serde_json::from_str(&output(&mut command(satura, &["devices", "--json"]))?)?;
    Ok(listing["adapters"][0]["name"].as_str().map(str::to_owned))
}
