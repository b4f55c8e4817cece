//! `cargo xtask shapes`: shape inference compared with that of the `onnx` package, on the backend suite and the real models.
//!
//! Both sides get the models without the types of inner values and outputs. Every value that both name is compared extent by extent. A value is *weaker* where the
//! `onnx` package knows a rank or an extent that Satura does not (all values of a model that Satura reads only together with values of inputs), *stronger* where it is the other way round, and a contradiction is always an error.

use crate::cmd::{at, build_satura, command, output, target};
use crate::conformance::suite;
use crate::flags::Flags;
use crate::{models, python};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The values that are known to be weaker, each with its reason.
const LIST: &str = "conformance/shapes.txt";

/// The result for one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Same,
    Stronger,
    Weaker,
    Contradiction,
}

pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let json = flags.value("json")?.map(PathBuf::from);
    let bless = flags.switch("bless")?;
    let binary = flags.value("satura")?.map(PathBuf::from);
    flags.finish()?;
    let satura = binary.map_or_else(|| build_satura(true), Ok)?;
    let suite = match suite::ready()? {
        Ok(suite) => suite,
        Err(why) => bail!("there is no suite: {why}"),
    };
    let mut found = committed(&satura, &suite)?;
    found.extend(compare(&satura, &models::ready()?, "models")?);
    if let Some(path) = json {
        let map: BTreeMap<String, String> = found
            .iter()
            .map(|f| (f.value.clone(), format!("{:?}: {}", f.verdict, f.shapes).to_lowercase()))
            .collect();
        std::fs::write(path, format!("{:#}\n", serde_json::json!(map)))?;
    }
    report(&found, bless, &|_| true)
}

/// The suite and the fixtures, for `cargo xtask test`; gives the reason where they cannot be judged.
pub(crate) fn check(satura: &Path) -> Result<Option<String>> {
    match suite::ready()? {
        Ok(suite) => {
            report(&committed(satura, &suite)?, false, &|line| !line.starts_with("models/")).map(|()| None)
        }
        Err(why) => Ok(Some(why)),
    }
}

/// What needs no download but the judge.
fn committed(satura: &Path, suite: &Path) -> Result<Vec<Finding>> {
    let mut found = compare(satura, suite, "suite")?;
    found.extend(compare(satura, &at("fixtures"), "fixtures")?);
    Ok(found)
}

struct Finding {
    /// `MODEL: VALUE`.
    value: String,
    verdict: Verdict,
    /// Both shapes, in words.
    shapes: String,
}

fn report(found: &[Finding], bless: bool, ran: &dyn Fn(&str) -> bool) -> Result<()> {
    let count = |verdict| found.iter().filter(|f| f.verdict == verdict).count();
    let weaker: Vec<String> = found
        .iter()
        .filter(|f| f.verdict == Verdict::Weaker)
        .map(|f| format!("{}: {}", f.value, f.shapes))
        .collect();
    println!(
        "{} values: {} as precise, {} stronger, {} weaker, {} contradictions",
        found.len(),
        count(Verdict::Same),
        count(Verdict::Stronger),
        weaker.len(),
        count(Verdict::Contradiction)
    );
    let contradictions: Vec<&Finding> =
        found.iter().filter(|f| f.verdict == Verdict::Contradiction).collect();
    for finding in &contradictions {
        println!("{}: {}", finding.value, finding.shapes);
    }
    ensure!(contradictions.is_empty(), "{} values contradict the onnx package", contradictions.len());
    if bless {
        let head = "# Values of which the onnx package knows more than Satura's shape inference. Written by `cargo xtask shapes --bless`.\n";
        let lines: String = weaker.iter().map(|line| format!("{line}\n")).collect();
        return std::fs::write(at(LIST), format!("{head}{lines}"))
            .with_context(|| format!("cannot write {LIST}"));
    }
    let text = std::fs::read_to_string(at(LIST)).unwrap_or_default();
    let known: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && ran(line)).collect();
    let new: Vec<&String> = weaker.iter().filter(|line| !known.contains(&line.as_str())).collect();
    let gone: Vec<&&str> = known.iter().filter(|line| !weaker.iter().any(|w| w == **line)).collect();
    new.iter().for_each(|line| println!("weaker, and not in {LIST}: {line}"));
    gone.iter().for_each(|line| println!("not weaker any more: {line}"));
    ensure!(
        new.is_empty() && gone.is_empty(),
        "{LIST} is out of date: `cargo xtask shapes --bless` takes this over"
    );
    Ok(())
}

