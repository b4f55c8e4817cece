//! What the `satura` binary says about each case, and its summary.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The right results, every numeric node on the device.
    Pass,
    /// The right results, but nodes ran on the host: which, and why.
    Host(String),
    /// Refused, or beyond what is implemented: why.
    Skip(String),
    /// Wrong results, or a failure.
    Fail(String),
}

impl Outcome {
    /// The outcome from its name in lists.
    pub(super) fn from_kind(kind: &str, why: &str) -> Option<Outcome> {
        match kind {
            "pass" => Some(Outcome::Pass),
            "host" => Some(Outcome::Host(why.to_owned())),
            "skip" => Some(Outcome::Skip(why.to_owned())),
            "fail" => Some(Outcome::Fail(why.to_owned())),
            _ => None,
        }
    }

    /// The name in lists.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Host(_) => "host",
            Outcome::Skip(_) => "skip",
            Outcome::Fail(_) => "fail",
        }
    }

    /// The reason; empty for a pass.
    pub(crate) fn why(&self) -> &str {
        match self {
            Outcome::Pass => "",
            Outcome::Host(why) | Outcome::Skip(why) | Outcome::Fail(why) => why,
        }
    }

    /// As `--json` writes it: a case that needed the host does not count as passed.
    pub(crate) fn json(&self) -> String {
        match self {
            Outcome::Pass => "pass".to_owned(),
            Outcome::Host(why) => format!("skip: on the host: {why}"),
            Outcome::Skip(why) => format!("skip: {why}"),
            Outcome::Fail(why) => format!("fail: {why}"),
        }
    }
}

/// One case that ran.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// `KIND/NAME`.
    pub(crate) id: String,
    /// The operator under test, or the kind where several work together.
    pub(crate) op: String,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// Reads what `satura conformance` printed.
pub(super) fn parse(text: &str, device: &str) -> Result<Vec<Case>> {
    let results: Value = serde_json::from_str(text).context("`satura conformance` printed no JSON")?;
    let cases = results["cases"].as_array().context("`satura conformance` printed no cases")?;
    cases.iter().map(|value| case(value, device)).collect()
}

fn case(value: &Value, device: &str) -> Result<Case> {
    let text = |key: &str| value[key].as_str().with_context(|| format!("a case without {key:?}"));
    let id = format!("{}/{}", text("kind")?, text("name")?);
    let why = reason(text("message")?, &id);
    let hosts = fallbacks(value);
    let outcome = match text("outcome")? {
        // The CPU is its own host: there, a fallback is a slower kernel on the same device.
        "pass" if hosts.is_empty() || device != "gpu" => Outcome::Pass,
        "pass" => Outcome::Host(one_line(&hosts.into_iter().collect::<Vec<_>>().join("; "))),
        "fail" => Outcome::Fail(why),
        _ => Outcome::Skip(why),
    };
    Ok(Case { id, op: text("op")?.to_owned(), outcome })
}

/// What ran on the host, and why, each once.
fn fallbacks(case: &Value) -> BTreeSet<String> {
    let list = case["fallbacks"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("?").to_owned();
    list.iter().map(|f| format!("{} ({})", text(f, "op"), text(f, "reason"))).collect()
}

/// What a message says, without what to do about it, and without the path, which the case's name stands for.
pub(crate) fn reason(message: &str, id: &str) -> String {
    let says = message.split("\n  help:").next().unwrap_or_default();
    match says.split_once(&format!("{id}/model.onnx: ")) {
        Some((head, tail)) => {
            let code = head.rsplit_once(' ').map_or("", |(code, _)| code);
            one_line(&format!("{code} {tail}"))
        }
        None => one_line(says),
    }
}

/// The first 240 characters as one line.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(240) {
        Some((at, _)) => format!("{}..", &line[..at]),
        None => line,
    }
}

/// `{"KIND/NAME": "pass" | "fail: why" | "skip: why"}`.
pub(super) fn to_json(cases: &[Case]) -> String {
    let map: BTreeMap<&str, String> = cases.iter().map(|c| (c.id.as_str(), c.outcome.json())).collect();
    format!("{:#}\n", serde_json::json!(map))
}

/// Numbers of cases that pass, pass with help from the host, fail, and are skipped.
pub(crate) type Counts = [usize; 4];

/// Counts by operator.
pub(super) fn counts(cases: &[Case]) -> BTreeMap<String, Counts> {
    let mut by_op: BTreeMap<String, Counts> = BTreeMap::new();
    for case in cases {
        let column = match case.outcome {
            Outcome::Pass => 0,
            Outcome::Host(_) => 1,
            Outcome::Fail(_) => 2,
            Outcome::Skip(_) => 3,
        };
        by_op.entry(case.op.clone()).or_default()[column] += 1;
    }
    by_op
}

/// Counts by operator as a table. The columns are pass, host, fail, skip.
pub(super) fn summary(cases: &[Case]) -> String {
    let by_op = counts(cases);
    let total = by_op.values().fold([0; 4], |t: Counts, c| std::array::from_fn(|i| t[i] + c[i]));
    let line = |name: &str, counts: [String; 4]| {
        let [pass, host, fail, skip] = counts;
        format!("{name:<34} {pass:>5} {host:>5} {fail:>5} {skip:>5}\n")
    };
    let shown = |counts: [usize; 4]| counts.map(|n| if n == 0 { ".".to_owned() } else { n.to_string() });
    let mut text = line("operator", ["pass", "host", "fail", "skip"].map(str::to_owned));
    for (op, counts) in &by_op {
        text.push_str(&line(op, shown(*counts)));
    }
    text.push_str(&line("all", total.map(|n| n.to_string())));
    text
}
