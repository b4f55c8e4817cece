//! `cargo xtask roundtrip`: what is left of each case of the ONNX backend suite after it was read, written, and read again.
//!
//! The `satura` binary runs both readings, on the reference evaluator where they are no whole architectures, and compares. Then the `onnx` package checks the written models, shape inference included, and onnxruntime runs
//! them beside the originals. A case passes if nobody objects; where a judge does not get through with the original it says nothing.

use crate::cmd::{build_satura, command, output, target};
use crate::conformance::results::{Case, Outcome, reason};
use crate::conformance::{expect, suite};
use crate::flags::Flags;
use crate::python;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The list of what does not pass: `conformance/roundtrip.txt`.
const LIST: &str = "roundtrip";

const HEAD: &str = "# The cases of the ONNX backend suite that do not come back from writing and reading again, each with its reason.\n\
    # fail: wrong or broken. skip: it is not read, or the operator set cannot say it.\n\
    # Written by `cargo xtask roundtrip --bless`.\n";

/// What the judges say of a written model, by case.
type Verdicts = BTreeMap<String, BTreeMap<String, String>>;

pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let suite = flags.value("suite")?.map(PathBuf::from);
    let opset = flags.value("opset")?;
    let json = flags.value("json")?.map(PathBuf::from);
    let filter = flags.value("filter")?;
    let bless = flags.switch("bless")?;
    let binary = flags.value("satura")?.map(PathBuf::from);
    flags.finish()?;
    if bless && (opset.is_some() || std::env::var_os("CI").is_some()) {
        bail!(
            "--bless is refused where CI is set, since it changes the repository, and beside --opset, which the list is not about"
        );
    }
    let satura = binary.map_or_else(|| build_satura(true), Ok)?;
    let suite = match suite.map_or_else(suite::ready, |dir| Ok(Ok(dir)))? {
        Ok(suite) => suite,
        Err(why) => {
            println!("skipped: there is no suite: {why}");
            return Ok(());
        }
    };
    let written = Written::new(&satura, &suite, opset.as_deref(), filter.as_deref())?;
    let cases = written.cases();
    if let Some(path) = json {
        std::fs::write(path, written.to_json(&cases))?;
    }
    print!("{}", written.summary(&cases));
    if bless {
        println!("written: {}", expect::bless(LIST, HEAD, &cases, filter.is_none())?.display());
        return Ok(());
    }
    if opset.is_some() {
        // The list says what other operator sets cannot say, but what is wrong is wrong at each.
        let known = expect::read(LIST)?;
        let is_new = |case: &&Case| {
            case.outcome.kind() == "fail" && known.get(&case.id).is_none_or(|o| o.kind() != "fail")
        };
        let failed: Vec<&Case> = cases.iter().filter(is_new).collect();
        failed.iter().for_each(|case| println!("{}: {}", case.id, case.outcome.why()));
        ensure!(failed.is_empty(), "{} cases fail", failed.len());
        return Ok(());
    }
    judge(&cases, filter.is_none())
}

/// The whole suite, for `cargo xtask test`; gives the reason where it cannot run.
pub(crate) fn check(satura: &Path) -> Result<Option<String>> {
    let suite = match suite::ready()? {
        Ok(suite) => suite,
        Err(why) => return Ok(Some(why)),
    };
    let written = Written::new(satura, &suite, None, None)?;
    let cases = written.cases();
    print!("{}", written.summary(&cases));
    judge(&cases, true).map(|()| None)
}

fn judge(cases: &[Case], all: bool) -> Result<()> {
    let differences = expect::differences(&expect::read(LIST)?, cases, all);
    differences.iter().for_each(|difference| println!("{difference}"));
    ensure!(
        differences.is_empty(),
        "{} outcomes differ from conformance/{LIST}.txt; `cargo xtask roundtrip --bless` takes them over",
        differences.len()
    );
    Ok(())
}

/// The written models, and what was found out about them.
struct Written {
    /// The folder they are in.
    folder: PathBuf,
    /// What `satura roundtrip` printed for each case.
    results: Vec<Value>,
    verdicts: Verdicts,
}

