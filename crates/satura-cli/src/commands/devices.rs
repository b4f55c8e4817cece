//! `satura devices`: what this machine has to run models on.

use crate::Outcome;
use crate::args::DevicesArgs;
use serde_json::json;
use std::fmt::Write;

pub(crate) fn run(args: &DevicesArgs) -> Outcome {
    let adapters = satura::adapters();
    if args.json {
        let list: Vec<_> = adapters
            .iter()
            .map(|a| json!({ "name": a.name, "kind": a.kind, "driver": a.driver, "gpu": a.is_gpu }))
            .collect();
        return Outcome::done(format!("{:#}\n", json!({ "adapters": list })));
    }
    let mut text =
        "reference  the definition of every result; slow\ncpu        threads and vectors of this machine\n"
            .to_owned();
    for adapter in &adapters {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "gpu        {} [{}, {}]", adapter.name, adapter.kind, adapter.driver);
    }
    if adapters.is_empty() {
        text.push_str("gpu        none: no driver with a Vulkan adapter was found\n");
    }
    Outcome::done(text)
}
