//! The ONNX backend suite as folders `KIND/CASE/model.onnx`, and what `conformance` and `roundtrip` do with each case.

use crate::progress::steps;
use crate::report::Failure;
use satura::ir::{Datum, Graph, Type};
use satura::tensor::{DType, Tolerance};
use satura::{Error, Inputs, describe_inputs, read_onnx_datum};
use serde_json::{Map, Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The tolerance of the suite's own runner, for cases that do not state one.
const DEFAULT_TOLERANCE: Tolerance = Tolerance::new(1e-3, 1e-7);

/// Codes that mean: valid, but beyond what is implemented.
const UNSUPPORTED: &[&str] =
    &["unsupported-op", "unsupported", "not-constant", "version", "unwritable-op", "unwritable-graph"];

/// What became of a case.
pub(super) enum Verdict {
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

/// One case.
pub(super) struct Case {
    /// What the suite sorts it under: `node`, `simple`, ..
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    dir: PathBuf,
    /// The content of `tolerance.json`.
    settings: Value,
}

impl Case {
    fn open(dir: PathBuf) -> Case {
        let text = std::fs::read_to_string(dir.join("tolerance.json")).unwrap_or_default();
        let last = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Case {
            kind: dir.parent().map(last).unwrap_or_default(),
            name: last(&dir),
            settings: serde_json::from_str(&text).unwrap_or(Value::Null),
            dir,
        }
    }

    /// The model's file.
    pub(super) fn model(&self) -> PathBuf {
        self.dir.join("model.onnx")
    }

    /// The folders with inputs and outputs, sorted. Without any there is nothing to judge by, which is a failure.
    pub(super) fn sets(&self) -> Result<Vec<PathBuf>, Verdict> {
        let mut sets = subfolders(&self.dir).unwrap_or_default();
        sets.sort();
        if sets.is_empty() {
            return Err(Verdict::Fail("the case has no inputs and outputs".to_owned()));
        }
        Ok(sets)
    }

    /// The tolerance for an output. The suite's runner compares bfloat16 within two units of its precision at least, whatever the case states.
    pub(super) fn tolerance(&self, expected: &Datum) -> Tolerance {
        let number = |key: &str, default: f64| self.settings[key].as_f64().unwrap_or(default);
        let relative = number("rtol", DEFAULT_TOLERANCE.relative);
        let absolute = number("atol", DEFAULT_TOLERANCE.absolute);
        match expected.as_tensor().map(|t| t.dtype()) {
            Some(DType::BF16) => Tolerance::new(relative.max(2f64.powi(-6)), absolute),
            _ => Tolerance::new(relative, absolute),
        }
    }
}

/// The inputs of a graph from a folder.
pub(super) fn inputs(set: &Path, graph: &Graph) -> Result<Inputs, Verdict> {
    let names = describe_inputs(graph).into_iter().map(|(name, _)| name);
    let types: Vec<&Type> = graph.inputs().iter().map(|id| graph.ty(*id)).collect();
    Ok(names.zip(data(set, "input", &types)?).collect())
}

/// The expected outputs of a graph from a folder.
pub(super) fn outputs(set: &Path, graph: &Graph) -> Result<Vec<Datum>, Verdict> {
    let types: Vec<&Type> = graph.outputs().iter().map(|output| graph.ty(output.value)).collect();
    data(set, "output", &types)
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

/// Judges every case whose name fits and gives what became of it as JSON: kind, name, op, outcome, message, and what `judge` adds. A panic is a failed case.
pub(super) fn judge_all(
    suite: &Path,
    filter: Option<&str>,
    mut judge: impl FnMut(&Case, &mut Map<String, Value>) -> Result<(), Verdict>,
) -> Result<Vec<Value>, Failure> {
    let cases = cases(suite, filter)?;
    let bar = steps("cases", cases.len() as u64);
    // The message of a panic is caught below and must not fill the screen.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut results = Vec::new();
    for case in &cases {
        let mut result = Map::new();
        let judged = catch_unwind(AssertUnwindSafe(|| judge(case, &mut result)));
        let verdict = match judged {
            Ok(Ok(())) => Verdict::Pass,
            Ok(Err(verdict)) => verdict,
            Err(panic) => Verdict::Fail(format!("panic: {}", panic_message(&*panic))),
        };
        let (outcome, message) = match &verdict {
            Verdict::Pass => ("pass", ""),
            Verdict::Unsupported(message) => ("unsupported", message.as_str()),
            Verdict::Fail(message) => ("fail", message.as_str()),
        };
        let op = case.settings["op"].as_str().unwrap_or(&case.kind);
        for (key, value) in [
            ("kind", &*case.kind),
            ("name", &case.name),
            ("op", op),
            ("outcome", outcome),
            ("message", message),
        ] {
            result.insert(key.to_owned(), json!(value));
        }
        results.push(Value::Object(result));
        bar.inc(1);
    }
    std::panic::set_hook(hook);
    bar.finish_and_clear();
    Ok(results)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The cases below `SUITE/KIND` that fit, sorted by name.
fn cases(suite: &Path, filter: Option<&str>) -> Result<Vec<Case>, Failure> {
    let mut found = Vec::new();
    for kind in subfolders(suite)? {
        found.extend(subfolders(&kind)?.into_iter().filter(|dir| dir.join("model.onnx").is_file()));
    }
    let mut found: Vec<Case> = found.into_iter().map(Case::open).collect();
    let fits_name =
        |glob, case: &Case| fits(glob, &case.name) || fits(glob, &format!("{}/{}", case.kind, case.name));
    found.retain(|case| filter.is_none_or(|glob| fits_name(glob, case)));
    found.sort_by(|a, b| (&a.name, &a.dir).cmp(&(&b.name, &b.dir)));
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
