//! Random graphs, prepared and lowered for each device profile, compute in the kernel interpreter what the reference evaluator does. A second set runs under limits so tight that kernels
//! must be cut.

use satura_ir::{evaluate, print_graph};
use satura_kernel::{DeviceProfile, Step, interpret_plan};
use satura_lower::{LowerOptions, describe, lower};
use satura_tensor::{Bindings, tolerances};
use satura_testing::{GraphConfig, Rng, Values, check_close, random_graph, random_inputs};

fn check(seed: u64, config: GraphConfig, profile: &DeviceProfile) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let graph = random_graph(&mut rng, config);
    let inputs = random_inputs(&graph, &mut rng, Values::Plain)?;
    let expected = evaluate(&graph, &inputs).map_err(|error| error.to_string())?;
    let prepared =
        satura_opt::prepare(&graph, &Bindings::new(), &|_| false).map_err(|error| error.to_string())?;
    let of = |error: String| format!("{error}\n{}", print_graph(&prepared));
    let plan = lower(&prepared, profile, &LowerOptions::default()).map_err(|error| of(error.to_string()))?;
    let with_plan = |error: String| of(format!("{error}\n{}", describe(&plan)));
    for kernel in &plan.kernels {
        if kernel.buffers.len() > profile.max_bindings as usize {
            return Err(with_plan(format!("kernel {} binds {} buffers", kernel.name, kernel.buffers.len())));
        }
    }
    let bindings = plan.steps.iter().filter_map(|step| match step {
        Step::Dispatch(dispatch) => Some(&dispatch.bindings),
        Step::Host(_) => None,
    });
    if let Some(binding) = bindings.flatten().find(|b| b.bytes > profile.max_binding_bytes) {
        return Err(with_plan(format!("{binding:?} is beyond the limit")));
    }
    let actual = interpret_plan(&plan, &inputs).map_err(|error| with_plan(error.to_string()))?;
    actual.iter().zip(&expected).enumerate().try_for_each(|(i, (a, e))| {
        check_close(a, e, tolerances::ROUNDING).map_err(|error| with_plan(format!("result {i}: {error}")))
    })
}

#[track_caller]
fn check_all(seeds: std::ops::Range<u64>, config: GraphConfig, profiles: &[(&str, DeviceProfile)]) {
    for seed in seeds {
        for (name, profile) in profiles {
            check(seed, config, profile)
                .unwrap_or_else(|error| panic!("seed {seed}, profile {name}: {error}"));
        }
    }
}

fn profiles() -> [(&'static str, DeviceProfile); 3] {
    [
        ("web", DeviceProfile::web()),
        ("lavapipe8", DeviceProfile::lavapipe8()),
        ("nvidia32", DeviceProfile::nvidia32()),
    ]
}

#[test]
fn small_graphs() {
    check_all(0..400, GraphConfig::default(), &profiles());
}

#[test]
fn larger_extents() {
    check_all(1000..1200, GraphConfig { steps: 30, extent: 11, contractions: true }, &profiles());
}

#[test]
fn few_bindings() {
    let tight = DeviceProfile { max_bindings: 3, ..DeviceProfile::web() };
    check_all(2000..2200, GraphConfig { steps: 40, ..GraphConfig::default() }, &[("three bindings", tight)]);
}

#[test]
fn small_bindings() {
    let tight = |profile| DeviceProfile { max_binding_bytes: 1024, ..profile };
    let profiles = [("web", tight(DeviceProfile::web())), ("lavapipe8", tight(DeviceProfile::lavapipe8()))];
    check_all(3000..3300, GraphConfig { steps: 24, extent: 11, contractions: true }, &profiles);
}
