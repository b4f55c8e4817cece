//! The lists of what does not pass, one file in `conformance/` for each device and one for the writer: what is expected, so that any other outcome is a finding.

use super::results::{Case, Outcome};
use crate::cmd::at;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Cases whose recorded outputs cannot be judged by, with the most that a right result differs from them, and the reason; a difference up to that is a skip.
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

/// A line of [`REASONS`].
struct Excuse {
    /// How the names of the cases begin.
    cases: String,
    /// The greatest absolute difference that is excused.
    most: f64,
    why: String,
}

impl Excuse {
    /// Reads `CASES* up to NUMBER: why`.
    fn parse(line: &str) -> Option<Excuse> {
        let (what, why) = line.split_once(": ")?;
        let (cases, most) = what.split_once("* up to ")?;
        Some(Excuse { cases: cases.to_owned(), most: most.parse().ok()?, why: why.to_owned() })
    }

    /// Whether the failure of a case is one of numbers, and small enough.
    fn covers(&self, id: &str, message: &str) -> bool {
        let number =
            message.split_once("max abs ").and_then(|(_, rest)| rest.split(',').next()?.parse::<f64>().ok());
        id.starts_with(&self.cases) && number.is_some_and(|number| number <= self.most)
    }
}

/// Turns failures that [`REASONS`] covers into skips with its reason.
pub(super) fn excuse(cases: &mut [Case]) -> Result<()> {
    let text = std::fs::read_to_string(at(REASONS)).with_context(|| format!("cannot read {REASONS}"))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let excuses = lines
        .map(|line| {
            Excuse::parse(line)
                .with_context(|| format!("{REASONS}: `CASES* up to NUMBER: why` is expected: {line}"))
        })
        .collect::<Result<Vec<_>>>()?;
    for case in cases {
        if let Outcome::Fail(message) = &case.outcome
            && let Some(excuse) = excuses.iter().find(|excuse| excuse.covers(&case.id, message))
        {
            case.outcome = Outcome::Skip(excuse.why.clone());
        }
    }
    Ok(())
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
    fn only_small_differences_of_numbers_are_excused() {
        let excuse = Excuse::parse("node/test_a* up to 2: another decoder").expect("well-formed");
        let message = |most: &str| format!("output y: max abs {most}, max rel 1.000e0, 3 beyond tolerance");
        assert!(excuse.covers("node/test_ab", &message("2.000e0")));
        assert!(
            !excuse.covers("node/test_ab", &message("3.000e0"))
                && !excuse.covers("node/test_b", &message("0.000e0"))
        );
        assert!(
            !excuse.covers("node/test_ab", &message("NaN"))
                && !excuse.covers("node/test_ab", "panic: index out of bounds")
        );
        assert!(Excuse::parse("node/test_a*: why").is_none());
    }
}
