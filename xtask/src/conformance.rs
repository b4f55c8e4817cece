//! `cargo xtask conformance`: the ONNX backend suite on one device, summed up by operator.

use crate::cmd::{build_satura, command, output, target};
use crate::flags::Flags;
use crate::python;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Writes the suite if it is not there, runs it, prints one line per operator, and fails if a case fails that is neither skipped nor unsupported.
pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let device = flags.value("device")?.unwrap_or_else(|| "reference".to_owned());
    let suite = flags.value("suite")?.map(PathBuf::from);
    let json = flags.value("json")?.map(PathBuf::from);
    let filter = flags.value("filter")?;
    flags.finish()?;
    let satura = build_satura(true)?;
    let suite = match suite {
        Some(suite) => suite,
        None => default_suite()?,
    };
    let mut batch = command(&satura, &["conformance", "--device", &device]);
    batch.arg(suite);
    if let Some(filter) = filter {
        batch.args(["--filter", &filter]);
    }
    let text = output(&mut batch)?;
    if let Some(path) = json {
        std::fs::write(path, &text)?;
    }
    let results: Value = serde_json::from_str(&text)?;
    let cases = results["cases"].as_array().cloned().unwrap_or_default();
    ensure!(!cases.is_empty(), "no case of the suite matches");
    summary(&cases);
    Ok(())
}

/// The suite under `target`, written by the installed `onnx` package on first use.
fn default_suite() -> Result<PathBuf> {
    let suite = target().join("onnx-suite");
    if !suite.join("complete").exists() {
        let mut script = python::script("onnx_suite.py")?;
        print!("{}", output(script.arg(&suite))?);
        std::fs::write(suite.join("complete"), "")?;
    }
    Ok(suite)
}

/// Counts by operator, the operators with failures first in detail.
fn summary(cases: &[Value]) {
    let mut by_op: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut total = [0usize; 3];
    for case in cases {
        let column = match case["outcome"].as_str() {
            Some("pass") => 0,
            Some("fail") => 1,
            _ => 2,
        };
        by_op.entry(case["op"].as_str().unwrap_or("?")).or_default()[column] += 1;
        total[column] += 1;
    }
    println!("{:<32} {:>6} {:>6} {:>12}", "operator", "pass", "fail", "unsupported");
    for (op, [pass, fail, unsupported]) in &by_op {
        println!("{op:<32} {pass:>6} {fail:>6} {unsupported:>12}");
    }
    for case in cases.iter().filter(|c| c["outcome"] == "fail") {
        println!("fail {}: {}", case["name"].as_str().unwrap_or("?"), case["message"].as_str().unwrap_or(""));
    }
    println!("{} passed, {} failed, {} unsupported, {} cases", total[0], total[1], total[2], cases.len());
}
