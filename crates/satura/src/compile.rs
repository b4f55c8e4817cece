//! Writing a model's kernels: one text or binary per kernel, the plan as JSON, and an explanation for people.

use crate::plan_json::plan_json;
use crate::{Error, bind::BindError};
use satura_ir::Graph;
use satura_kernel::{DeviceProfile, Plan, Step};
use satura_lower::{LowerOptions, lower};
use satura_tensor::Bindings;
use satura_wgsl::{Target, generate};
use std::fmt::Write;

/// A graph as kernels for one target.
#[derive(Debug)]
pub struct Compilation {
    /// The graph that was lowered.
    pub graph: Graph,
    /// Kernels, buffers, steps.
    pub plan: Plan,
    /// File name and content: one per kernel, and `plan.json`.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Lowers a graph whose symbols are bound, for devices of `profile`, and generates every kernel for `target`.
pub fn compile(graph: &Graph, profile: &DeviceProfile, target: Target) -> Result<Compilation, Error> {
    let open: Vec<String> = graph.symbols().iter().map(|s| s.name().to_owned()).collect();
    if !open.is_empty() {
        return Err(BindError::Unbound { symbols: open }.into());
    }
    let graph = satura_opt::prepare(graph, &Bindings::new(), &|_| false)?;
    let plan = lower(&graph, profile, &LowerOptions::default())
        .map_err(|error| Error::Codegen(error.to_string()))?;
    let mut files = Vec::new();
    for (i, kernel) in plan.kernels.iter().enumerate() {
        let code = generate(kernel, target)
            .map_err(|error| Error::Codegen(format!("kernel {}: {error}", kernel.name)))?;
        let name: String =
            kernel.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
        files.push((format!("{i:03}_{name}.{}", target.extension()), code));
    }
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let json = plan_json(&graph, &plan, target.name(), &names, profile.max_groups_per_dimension);
    files.push(("plan.json".to_owned(), format!("{json:#}\n").into_bytes()));
    Ok(Compilation { graph, plan, files })
}

impl Compilation {
    /// For each step, in order: what runs where, and why not on the device.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for (i, step) in self.plan.steps.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = match step {
                Step::Dispatch(dispatch) => {
                    let kernel = &self.plan.kernels[dispatch.kernel];
                    writeln!(
                        text,
                        "{i:>4} device {:03} {}: {} ({} workgroups of {})",
                        dispatch.kernel, kernel.name, dispatch.label, kernel.groups, kernel.workgroup_size
                    )
                }
                Step::Host(host) => {
                    writeln!(text, "{i:>4} host   {} {:?}: {}", host.op, host.node, host.reason)
                }
            };
        }
        let _ = writeln!(
            text,
            "{} kernels, {} steps, {} arenas, {} bytes at peak",
            self.plan.kernels.len(),
            self.plan.steps.len(),
            self.plan.arenas.len(),
            self.plan.peak_bytes()
        );
        text
    }
}
