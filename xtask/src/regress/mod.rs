//! `cargo xtask regress`: every model of `regress.toml`, checked three ways.
//!
//! 1. Exact gates: facts of the compiled model that do not depend on the machine, kept as text in `regress/`, so that a change of them is seen in review.
//! 2. Results on each device against onnxruntime, under the tolerance for whole models; the class of the error is a gate too.
//! 3. Timings as paired ratios against onnxruntime: printed, never a gate.

mod case;
mod gates;
mod timing;

pub(crate) use case::{Case, manifest};
pub(crate) use timing::ratio;

use crate::cmd::build_satura;
use crate::driver::{self, Adapter};
use crate::flags::Flags;
use crate::models;
use anyhow::{Result, bail};
use gates::{Facts, Outcome};
use std::path::Path;

/// The devices in the order they are run.
pub(crate) const DEVICES: [&str; 3] = ["reference", "cpu", "gpu"];

/// Runs the manifest.
pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let filter = flags.value("filter")?.unwrap_or_default();
    let (bless, offline, no_timings) =
        (flags.switch("bless")?, flags.switch("offline")?, flags.switch("no-timings")?);
    flags.finish()?;
    if bless && std::env::var_os("CI").is_some() {
        bail!("--bless changes the repository; it is refused where CI is set");
    }
    let satura = build_satura(true)?;
    let gpu = match driver::ensure(&satura)? {
        Adapter::Ready(name) => {
            println!("GPU adapter: {name}");
            true
        }
        Adapter::Missing(why) => {
            println!("the GPU is skipped: {why}");
            false
        }
    };
    let cases: Vec<Case> = manifest()?
        .into_iter()
        .filter(|c| c.name.contains(&filter))
        .filter(|c| !offline || c.is_committed())
        .collect();
    let models = if cases.iter().all(Case::is_committed) { None } else { Some(models::ready()?) };
    let mut outcomes = Vec::new();
    for case in &cases {
        let model = case.path(models.as_deref());
        let mut facts = gates::exact(&satura, case, &model)?;
        if !offline {
            gates::errors(&satura, case, &model, gpu, &mut facts)?;
        }
        let outcome = gates::judge(&case.name, &facts, bless)?;
        print_outcome(&case.name, &facts, &outcome);
        outcomes.push(outcome);
        if !offline && !no_timings {
            for device in DEVICES.iter().skip(1).filter(|d| **d != "gpu" || gpu) {
                println!("  {}", ratio(&satura, case, &model, device)?);
            }
        }
    }
    conclude(&outcomes)
}

/// The exact gates of the models that lie in the repository: quick, and without Python.
pub(crate) fn fixtures(satura: &Path, _gpu: bool) -> Result<()> {
    let mut outcomes = Vec::new();
    for case in manifest()?.iter().filter(|c| c.is_committed()) {
        let facts = gates::exact(satura, case, &case.path(None))?;
        let outcome = gates::judge(&case.name, &facts, false)?;
        print_outcome(&case.name, &facts, &outcome);
        outcomes.push(outcome);
    }
    conclude(&outcomes)
}

fn print_outcome(name: &str, facts: &Facts, outcome: &Outcome) {
    println!("{} {name}: {}", if outcome.broken.is_empty() { "ok  " } else { "FAIL" }, facts.line());
    for broken in &outcome.broken {
        println!("     {broken}");
    }
}

fn conclude(outcomes: &[Outcome]) -> Result<()> {
    let failed = outcomes.iter().filter(|o| !o.broken.is_empty()).count();
    println!("regression: {} passed, {failed} failed", outcomes.len() - failed);
    if failed > 0 {
        bail!("{failed} models left their gates; `cargo xtask regress --bless` takes the new values over");
    }
    Ok(())
}
