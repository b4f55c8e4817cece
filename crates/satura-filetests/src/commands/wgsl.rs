//! `wgsl`: the text of all kernels of each graph for a device profile, after `; expect:`. naga must find each text valid, and make SPIR-V of it.
//!
//! Header: `profile` is `web` (the browsers' dialect), `lavapipe8` or `nvidia32`; `dims = { N = 4 }` binds symbols.

use super::lower::{lowered, named_profile};
use crate::{Config, Skips, TestFile};
use satura_wgsl::{Target, WgslOptions, generate, to_wgsl, validate};
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    profile: String,
    #[serde(default)]
    dims: BTreeMap<String, i64>,
}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let header: Header = file.header()?;
    let options = WgslOptions {
        max_groups_per_dimension: named_profile(&header.profile)?.max_groups_per_dimension,
        ..if header.profile == "web" { WgslOptions::browser() } else { WgslOptions::default() }
    };
    let mut texts = Vec::new();
    for graph in file.module(&config.registry)?.graphs {
        let (_, plan) = lowered(&graph, &header.profile, None, &header.dims)?;
        for kernel in &plan.kernels {
            let at = |error| format!("@{}, kernel {}: {error}", graph.name, kernel.name);
            let text = to_wgsl(kernel, &options);
            validate(&text).map_err(at)?;
            generate(kernel, Target::Spirv).map_err(at)?;
            texts.push(format!("@{} {}\n{text}", graph.name, kernel.name));
        }
    }
    file.check_expected(&texts.join("\n"))
}
