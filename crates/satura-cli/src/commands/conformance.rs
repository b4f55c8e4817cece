//! `satura conformance`: the ONNX backend suite from folders, in one process. For `cargo xtask conformance`.

use super::open;
use crate::args::ConformanceArgs;
use crate::progress::steps;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::tensor::{Tensor, Tolerance, compare};
use satura::{Device, Error, Inputs, LoadOptions, Session, describe_inputs, load, read_onnx_tensor};
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
        let verdict = catch_unwind(AssertUnwindSafe(|| judge(dir, &device, tolerance(&settings))))
            .unwrap_or_else(|panic| Verdict::Fail(format!("panic: {}", panic_message(&*panic))));
        let kind = dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let op = settings["op"].as_str().unwrap_or(&kind);
        let (outcome, message) = match &verdict {
            Verdict::Pass => ("pass", ""),
            Verdict::Unsupported(message) => ("unsupported", message.as_str()),
            Verdict::Fail(message) => ("fail", message.as_str()),
        };
        results.push(json!({ "name": name, "op": op, "outcome": outcome, "message": message }));
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
            if dir.join("model.onnx").is_file() && filter.is_none_or(|glob| fits(glob, &name)) {
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

fn judge(dir: &Path, device: &Device, tolerance: Tolerance) -> Verdict {
    let model = match load(&dir.join("model.onnx"), &LoadOptions::default()) {
        Ok(model) => model,
        Err(error) => return error.into(),
    };
    let mut session = Session::new(&model, device, Default::default());
    let mut sets: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    sets.retain(|path| path.is_dir());
    sets.sort();
    for set in sets {
        let (inputs, expected) = match (tensors(&set, "input"), tensors(&set, "output")) {
            (Ok(inputs), Ok(expected)) => (inputs, expected),
            (Err(error), _) | (_, Err(error)) => return Verdict::Unsupported(format!("test data: {error}")),
        };
        let names = describe_inputs(&model.graph).into_iter().map(|(name, _)| name);
        let inputs: Inputs = names.zip(inputs).collect();
        let outputs = match session.run(&inputs) {
            Ok(outputs) => outputs,
            Err(error) => return error.into(),
        };
        if outputs.len() != expected.len() {
            return Verdict::Fail(format!("{} outputs, expected {}", outputs.len(), expected.len()));
        }
        for ((name, actual), expected) in outputs.iter().zip(&expected) {
            let comparison = compare(actual, expected, tolerance);
            if !comparison.same_type {
                let ty = |t: &Tensor| satura::ir::Type::of(t.dtype(), t.shape());
                return Verdict::Fail(format!("output {name} is {}, expected {}", ty(actual), ty(expected)));
            }
            if !comparison.agrees() {
                return Verdict::Fail(format!("output {name}: {comparison}"));
            }
        }
    }
    Verdict::Pass
}

/// The tensors `PREFIX_0.pb`, `PREFIX_1.pb`, ..
fn tensors(set: &Path, prefix: &str) -> Result<Vec<Tensor>, Error> {
    (0..)
        .map(|i| set.join(format!("{prefix}_{i}.pb")))
        .take_while(|path| path.is_file())
        .map(|path| read_onnx_tensor(&path))
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
