//! `satura roundtrip`: every case of the ONNX backend suite is read, written, read again, and run on the reference evaluator both times (on the CPU where it is large). For `cargo xtask roundtrip`.

use super::suite::{self, Case, Verdict};
use crate::args::RoundtripArgs;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::ir::{Datum, Graph, Op, Type};
use satura::tensor::Elements;
use satura::{
    Device, DeviceKind, Error, Inputs, LoadOptions, Model, SaveOptions, Session, compare_data, load,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The kind of cases that are whole architectures.
const LARGE: &str = "light";

pub(crate) fn run(_: &Context, args: &RoundtripArgs) -> Result<Outcome, Failure> {
    let options = SaveOptions { opset: args.opset, value_info: true, ..SaveOptions::default() };
    satura::check_save(&args.output.join("model.onnx"), &options)?;
    let open = |kind| Device::open(kind, None);
    let (reference, cpu) = (open(DeviceKind::Reference)?, open(DeviceKind::Cpu)?);
    let cases = suite::judge_all(&args.suite, args.filter.as_deref(), |case, result| {
        // Whole architectures take the reference evaluator too long.
        let device = if case.kind == LARGE { &cpu } else { &reference };
        judge(case, args, &options, device, result)
    })?;
    Ok(Outcome::done(format!("{:#}\n", json!({ "cases": cases }))))
}

/// Adds to `result`: the written file, once it is there; the inputs that became constants; the ops that were written in parts; whether all outputs are the same bits.
fn judge(
    case: &Case,
    args: &RoundtripArgs,
    options: &SaveOptions,
    device: &Device,
    result: &mut Map<String, Value>,
) -> Result<(), Verdict> {
    let unread = |error: Error| Verdict::Unsupported(format!("it is not read: {error}"));
    let first = load(&case.model(), &LoadOptions::default()).map_err(unread)?;
    let sets = case.sets()?;
    let given: Vec<Inputs> =
        sets.iter().map(|set| suite::inputs(set, &first.graph)).collect::<Result<_, _>>()?;
    // A model that needs values of inputs is written with those of the first set.
    let (first, fixed) = first.whole_for(&given[0]).map_err(unread)?;
    let folder = args.output.join(&case.kind).join(&case.name);
    let file = folder.join("model.onnx");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Verdict::Fail(format!("{} cannot be made: {error}", folder.display())))?;
    let saved = satura::save(&first, &file, options)?;
    result.insert("file".to_owned(), json!(file));
    result.insert("fixed".to_owned(), json!(fixed));
    result.insert("expanded".to_owned(), json!(saved.expanded));
    let second = load(&file, &LoadOptions::default())?;
    same_signature(&first.graph, &second.graph)?;
    let mut exact = true;
    let used = if fixed.is_empty() { given.len() } else { 1 };
    for inputs in given.iter().take(used) {
        let expected = outputs(&first, device, inputs, &fixed).map_err(|error| {
            Verdict::Unsupported(format!("the model as it was read does not run: {error}"))
        })?;
        let actual = outputs(&second, device, inputs, &fixed)?;
        for ((name, actual), (_, expected)) in actual.iter().zip(&expected) {
            if same_bits(actual, expected) {
                continue;
            }
            exact = false;
            // Without parts every op is the same one, so every bit has to be.
            let comparison = compare_data(actual, expected, case.tolerance(expected));
            if saved.expanded.is_empty() || !comparison.agrees() {
                if comparison.same_type && draws_anew(&first.graph) {
                    return Err(Verdict::Unsupported(
                        "random numbers without a seed: each reading draws others".to_owned(),
                    ));
                }
                let kinds = if comparison.same_type {
                    String::new()
                } else {
                    format!("{}, expected {}: ", actual.describe(), expected.describe())
                };
                return Err(Verdict::Fail(format!(
                    "output {name} after writing and reading: {kinds}{comparison}"
                )));
            }
        }
    }
    result.insert("exact".to_owned(), json!(exact));
    Ok(())
}

