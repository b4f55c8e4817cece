//! `lower`: the plan of each graph for a device profile, after `; expect:`: one line per step, then the arenas and the peak. The plan also runs in the kernel interpreter on random inputs
//! and must agree with the reference evaluator.
//!
//! Header: `profile` is `web`, `lavapipe8` or `nvidia32`; `binding_bytes` lowers its limit for one binding; `dims = { N = 4 }` binds symbols; `seed` seeds the inputs.

use crate::{Config, Skips, TestFile};
use satura_ir::{Graph, evaluate};
use satura_kernel::{DeviceProfile, Plan, interpret_plan};
use satura_lower::{LowerOptions, describe, lower};
use satura_tensor::{Bindings, Symbol};
use satura_testing::{Rng, Values, check_close, random_inputs, tolerance_for};
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    profile: String,
    binding_bytes: Option<u64>,
    #[serde(default)]
    dims: BTreeMap<String, i64>,
    #[serde(default)]
    seed: u64,
}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let header: Header = file.header()?;
    let mut texts = Vec::new();
    for graph in file.module(&config.registry)?.graphs {
        let (prepared, plan) = lowered(&graph, &header.profile, header.binding_bytes, &header.dims)?;
        check_numbers(&prepared, &plan, header.seed).map_err(|error| format!("@{}: {error}", graph.name))?;
        texts.push(format!("@{}\n{}", graph.name, describe(&plan)));
    }
    file.check_expected(&texts.join("\n"))
}

/// The device profile of a name.
pub(super) fn named_profile(name: &str) -> Result<DeviceProfile, String> {
    Ok(match name {
        "web" => DeviceProfile::web(),
        "lavapipe8" => DeviceProfile::lavapipe8(),
        "nvidia32" => DeviceProfile::nvidia32(),
        _ => return Err(format!("there is no profile `{name}`")),
    })
}

/// A graph as it is lowered, and its plan.
pub(super) fn lowered(
    graph: &Graph,
    profile: &str,
    binding_bytes: Option<u64>,
    dims: &BTreeMap<String, i64>,
) -> Result<(Graph, Plan), String> {
    let mut profile = named_profile(profile)?;
    profile.max_binding_bytes = binding_bytes.unwrap_or(profile.max_binding_bytes);
    let bindings: Bindings = dims.iter().map(|(name, size)| (Symbol::new(name), *size)).collect();
    let prepared = satura_opt::prepare(graph, &bindings, &|_| false)
        .map_err(|error| format!("@{}: {error}", graph.name))?;
    let plan = lower(&prepared, &profile, &LowerOptions::default())
        .map_err(|error| format!("@{}: {error}", graph.name))?;
    Ok((prepared, plan))
}

fn check_numbers(graph: &Graph, plan: &Plan, seed: u64) -> Result<(), String> {
    let inputs = random_inputs(graph, &mut Rng::new(seed), Values::Plain)?;
    let expected = evaluate(graph, &inputs).map_err(|error| error.to_string())?;
    let actual = interpret_plan(plan, &inputs).map_err(|error| error.to_string())?;
    actual.iter().zip(&expected).enumerate().try_for_each(|(i, (a, e))| {
        check_close(a, e, tolerance_for(e.dtype())).map_err(|error| format!("result {i}: {error}"))
    })
}
