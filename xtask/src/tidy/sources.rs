//! Rules about single files: a doc comment at the top, a bound on the length, words that must not stay, and generated text that is fresh.

use crate::cmd::{at, files};
use anyhow::Result;

/// Lines that a source file may have. A file with two subjects is split long before.
const MAX_LINES: usize = 900;

/// Parts of code that must not be committed. In pieces, so that this file does not break its own rule.
const FORBIDDEN: &[&str] =
    &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore"), concat!("dbg", "!(")];

/// Checks every tracked Rust file, and that every fixture folder is described.
pub(super) fn check(problems: &mut Vec<String>) -> Result<()> {
    for path in files(".")?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(at(&path))?;
        source(&path.display().to_string(), &text, problems);
    }
    Ok(())
}

fn source(path: &str, text: &str, problems: &mut Vec<String>) {
    if !text.starts_with("//!") {
        problems
            .push(format!("{path}: the file does not begin with a `//!` comment that says what it is for"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        problems.push(format!("{path}: {lines} lines, more than {MAX_LINES}"));
    }
    for word in FORBIDDEN {
        if let Some(at) = text.find(word) {
            let line = text[..at].lines().count().max(1);
            problems.push(format!("{path}:{line}: `{word}` must not stay"));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_rule_is_found() {
        let mut problems = Vec::new();
        super::source("good.rs", "//! Fine.\nfn f() {}\n", &mut problems);
        assert!(problems.is_empty());
        let long = format!("use std;\n{}    {}x)\n", "\n".repeat(900), super::FORBIDDEN[0]);
        super::source("bad.rs", &long, &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[2].starts_with("bad.rs:902:"), "{problems:?}");
    }
}
