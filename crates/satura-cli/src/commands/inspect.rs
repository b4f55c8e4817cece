//! `satura inspect`: what a model consists of.

use super::{load, whole};
use crate::args::InspectArgs;
use crate::inputs::Sizes;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::{Summary, specialise, summarise};
use std::fmt::Write;

pub(crate) fn run(cx: &Context, args: &InspectArgs) -> Result<Outcome, Failure> {
    let model = load(cx, &args.model)?;
    let sizes = Sizes::read(&args.sizes, &model.graph)?;
    let model = whole(model, &sizes.inputs)?;
    let bindings = satura::solve(&model.graph, &sizes.dims, &sizes.shapes).map_err(satura::Error::from)?;
    let graph = specialise(&model.graph, &bindings, &sizes.shapes)?;
    let mut summary = summarise(&graph);
    if !args.values {
        summary.values.clear();
    }
    if args.json {
        return Ok(Outcome::done(format!("{:#}\n", summary.to_json())));
    }
    Ok(Outcome::done(table(&model, &summary)))
}

fn table(model: &satura::Model, summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("format", model.format);
    for (name, value) in &model.properties {
        line(name, value);
    }
    for (name, ty) in &summary.inputs {
        line("input", &format!("{}: {ty}", escaped(name)));
    }
    for (name, ty) in &summary.outputs {
        line("output", &format!("{}: {ty}", escaped(name)));
    }
    for (name, ty) in &summary.values {
        line("value", &format!("{}: {ty}", escaped(name)));
    }
    if !summary.symbols.is_empty() {
        line("symbols", &summary.symbols.iter().map(|s| escaped(s)).collect::<Vec<_>>().join(", "));
    }
    line("parameters", &format!("{} ({} bytes)", summary.parameters, summary.parameter_bytes));
    line(
        "flops",
        &summary.flops.as_ref().map_or("not known: a shape is not known".to_owned(), |f| f.to_string()),
    );
    line("nodes", &summary.nodes().to_string());
    let mut ops: Vec<(&String, &usize)> = summary.ops.iter().collect();
    ops.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (op, count) in ops {
        let _ = writeln!(text, "  {count:>6} {op}");
    }
    text
}

/// A name out of a model, harmless on a terminal.
pub(super) fn escaped(name: &str) -> String {
    satura::import::escape(name)
}
