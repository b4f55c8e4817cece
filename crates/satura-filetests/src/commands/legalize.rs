//! `legalize`: the graphs after every composite is decomposed, after `; expect:`.
//!
//! Header: `keep = ["softmax"]` names composites that stay.

use crate::{Config, Skips, TestFile};
use satura_ir::{legalize, print_graph, verify};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(default)]
    keep: Vec<String>,
}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let header: Header = file.header()?;
    let mut texts = Vec::new();
    for mut graph in file.module(&config.registry)?.graphs {
        legalize(&mut graph, &|op| header.keep.iter().any(|name| name == op.name()))
            .map_err(|error| error.to_string())?;
        verify(&graph).map_err(|errors| format!("after legalizing: {}", errors[0]))?;
        texts.push(print_graph(&graph));
    }
    file.check_expected(&texts.join("\n"))
}
