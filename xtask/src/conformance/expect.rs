//! The lists of what does not pass, one file in `conformance/` for each device and one for the writer: what is expected, so that any other outcome is a finding.

use super::results::{Case, Outcome};
use crate::cmd::at;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Cases whose recorded outputs cannot be judged by, with the reason; a difference from them is a skip.
const REASONS: &str = "conformance/reasons.txt";

/// The path of a list.
fn path(list: &str) -> PathBuf {
    at("conformance").join(format!("{list}.txt"))
}

/// The expected outcomes other than a pass, by case.
pub(crate) fn read(list: &str) -> Result<BTreeMap<String, Outcome>> {
    let path = path(list);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    parse(&text).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> Result<BTreeMap<String, Outcome>> {
    let mut expected = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once(' ').and_then(|(kind, rest)| Some((kind, rest.split_once(": ")?)));
        let outcome = parts.and_then(|(kind, (_, why))| Outcome::from_kind(kind, why));
        let (Some((_, (id, _))), Some(outcome)) = (parts, outcome) else {
            bail!("line {}: `fail|skip|host KIND/NAME: why` is expected: {line}", number + 1);
        };
        if expected.insert(id.to_owned(), outcome).is_some() {
            bail!("line {}: {id} is named twice", number + 1);
        }
    }
    Ok(expected)
}

/// What differs from the list, one line each. Cases that did not run are not judged, unless `all` did.
pub(crate) fn differences(expected: &BTreeMap<String, Outcome>, cases: &[Case], all: bool) -> Vec<String> {
    let mut found = Vec::new();
    for case in cases {
        let wanted = expected.get(&case.id).map_or("pass", Outcome::kind);
        let kind = case.outcome.kind();
        if kind != wanted {
            let why = case.outcome.why();
            let colon = if why.is_empty() { "" } else { ": " };
            found.push(format!("{}: expected {wanted}, got {kind}{colon}{why}", case.id));
        }
    }
    if all {
        let ran = |id: &String| cases.iter().any(|case| case.id == *id);
        let gone = expected.keys().filter(|id| !ran(id));
        found.extend(gone.map(|id| format!("{id}: the list names it, the suite does not have it")));
    }
    found
}

/// Writes the list anew, below `head`. Lines of cases that did not run are kept.
pub(crate) fn bless(list: &str, head: &str, cases: &[Case], all: bool) -> Result<PathBuf> {
    let mut lines = if all { BTreeMap::new() } else { read(list)? };
    for case in cases {
        match &case.outcome {
            Outcome::Pass => lines.remove(&case.id),
            outcome => lines.insert(case.id.clone(), outcome.clone()),
        };
    }
    let mut text = head.to_owned();
    for (id, outcome) in &lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {id}: {}", outcome.kind(), outcome.why());
    }
    let path = path(list);
    std::fs::create_dir_all(at("conformance"))?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Turns failures of cases that [`REASONS`] names into skips with its reason.
pub(super) fn excuse(cases: &mut [Case]) -> Result<()> {
    let reasons = reasons()?;
    for case in cases.iter_mut().filter(|case| matches!(case.outcome, Outcome::Fail(_))) {
        if let Some((_, why)) = reasons.iter().find(|(glob, _)| fits(glob, &case.id)) {
            case.outcome = Outcome::Skip(why.clone());
        }
    }
    Ok(())
}

/// Patterns and reasons of [`REASONS`], in order.
fn reasons() -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(at(REASONS)).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (glob, why) =
                line.split_once(": ").with_context(|| format!("{REASONS}: no `: ` in {line}"))?;
            Ok((glob.to_owned(), why.to_owned()))
        })
        .collect()
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
    use super::*;

    fn case(id: &str, outcome: Outcome) -> Case {
        Case { id: id.to_owned(), op: "Op".to_owned(), outcome }
    }

    #[test]
    fn any_other_outcome_is_a_finding() {
        let expected =
            parse("# about\nskip node/a: no such op: Foo\nfail node/b: wrong\nhost node/gone: x\n");
        let expected = expected.expect("well-formed");
        assert_eq!(expected["node/a"].why(), "no such op: Foo");
        let cases = [
            case("node/a", Outcome::Skip("another reason".to_owned())),
            case("node/b", Outcome::Pass),
            case("node/c", Outcome::Fail("1 beyond".to_owned())),
            case("node/d", Outcome::Pass),
        ];
        let partial = differences(&expected, &cases, false);
        assert_eq!(partial, ["node/b: expected fail, got pass", "node/c: expected pass, got fail: 1 beyond"]);
        let whole = differences(&expected, &cases, true);
        assert_eq!(whole[2..], ["node/gone: the list names it, the suite does not have it"]);
    }

    #[test]
    fn lists_are_checked() {
        assert!(parse("maybe node/a: why\n").is_err());
        assert!(parse("skip node/a\n").is_err());
        assert!(parse("skip node/a: x\nskip node/a: y\n").is_err());
    }

    #[test]
    fn patterns() {
        assert!(
            fits("node/test_a*", "node/test_ab") && fits("*/b*", "node/bc") && !fits("node/a", "node/ab")
        );
    }
}
