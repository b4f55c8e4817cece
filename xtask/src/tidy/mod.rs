//! `cargo xtask tidy`: the rules of ARCHITECTURE.md and CONTRIBUTING.md that the compiler does not check.

mod filetests;
mod levels;
mod licences;
mod sources;
pub(crate) mod support;

use crate::cmd::{cargo, command, output};
use crate::flags::Flags;
use anyhow::{Context, Result, bail};

/// Checks every rule and prints what breaks one; with `--bless`, writes generated text first.
pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let bless = flags.switch("bless")?;
    flags.finish()?;
    if bless {
        support::write()?;
    }
    check()
}

/// Every rule; an error says how many are broken.
pub(crate) fn check() -> Result<()> {
    let metadata = metadata()?;
    let mut problems = Vec::new();
    levels::check(&metadata, &mut problems)?;
    licences::check(&metadata, &mut problems);
    sources::check(&mut problems)?;
    filetests::check(&mut problems)?;
    support::check(&mut problems)?;
    for problem in &problems {
        println!("tidy: {problem}");
    }
    if !problems.is_empty() {
        bail!("{} rules are broken", problems.len());
    }
    Ok(())
}

/// What `cargo metadata` says about this platform.
fn metadata() -> Result<serde_json::Value> {
    let version = output(&mut command("rustc", &["-vV"]))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names no host")?
        .to_owned();
    let text =
        output(&mut cargo(&["metadata", "--locked", "--format-version", "1", "--filter-platform", &host]))?;
    Ok(serde_json::from_str(&text)?)
}
