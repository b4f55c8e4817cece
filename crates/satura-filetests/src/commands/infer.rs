//! `infer`: what inference finds, as the printed graphs after `; expect:`; known small integer values follow as `known` lines.
//!
//! Header: `dims = { N = 4 }` binds symbols first.

use crate::{Config, Skips, TestFile};
use satura_ir::{Graph, infer_graph, print_graph};
use satura_tensor::{Bindings, Symbol};
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(default)]
    dims: BTreeMap<String, i64>,
}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let header: Header = file.header()?;
    let bindings: Bindings = header.dims.iter().map(|(name, size)| (Symbol::new(name), *size)).collect();
    let mut texts = Vec::new();
    for graph in file.module(&config.registry)?.graphs {
        let mut graph = graph.bind(&bindings).map_err(|error| error.to_string())?;
        infer_graph(&mut graph).map_err(|error| error.to_string())?;
        texts.push(print_graph(&graph) + &known_lines(&graph));
    }
    file.check_expected(&texts.join("\n"))
}

/// The known elements of outputs and of named values that are not constants.
fn known_lines(graph: &Graph) -> String {
    let mut lines = String::new();
    for output in graph.outputs() {
        if let Some(known) = &graph.value(output.value).known {
            let elements: Vec<String> = known.elements.iter().map(ToString::to_string).collect();
            lines += &format!("known {:?} = {:?}({})\n", &*output.name, known.shape, elements.join(", "));
        }
    }
    lines
}
