//! `satura run`: one run of a model.

use super::inspect::escaped;
use super::{load, note_fallbacks, open};
use crate::args::RunArgs;
use crate::files::{file_names, write_all};
use crate::inputs::values;
use crate::progress::spin;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::Session;
use satura::ir::Datum;
use satura::tensor::{Elements, Tensor, write_npy};
use std::fmt::Write;

pub(crate) fn run(cx: &Context, args: &RunArgs) -> Result<Outcome, Failure> {
    let model = load(cx, &args.model)?;
    let (inputs, dims) = values(&args.inputs.sizes, args.inputs.random, &model.graph)?;
    let device = open(cx, args.device)?;
    let mut session = Session::new(&model, &device, dims);
    let outputs = spin(&format!("running on {}", device.name()), || session.run(&inputs))?;
    note_fallbacks(&session.compile(&inputs)?.report());
    let mut text = format!("device: {}\n", device.name());
    for (name, value) in &outputs {
        describe(&mut text, &escaped(name), value);
    }
    // A container has a file for each tensor in it.
    let mut tensors = Vec::new();
    outputs.iter().for_each(|(name, value)| flatten(name, value, &mut tensors));
    if let Some(dir) = &args.output_dir {
        let names: Vec<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
        let files: Vec<(String, Vec<u8>)> = file_names(&names, "npy")
            .into_iter()
            .zip(&tensors)
            .map(|(file, (name, tensor))| {
                let bytes = write_npy(tensor).map_err(|error| {
                    Failure::new("npy", format!("output {} cannot be written: {error}", escaped(name)))
                })?;
                Ok((file, bytes))
            })
            .collect::<Result<_, Failure>>()?;
        write_all(dir, &files)?;
        for (file, _) in &files {
            let _ = writeln!(text, "wrote {}", dir.join(file).display());
        }
    }
    Ok(Outcome::done(text))
}

/// One line for each tensor and each container.
fn describe(text: &mut String, name: &str, value: &Datum) {
    // Writing to a String cannot fail.
    let _ = match value {
        Datum::Tensor(tensor) => writeln!(text, "{name}: {} {}", value.describe(), statistics(tensor)),
        Datum::Sequence(_) | Datum::Optional(_) | Datum::Map { .. } => {
            writeln!(text, "{name}: {}", value.describe())
        }
    };
    items(value).for_each(|(at, item)| describe(text, &format!("{name}[{at}]"), item));
}

/// The items of a container, with their positions.
fn items(value: &Datum) -> impl Iterator<Item = (usize, &Datum)> {
    let (list, one) = match value {
        Datum::Tensor(_) | Datum::Optional(None) => (&[][..], None),
        Datum::Optional(Some(item)) => (&[][..], Some(&**item)),
        Datum::Sequence(items) | Datum::Map { values: items, .. } => (&items[..], None),
    };
    list.iter().chain(one).enumerate()
}

fn flatten<'a>(name: &str, value: &'a Datum, tensors: &mut Vec<(String, &'a Tensor)>) {
    match value {
        Datum::Tensor(tensor) => tensors.push((name.to_owned(), tensor)),
        Datum::Sequence(_) | Datum::Optional(_) | Datum::Map { .. } => {
            items(value).for_each(|(at, item)| flatten(&format!("{name}_{at}"), item, tensors));
        }
    }
}

/// Minimum, maximum and mean of the elements that are numbers.
fn statistics(tensor: &Tensor) -> String {
    let numbers: Vec<f64> = match tensor.to_elements() {
        Elements::Float(v) => v,
        Elements::Int(v) => v.into_iter().map(|x| x as f64).collect(),
        Elements::Bool(v) => v.into_iter().map(|b| f64::from(u8::from(b))).collect(),
        Elements::Complex(_) | Elements::String(_) => return format!("({} elements)", tensor.elements()),
    };
    if numbers.is_empty() {
        return "(empty)".to_owned();
    }
    let nan = numbers.iter().filter(|x| x.is_nan()).count();
    let finite = || numbers.iter().copied().filter(|x| !x.is_nan());
    let min = finite().fold(f64::INFINITY, f64::min);
    let max = finite().fold(f64::NEG_INFINITY, f64::max);
    let mean = finite().sum::<f64>() / (numbers.len() - nan).max(1) as f64;
    let mut text = format!("min {min:.6} max {max:.6} mean {mean:.6}");
    if nan > 0 {
        text.push_str(&format!(" ({nan} NaN)"));
    }
    text
}
