//! `satura opt`: passes over graphs in text form. `satura passes`: which there are.

use crate::args::OptArgs;
use crate::files::write;
use crate::report::{Failure, eprint};
use crate::{Context, Outcome};
use satura::Error;
use satura::ir::{ConstStore, parse_module, print_graph, print_module};
use satura::pass::RunConfig;
use std::fmt::Write;

pub(crate) fn run(cx: &Context, args: &OptArgs) -> Result<Outcome, Failure> {
    let path = &args.file;
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new("io", format!("cannot read {}: {error}", path.display())))?;
    let mut module = parse_module(&text, &ConstStore::default(), &cx.registry)
        .map_err(|error| Error::Text { path: path.clone(), text: text.clone(), error })?;
    let manager = satura::opt::manager(&cx.passes);
    let pipeline = manager.parse(&args.passes).map_err(|error| {
        Failure::new("pipeline", error.to_string())
            .help("`satura passes` lists passes, options and pipelines")
    })?;
    let dump = |report: &satura::pass::PassReport, graph: &satura::ir::Graph| {
        eprint(&format!("; after {} ({} patches)\n{}\n", report.pass, report.patches, print_graph(graph)));
    };
    for graph in &mut module.graphs {
        let config = RunConfig {
            stop_after: args.stop_after,
            after_pass: if args.print_after_all { Some(&dump) } else { None },
            explain: args.stats,
            ..RunConfig::default()
        };
        let report = manager
            .run(&pipeline, graph, &config)
            .map_err(|error| Failure::new("pass", format!("graph @{}: {error}", graph.name)))?;
        if args.stats {
            eprint(&format!("@{}\n{report}", graph.name));
        }
    }
    let printed = print_module(&module);
    match &args.output {
        Some(path) => write(path, printed.as_bytes()).map(|()| Outcome::done(String::new())),
        None => Ok(Outcome::done(printed)),
    }
}

/// Name, contract, summary and options of every pass.
pub(crate) fn list(cx: &Context) -> Outcome {
    let mut text = String::new();
    for pass in &cx.passes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<18} {:<9} {}", pass.name, pass.contract.to_string(), pass.summary);
        for option in pass.options.help {
            let _ = writeln!(text, "  {:<16} {}", option.name, option.summary);
        }
    }
    let _ = writeln!(text, "\npipelines");
    for (name, pipeline) in [("default", satura::opt::DEFAULT), ("shapes", satura::opt::SHAPES)] {
        let _ = writeln!(text, "{name:<18} {pipeline}");
    }
    Outcome::done(text)
}
