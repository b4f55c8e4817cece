//! `satura conformance`: the ONNX backend suite from folders, in one process. For `cargo xtask conformance`.

use super::open;
use crate::args::ConformanceArgs;
use crate::progress::steps;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::ir::{Datum, Fallback, Type};
use satura::tensor::{DType, Tolerance};
use satura::{
    Device, Error, Inputs, LoadOptions, Session, compare_data, describe_inputs, load, read_onnx_datum,
};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The tolerance of the suite's own runner, for cases that do not state one.
const DEFAULT_TOLERANCE: Tolerance = Tolerance::new(1e-3, 1e-7);

/// Codes that mean: valid, but beyond what is implemented.
const UNSUPPORTED: &[&str] = &["unsupported-op", "unsupported", "not-constant", "version"];

/// What became of a case.
enum Verdict {
    Pass,
    Unsupported(String),
    Fail(String),
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Self {
        if UNSUPPORTED.contains(&error.code()) {
            Verdict::Unsupported(error.to_string())
        } else {
            Verdict::Fail(format!("[{}] {error}", error.code()))
        }
    }
}

pub(crate) fn run(cx: &Context, args: &ConformanceArgs) -> Result<Outcome, Failure> {
    let device = open(cx, args.device)?;
    let cases = cases(&args.suite, args.filter.as_deref())?;
    let bar = steps("cases", cases.len() as u64);
    // A panic is a failed case; its message is caught below and must not fill the screen.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut results = Vec::new();
    for (name, dir) in &cases {
        let settings = settings(dir);
        let mut fallbacks = Vec::new();
        let judged = catch_unwind(AssertUnwindSafe(|| {
            judge(dir, &device, tolerance(&settings), &mut fallbacks).unwrap_or_else(|verdict| verdict)
        }));
        let verdict =
            judged.unwrap_or_else(|panic| Verdict::Fail(format!("panic: {}", panic_message(&*panic))));
        let kind = dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let op = settings["op"].as_str().unwrap_or(&kind);
        let (outcome, message) = match &verdict {
            Verdict::Pass => ("pass", ""),
            Verdict::Unsupported(message) => ("unsupported", message.as_str()),
            Verdict::Fail(message) => ("fail", message.as_str()),
        };
        let elsewhere: Vec<Value> = fallbacks
            .iter()
            .map(|f: &Fallback| json!({ "op": f.op, "node": f.node, "reason": f.reason }))
            .collect();
        results.push(json!({
            "kind": kind, "name": name, "op": op, "outcome": outcome, "message": message, "fallbacks": elsewhere,
        }));
        bar.inc(1);
    }
    std::panic::set_hook(hook);
    bar.finish_and_clear();
    Ok(Outcome::done(format!("{:#}\n", json!({ "device": device.name(), "cases": results }))))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Name and folder of each case below `SUITE/KIND`, sorted.
fn cases(suite: &Path, filter: Option<&str>) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for kind in subfolders(suite)? {
        for dir in subfolders(&kind)? {
            let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kind = kind.file_name().unwrap_or_default().to_string_lossy();
            let fits = |glob: &str| fits(glob, &name) || fits(glob, &format!("{kind}/{name}"));
            if dir.join("model.onnx").is_file() && filter.is_none_or(fits) {
                found.push((name, dir));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn subfolders(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(dir)
        .map_err(|error| Failure::new("io", format!("cannot read the folder {}: {error}", dir.display())))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(tail, &rest[at..]))
        }),
    }
}

fn settings(dir: &Path) -> Value {
    let text = std::fs::read_to_string(dir.join("tolerance.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn tolerance(settings: &Value) -> Tolerance {
    let number = |key: &str, default: f64| settings[key].as_f64().unwrap_or(default);
    Tolerance::new(number("rtol", DEFAULT_TOLERANCE.relative), number("atol", DEFAULT_TOLERANCE.absolute))
}

/// The suite's runner compares bfloat16 within two units of its precision at least, whatever the case states.
fn for_dtype(tolerance: Tolerance, expected: &Datum) -> Tolerance {
    match expected.as_tensor().map(|t| t.dtype()) {
        Some(DType::BF16) => Tolerance::new(tolerance.relative.max(2f64.powi(-6)), tolerance.absolute),
        _ => tolerance,
    }
}

/// Runs a case; what did not run on the device comes to `fallbacks`.
fn judge(
    dir: &Path,
    device: &Device,
    tolerance: Tolerance,
    fallbacks: &mut Vec<Fallback>,
) -> Result<Verdict, Verdict> {
    let model = load(&dir.join("model.onnx"), &LoadOptions::default())?;
    let mut session = Session::new(&model, device, Default::default());
    let mut sets: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    sets.retain(|path| path.is_dir());
    sets.sort();
    for set in sets {
        let names = describe_inputs(&model.graph).into_iter().map(|(name, _)| name);
        let types: Vec<&Type> = model.graph.inputs().iter().map(|id| model.graph.ty(*id)).collect();
        let inputs: Inputs = names.zip(data(&set, "input", &types)?).collect();
        let outputs = session.run(&inputs)?;
        let compiled = session.compile(&inputs)?;
        fallbacks.extend(compiled.report().fallbacks);
        let types: Vec<&Type> =
            compiled.graph.outputs().iter().map(|output| compiled.graph.ty(output.value)).collect();
        let expected = data(&set, "output", &types)?;
        if outputs.len() != expected.len() {
            return Err(Verdict::Fail(format!("{} outputs, expected {}", outputs.len(), expected.len())));
        }
        for ((name, actual), expected) in outputs.iter().zip(&expected) {
            let comparison = compare_data(actual, expected, for_dtype(tolerance, expected));
            if !comparison.same_type {
                let (actual, expected) = (actual.describe(), expected.describe());
                return Err(Verdict::Fail(format!("output {name} is {actual}, expected {expected}")));
            }
            if !comparison.agrees() {
                return Err(Verdict::Fail(format!("output {name}: {comparison}")));
            }
        }
    }
    Ok(Verdict::Pass)
}

/// The values `PREFIX_0.pb`, `PREFIX_1.pb`, .. of these types.
fn data(set: &Path, prefix: &str, types: &[&Type]) -> Result<Vec<Datum>, Verdict> {
    let files = (0..types.len()).map(|i| set.join(format!("{prefix}_{i}.pb")));
    files
        .zip(types)
        .take_while(|(path, _)| path.is_file())
        .map(|(path, ty)| {
            read_onnx_datum(&path, ty).map_err(|error| Verdict::Unsupported(format!("test data: {error}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn globs() {
        assert!(
            fits("test_add*", "test_add_bcast") && fits("*", "") && fits("*a*b", "xaxxb") && fits("ab", "ab")
        );
        assert!(!fits("test_add", "test_add_bcast") && !fits("a*b*c", "acb"));
    }
}
