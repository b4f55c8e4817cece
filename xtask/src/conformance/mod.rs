//! `cargo xtask conformance`: the ONNX backend suite on one device, judged by the list of what is expected not to pass.

mod expect;
pub(crate) mod operators;
mod results;
pub(crate) mod suite;

use crate::cmd::{build_satura, command, output};
use crate::driver::{self, Adapter};
use crate::flags::Flags;
use anyhow::{Result, bail, ensure};
use results::Case;
use std::path::{Path, PathBuf};

/// Runs the suite, prints a line per operator and every difference from the list, and fails if there is one.
pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let device = flags.value("device")?.unwrap_or_else(|| "reference".to_owned());
    let suite = flags.value("suite")?.map(PathBuf::from);
    let json = flags.value("json")?.map(PathBuf::from);
    let filter = flags.value("filter")?;
    let bless = flags.switch("bless")?;
    let binary = flags.value("satura")?.map(PathBuf::from);
    flags.finish()?;
    if bless && std::env::var_os("CI").is_some() {
        bail!("--bless changes the repository; it is refused where CI is set");
    }
    let satura = binary.map_or_else(|| build_satura(true), Ok)?;
    if device == "gpu"
        && let Adapter::Missing(why) = driver::ensure(&satura)?
    {
        bail!("{why}");
    }
    let suite = match suite.map_or_else(suite::ready, |dir| Ok(Ok(dir)))? {
        Ok(suite) => suite,
        Err(why) => {
            println!("skipped: there is no suite: {why}");
            return Ok(());
        }
    };
    let cases = cases(&satura, &suite, &device, filter.as_deref())?;
    if let Some(path) = json {
        std::fs::write(path, results::to_json(&cases))?;
    }
    print!("{}", results::summary(&cases));
    if bless {
        println!("written: {}", expect::bless(&device, &cases, filter.is_none())?.display());
        if filter.is_none() {
            operators::bless(&device, &cases)?;
        }
        return Ok(());
    }
    judge(&device, &cases, filter.is_none())
}

/// The suite on every device that is there, for `cargo xtask test`; gives the reason where it cannot run.
pub(crate) fn check(satura: &Path, gpu: bool) -> Result<Option<String>> {
    let suite = match suite::ready()? {
        Ok(suite) => suite,
        Err(why) => return Ok(Some(why)),
    };
    let mut failed = Vec::new();
    for device in ["reference", "cpu", "gpu"].into_iter().filter(|device| *device != "gpu" || gpu) {
        let cases = cases(satura, &suite, device, None)?;
        let count = |wanted: &str| cases.iter().filter(|case| case.outcome.kind() == wanted).count();
        let [pass, host, fail, skip] = ["pass", "host", "fail", "skip"].map(count);
        println!("{device}: {pass} pass, {host} pass with help from the host, {fail} fail, {skip} skipped");
        if let Err(error) = judge(device, &cases, true) {
            failed.push(format!("{device}: {error}"));
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(None)
}

/// Runs the cases that fit the filter.
fn cases(satura: &Path, suite: &Path, device: &str, filter: Option<&str>) -> Result<Vec<Case>> {
    let mut batch = command(satura, &["conformance", "--device", device]);
    batch.arg(suite);
    if let Some(filter) = filter {
        batch.args(["--filter", filter]);
    }
    let cases = results::parse(&output(&mut batch)?, device)?;
    ensure!(!cases.is_empty(), "no case of the suite matches");
    Ok(cases)
}

fn judge(device: &str, cases: &[Case], all: bool) -> Result<()> {
    let mut differences = expect::differences(&expect::read(device)?, cases, all);
    if all {
        differences.extend(operators::differences(device, cases)?);
    }
    for difference in &differences {
        println!("{difference}");
    }
    if !differences.is_empty() {
        bail!(
            "{} outcomes or counts differ from conformance/{device}.txt and operators.txt; `cargo xtask conformance --device {device} --bless` takes them over",
            differences.len()
        );
    }
    Ok(())
}