impl Written {
    fn new(satura: &Path, suite: &Path, opset: Option<&str>, filter: Option<&str>) -> Result<Written> {
        let folder = target().join("roundtrip");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let mut batch = command(satura, &["roundtrip"]);
        batch.arg(suite).arg("--output").arg(&folder);
        for (flag, value) in [("--opset", opset), ("--filter", filter)] {
            batch.args(value.map(|value| [flag, value]).into_iter().flatten());
        }
        let text = output(&mut batch)?;
        let mut printed: Value = serde_json::from_str(&text).context("`satura roundtrip` printed no JSON")?;
        let Value::Array(results) = printed["cases"].take() else {
            bail!("`satura roundtrip` printed no cases")
        };
        ensure!(!results.is_empty(), "no case of the suite matches");
        let files = |case: &Value| {
            let dir = suite.join(case["kind"].as_str()?).join(case["name"].as_str()?);
            Some(json!({ "id": id(case), "folder": dir, "written": case["file"].as_str()? }))
        };
        let list = folder.join("cases.json");
        std::fs::write(&list, json!(results.iter().filter_map(files).collect::<Vec<_>>()).to_string())?;
        let text = output(python::script("judge_written.py")?.arg(&list))?;
        let verdicts = serde_json::from_str(&text).context("judge_written.py printed no JSON")?;
        Ok(Written { folder, results, verdicts })
    }

    /// What a judge says of a case; empty where nothing was written.
    fn says(&self, id: &str, judge: &str) -> &str {
        self.verdicts.get(id).and_then(|verdicts| verdicts.get(judge)).map_or("", String::as_str)
    }

    fn cases(&self) -> Vec<Case> {
        self.results.iter().map(|result| self.case(result)).collect()
    }

    fn case(&self, result: &Value) -> Case {
        let id = id(result);
        let message = result["message"].as_str().unwrap_or_default();
        let objection = ["checker", "onnxruntime"]
            .into_iter()
            .find_map(|judge| Some(format!("{judge}: {}", self.says(&id, judge).strip_prefix("fail: ")?)));
        let here = format!("{}/", self.folder.display());
        let outcome = match (result["outcome"].as_str(), objection) {
            (Some("pass"), None) => Outcome::Pass,
            (Some("pass"), Some(why)) => Outcome::Fail(reason(&why.replace(&here, ""), &id)),
            (Some("unsupported"), _) => Outcome::Skip(reason(message, &id)),
            _ => Outcome::Fail(reason(&message.replace(&here, ""), &id)),
        };
        Case { op: result["op"].as_str().unwrap_or_default().to_owned(), id, outcome }
    }

    /// `{"KIND/NAME": {"outcome", "exact", "expanded", "fixed", "checker", "onnxruntime"}}`.
    fn to_json(&self, cases: &[Case]) -> String {
        let of = |(case, result): (&Case, &Value)| {
            let object = json!({
                "outcome": case.outcome.json(),
                "exact": result["exact"],
                "expanded": result["expanded"],
                "fixed": result["fixed"],
                "checker": self.says(&case.id, "checker"),
                "onnxruntime": self.says(&case.id, "onnxruntime"),
            });
            (case.id.clone(), object)
        };
        let map: BTreeMap<String, Value> = cases.iter().zip(&self.results).map(of).collect();
        format!("{:#}\n", json!(map))
    }

    fn summary(&self, cases: &[Case]) -> String {
        let outcomes = |kind: &str| cases.iter().filter(|case| case.outcome.kind() == kind).count();
        let exact = |wanted| self.results.iter().filter(|result| result["exact"] == json!(wanted)).count();
        let said = |judge: &str, what: &str| {
            cases.iter().filter(|case| self.says(&case.id, judge).split(':').next() == Some(what)).count()
        };
        let fixed = |result: &&Value| result["fixed"].as_array().is_some_and(|names| !names.is_empty());
        format!(
            "{} cases: {} pass, {} fail, {} skipped; {} models were written with values of inputs as constants\n\
             second reading: {} the same bit for bit, {} with ops in terms of others within the tolerance of the case\n\
             onnx.checker: accepts {}, refuses {}, refuses the original too {}\n\
             onnxruntime: {} the same bit for bit, {} within the tolerance, {} the same without its optimisations, {} fail, {} where the original does not pass\n",
            cases.len(),
            outcomes("pass"),
            outcomes("fail"),
            outcomes("skip"),
            self.results.iter().filter(fixed).count(),
            exact(true),
            exact(false),
            said("checker", "same"),
            said("checker", "fail"),
            said("checker", "unjudged"),
            said("onnxruntime", "same"),
            said("onnxruntime", "close"),
            said("onnxruntime", "unoptimised"),
            said("onnxruntime", "fail"),
            said("onnxruntime", "unjudged"),
        )
    }
}

/// `KIND/NAME`.
fn id(result: &Value) -> String {
    let text = |key: &str| result[key].as_str().unwrap_or_default();
    format!("{}/{}", text("kind"), text("name"))
}
