//! What must have a file and has none.

use crate::{Config, TestFile, commands};
use satura_ir::Graph;
use std::collections::BTreeSet;

/// One line for each op, pass and command that [`Required`](crate::Required) asks for and no file covers.
pub fn missing(files: &[TestFile], config: &Config) -> Vec<String> {
    let (mut ops, mut passes, mut used) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let manager = config.manager();
    for file in files {
        let Ok(command) = file.command() else { continue };
        used.insert(command.to_owned());
        match command {
            "run" => {
                let module = file.parse(&config.registry).unwrap_or_default();
                module.graphs.iter().for_each(|graph| collect_ops(graph, &mut ops));
            }
            "pass" => {
                let pipeline = commands::pass_text(file).and_then(|text| manager.parse(&text).ok());
                passes.extend(pipeline.into_iter().flat_map(|p| p.steps).map(|step| step.pass.name));
            }
            _ => {}
        }
    }
    let required = &config.required;
    let mut missing = Vec::new();
    missing.extend(
        required.ops.iter().filter(|op| !ops.contains(*op)).map(|op| format!("op `{op}` has no `run` file")),
    );
    missing.extend(
        required
            .passes
            .iter()
            .filter(|p| !passes.contains(p.as_str()))
            .map(|p| format!("pass `{p}` has no `pass` file")),
    );
    if required.commands {
        let unused = commands().iter().filter(|command| !used.contains(command.name));
        missing.extend(unused.map(|command| format!("command `{}` has no file", command.name)));
    }
    missing
}

fn collect_ops(graph: &Graph, ops: &mut BTreeSet<String>) {
    for (_, node) in graph.nodes() {
        ops.insert(node.op.name().to_owned());
        node.regions.iter().for_each(|region| collect_ops(region, ops));
    }
}
