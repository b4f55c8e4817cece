//! What is measured of a case, and how it is judged against the text in `regress/`.

use super::{Case, DEVICES};
use crate::cmd::{at, command, output};
use crate::python;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The tolerance of a whole f32 model against another implementation: the one named `MODEL` in satura-tensor.
const TOLERANCE: [&str; 2] = ["1e-3", "1e-4"];

/// Measured facts by name.
#[derive(Default)]
pub(crate) struct Facts {
    values: BTreeMap<String, String>,
    broken: Vec<String>,
}

impl Facts {
    /// All facts on one line.
    pub(crate) fn line(&self) -> String {
        self.values.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a case kept its gates.
pub(crate) struct Outcome {
    /// What is broken, one line each.
    pub(crate) broken: Vec<String>,
}

/// The facts that depend on model and compiler only: of the graph, and of its plan for a device with WebGPU's default limits.
pub(crate) fn exact(satura: &Path, case: &Case, model: &Path) -> Result<Facts> {
    let mut facts = Facts::default();
    let inspect: Value = serde_json::from_str(&output(
        command(satura, &["inspect", "--json"]).arg(model).args(case.shapes()),
    )?)?;
    for name in ["nodes", "parameters", "flops"] {
        facts.values.insert(name.to_owned(), inspect[name].to_string());
    }
    let plan = case.folder().join("plan");
    if plan.exists() {
        std::fs::remove_dir_all(&plan)?;
    }
    std::fs::create_dir_all(case.folder())?;
    output(
        command(satura, &["compile", "--target", "wgsl", "--profile", "web", "-o"])
            .arg(&plan)
            .arg(model)
            .args(case.shapes()),
    )?;
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(plan.join("plan.json"))?)?;
    for name in ["kernels", "dispatches", "host_steps", "peak_bytes"] {
        let value = plan["summary"][name]
            .as_u64()
            .with_context(|| format!("plan.json has no summary of `{name}`"))?;
        facts.values.insert(format!("web.{name}"), value.to_string());
        if name == "host_steps" && value > 0 && case.host.as_deref() != Some("any") {
            facts.broken.push(format!("{value} steps run on the host; the manifest allows none"));
        }
    }
    Ok(facts)
}

/// Runs the case on every device and adds the class of the error against onnxruntime: the power of ten at or above the greatest difference over its bound.
pub(crate) fn errors(satura: &Path, case: &Case, model: &Path, gpu: bool, facts: &mut Facts) -> Result<()> {
    let (inputs, _) = case.reference(model, 0)?;
    for device in DEVICES.iter().filter(|d| **d != "gpu" || gpu) {
        let out = case.folder().join(device);
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        output(
            command(satura, &["run", "--device", device, "--output-dir"]).arg(&out).arg(model).args(&inputs),
        )?;
        let mut compare = python::script("compare.py")?;
        compare.arg(&out).arg(case.folder().join("expected")).args(TOLERANCE);
        let result: Value = serde_json::from_str(&output(&mut compare)?)?;
        for problem in result["problems"].as_array().into_iter().flatten() {
            facts.broken.push(format!("{device}: {}", problem.as_str().unwrap_or_default()));
        }
        let of_bound = result["of_bound"].as_f64().unwrap_or(f64::INFINITY);
        if of_bound > 1.0 {
            facts.broken.push(format!(
                "{device}: beyond rtol {} and atol {}: max abs {}, max rel {}",
                TOLERANCE[0], TOLERANCE[1], result["absolute"], result["relative"]
            ));
        }
        facts.values.insert(format!("error.{device}"), class(of_bound));
    }
    Ok(())
}

/// The least of 1e-6, 1e-5 .. 1e0 that is not below the value, as text; `inf` beyond.
fn class(of_bound: f64) -> String {
    (-6..=0).find(|p| of_bound <= 10f64.powi(*p)).map_or("inf".to_owned(), |p| format!("1e{p}"))
}

/// Compares facts with the stored text, or stores them. A fact that was not measured this time keeps its line.
pub(crate) fn judge(name: &str, facts: &Facts, bless: bool) -> Result<Outcome> {
    let path = at("regress").join(format!("{name}.txt"));
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines: BTreeMap<String, String> = stored
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    let mut broken = facts.broken.clone();
    if bless {
        lines.extend(facts.values.clone());
        let text: String = lines.iter().map(|(n, v)| format!("{n} {v}\n")).collect();
        std::fs::create_dir_all(at("regress"))?;
        std::fs::write(path, text)?;
        return Ok(Outcome { broken });
    }
    for (fact, value) in &facts.values {
        match lines.get(fact) {
            None => broken.push(format!("{fact} {value} has no stored gate")),
            Some(gate) if fact.starts_with("error.") => {
                let number = |text: &str| text.parse::<f64>().unwrap_or(f64::INFINITY);
                if number(value) > number(gate) {
                    broken.push(format!("{fact} is {value}, the gate is {gate}"));
                }
            }
            Some(gate) if gate != value => broken.push(format!("{fact} is {value}, the gate is {gate}")),
            Some(_) => {}
        }
    }
    Ok(Outcome { broken })
}

#[cfg(test)]
mod tests {
    #[test]
    fn classes_of_error() {
        assert_eq!([0.0, 1e-6, 2e-6, 0.03, 1.0].map(super::class), ["1e-6", "1e-6", "1e-5", "1e-1", "1e0"]);
        assert_eq!(super::class(1.5), "inf");
    }
}