/// The outputs of a model, without the inputs that it does not have any more.
fn outputs(
    model: &Model,
    device: &Device,
    inputs: &Inputs,
    fixed: &BTreeSet<String>,
) -> Result<Vec<(String, Datum)>, Error> {
    let mut inputs = inputs.clone();
    inputs.retain(|name, _| !fixed.contains(name));
    Session::new(model, device, Default::default()).run(&inputs)
}

/// Whether random numbers are drawn that no seed of the model fixes.
fn draws_anew(graph: &Graph) -> bool {
    graph.nodes().any(|(_, node)| {
        let seed = match &node.op {
            Op::Random(op) => op.seed,
            Op::Dropout(op) => op.seed,
            _ => Some(0),
        };
        seed.is_none() || node.regions.iter().any(draws_anew)
    })
}

/// Names and types of inputs and outputs, in order.
fn signature(graph: &Graph) -> Vec<(String, Type)> {
    let types = graph.inputs().iter().map(|id| graph.ty(*id).clone());
    let names = satura::describe_inputs(graph).into_iter().map(|(name, _)| format!("input {name}"));
    let outputs = graph.outputs().iter().map(|o| (format!("output {}", o.name), graph.ty(o.value).clone()));
    let inputs = names.zip(types);
    inputs.chain(outputs).collect()
}

/// Inputs and outputs must have the same names, order and types.
fn same_signature(first: &Graph, second: &Graph) -> Result<(), Verdict> {
    let (first, second) = (signature(first), signature(second));
    // Files say 0 for an extent that is not known, too, so that an extent of 0 is not read back.
    let empty = first.iter().any(|(_, ty)| ty.sizes().is_some_and(|sizes| sizes.contains(&0)));
    let differ = |((a, ty), (b, read)): &(&(String, Type), &(String, Type))| {
        a != b || (ty != read && !(empty && read.accepts(ty)))
    };
    match first.iter().zip(&second).find(differ) {
        Some(((a, ty), (b, read))) => {
            Err(Verdict::Fail(format!("{b}: {read} is read from the written model, it was {a}: {ty}")))
        }
        None if first.len() != second.len() => Err(Verdict::Fail(format!(
            "{} inputs and outputs are read from the written model, {} were written",
            second.len(),
            first.len()
        ))),
        None => Ok(()),
    }
}

/// Whether two values are the same bit for bit; a NaN is as good as another, since no operator says which one it gives.
fn same_bits(a: &Datum, b: &Datum) -> bool {
    if a == b {
        return true;
    }
    let all = |a: &[Datum], b: &[Datum]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_bits(a, b));
    match (a, b) {
        (Datum::Tensor(a), Datum::Tensor(b)) => {
            let same = |x: f64, y: f64| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
            a.dtype() == b.dtype()
                && a.shape() == b.shape()
                && match (a.to_elements(), b.to_elements()) {
                    (Elements::Float(a), Elements::Float(b)) => a.iter().zip(&b).all(|(x, y)| same(*x, *y)),
                    (Elements::Complex(a), Elements::Complex(b)) => {
                        a.as_flattened().iter().zip(b.as_flattened()).all(|(x, y)| same(*x, *y))
                    }
                    // Equal bits were found above.
                    _ => false,
                }
        }
        (Datum::Sequence(a), Datum::Sequence(b)) => all(a, b),
        (Datum::Optional(Some(a)), Datum::Optional(Some(b))) => same_bits(a, b),
        (Datum::Map { keys: a, values: x }, Datum::Map { keys: b, values: y }) => a == b && all(x, y),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::same_bits;
    use satura::ir::Datum;
    use satura::tensor::Tensor;

    #[test]
    fn bits() {
        let list = |items: &[f32]| {
            Datum::Sequence(vec![Datum::Tensor(Tensor::from_vec(items.to_vec(), &[items.len()]))])
        };
        assert!(same_bits(&list(&[1.0, f32::NAN]), &list(&[1.0, -f32::NAN])));
        assert!(!same_bits(&list(&[0.0]), &list(&[-0.0])) && !same_bits(&list(&[0.0]), &list(&[0.0, 0.0])));
        assert!(!same_bits(&Datum::Optional(None), &Datum::Optional(Some(Box::new(list(&[]))))));
    }
}