/// The values of all models below a folder.
fn compare(satura: &Path, root: &Path, name: &str) -> Result<Vec<Finding>> {
    let out = target().join("shapes").join(name);
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let mut models = Vec::new();
    collect(root, root, &mut models)?;
    models.sort();
    let mut script = python::script("infer_shapes.py")?;
    feed(script.arg(&out).arg(root), &models.join("\n"))?;
    let expected = std::fs::read_to_string(out.join("expected.json"))?;
    let expected: BTreeMap<String, BTreeMap<String, Option<Vec<Option<i64>>>>> =
        serde_json::from_str(&expected)?;
    let mut found = Vec::new();
    let (mut unread, mut unnamed) = (0, 0);
    for (model, values) in &expected {
        let read = inferred(satura, &out.join(model))?;
        unread += usize::from(read.is_none());
        for (value, theirs) in values {
            let own = match &read {
                None => &None,
                Some(own) => match own.get(value) {
                    Some(own) => own,
                    None => {
                        unnamed += 1;
                        continue;
                    }
                },
            };
            let verdict = judge(own.as_deref(), theirs.as_deref());
            let own = match read {
                Some(_) => shown(own.as_deref()),
                None => "does not read it without values of inputs".to_owned(),
            };
            let shapes = format!("onnx {}, Satura {own}", shown(theirs.as_deref()));
            found.push(Finding { value: format!("{name}/{model}: {value}"), verdict, shapes });
        }
    }
    println!(
        "{name}: {} models; {unread} that Satura does not read without values of inputs, {unnamed} values that it does not keep",
        expected.len()
    );
    Ok(found)
}

/// Paths of models below `root`.
fn collect(root: &Path, dir: &Path, models: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, models)?;
        } else if path.extension().is_some_and(|e| e == "onnx") {
            models.push(path.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(())
}

/// Runs a command with `text` on its input.
fn feed(command: &mut Command, text: &str) -> Result<()> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(text.as_bytes())?;
    let status = child.wait()?;
    ensure!(status.success(), "the script failed: {status}");
    Ok(())
}

/// The shapes of what a model names; `None` where it is not read.
fn inferred(satura: &Path, model: &Path) -> Result<Option<BTreeMap<String, Option<Vec<Option<i64>>>>>> {
    let mut inspect = command(satura, &["inspect", "--json", "--values"]);
    let Ok(text) = output(inspect.arg(model).stderr(Stdio::null())) else { return Ok(None) };
    let summary: Value = serde_json::from_str(&text)?;
    let list = |key: &str| summary[key].as_array().cloned().unwrap_or_default();
    let entries = list("values").into_iter().chain(list("outputs"));
    let extents =
        |value: &Value| value["shape"].as_array().map(|dims| dims.iter().map(Value::as_i64).collect());
    Ok(Some(entries.filter_map(|v| Some((v["name"].as_str()?.to_owned(), extents(&v)))).collect()))
}

fn judge(own: Option<&[Option<i64>]>, theirs: Option<&[Option<i64>]>) -> Verdict {
    let (own, theirs) = match (own, theirs) {
        (None, None) => return Verdict::Same,
        (None, Some(_)) => return Verdict::Weaker,
        (Some(_), None) => return Verdict::Stronger,
        (Some(own), Some(theirs)) => (own, theirs),
    };
    if own.len() != theirs.len() {
        return Verdict::Contradiction;
    }
    let of = |(own, theirs): (&Option<i64>, &Option<i64>)| match (own, theirs) {
        (Some(a), Some(b)) if a != b => Verdict::Contradiction,
        (Some(_), None) => Verdict::Stronger,
        (None, Some(_)) => Verdict::Weaker,
        _ => Verdict::Same,
    };
    own.iter().zip(theirs).map(of).max().unwrap_or(Verdict::Same)
}

fn shown(shape: Option<&[Option<i64>]>) -> String {
    let Some(shape) = shape else { return "[*]".to_owned() };
    let dims: Vec<String> = shape.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};

    #[test]
    fn verdicts() {
        assert_eq!(judge(Some(&[Some(2), None]), Some(&[Some(2), None])), Verdict::Same);
        assert_eq!(judge(Some(&[Some(2), Some(3)]), Some(&[Some(2), None])), Verdict::Stronger);
        assert_eq!(judge(Some(&[Some(2), None]), Some(&[None, Some(3)])), Verdict::Weaker);
        assert_eq!(judge(Some(&[Some(2)]), Some(&[Some(3)])), Verdict::Contradiction);
        assert_eq!(judge(Some(&[]), Some(&[Some(3)])), Verdict::Contradiction);
        assert_eq!(judge(None, Some(&[])), Verdict::Weaker);
        assert_eq!(judge(Some(&[]), None), Verdict::Stronger);
    }
}
