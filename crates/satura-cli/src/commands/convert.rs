//! `satura convert`: a model as a file again, at another operator set or in another format.

use super::{load, whole};
use crate::args::ConvertArgs;
use crate::inputs::Sizes;
use crate::progress::spin;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::{Error, SaveOptions, specialise};
use std::fmt::Write;

pub(crate) fn run(cx: &Context, args: &ConvertArgs) -> Result<Outcome, Failure> {
    let options = SaveOptions {
        opset: args.opset,
        external_data_above: args.external_data_above,
        value_info: args.value_info,
    };
    satura::check_save(&args.output, &options)?;
    let model = load(cx, &args.model)?;
    let mut sizes = Sizes::read(&args.sizes, &model.graph)?;
    let mut model = whole(model, &mut sizes)?;
    let bindings = satura::solve(&model.graph, &sizes.dims, &sizes.shapes).map_err(Error::from)?;
    if !bindings.is_empty() || !sizes.shapes.is_empty() {
        model.graph = specialise(&model.graph, &bindings, &sizes.shapes)?;
    }
    let label = format!("writing {}", args.output.display());
    let saved = spin(&label, || satura::save(&model, &args.output, &options))?;
    let mut text = String::new();
    for file in saved.files {
        let size = std::fs::metadata(&file).map(|metadata| metadata.len());
        let size = size.map_or_else(|_| String::new(), |bytes| format!(" ({bytes} bytes)"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "wrote {}{size}", file.display());
    }
    if !saved.expanded.is_empty() {
        let ops: Vec<String> = saved.expanded.iter().map(|(op, count)| format!("{op} ({count})")).collect();
        let _ = writeln!(text, "written in terms of other operators: {}", ops.join(", "));
    }
    Ok(Outcome::done(text))
}
