//! Every op and every pass has a filetest.

use crate::cmd::{at, files};
use anyhow::Result;
use std::collections::BTreeSet;

const FILETESTS: &str = "crates/satura-filetests/filetests";
const OPS: &str = "crates/satura-ir/src/ops";
const PASSES: &str = "crates/satura-opt/src";

/// Looks for each op's and each pass's name as a word of some filetest.
pub(super) fn check(problems: &mut Vec<String>) -> Result<()> {
    let mut used = BTreeSet::new();
    for path in files(FILETESTS)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "sat")) {
        used.extend(words(&std::fs::read_to_string(at(path))?).map(str::to_owned));
    }
    let ops = ops()?;
    let passes = passes()?;
    if ops.is_empty() || passes.is_empty() {
        problems
            .push(format!("no op found in {OPS} or no pass in {PASSES}: the search in xtask must be mended"));
    }
    for (kind, names) in [("op", ops), ("pass", passes)] {
        for name in names.difference(&used) {
            problems.push(format!("{kind} `{name}` has no filetest under {FILETESTS}"));
        }
    }
    Ok(())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .filter(|word| !word.is_empty())
}

/// The names of the ops in the list `ops! { .. }`: what the op's file gives as `NAME`, or else the name of the file.
fn ops() -> Result<BTreeSet<String>> {
    let list = std::fs::read_to_string(at(OPS).join("mod.rs"))?;
    let list =
        list.split_once("ops! {").map_or("", |(_, rest)| rest).split_once("\n}").map_or("", |(list, _)| list);
    let entries = list.split([',', ';', '\n']).filter_map(|entry| entry.trim().split_once("::"));
    let name = |file: &str| -> Result<String> {
        let text = std::fs::read_to_string(at(OPS).join(format!("{file}.rs")))?;
        let given =
            text.split_once("const NAME: &'static str = \"").and_then(|(_, rest)| rest.split_once('"'));
        Ok(given.map_or(file, |(name, _)| name).to_owned())
    };
    entries.map(|(file, _)| name(file)).collect()
}

/// The names of the passes: `name: ".."` in the files of the passes, test modules excluded.
fn passes() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in files(PASSES)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(at(path))?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for rest in code.split("name: \"").skip(1) {
            names.extend(rest.split_once('"').map(|(name, _)| name.to_owned()));
        }
    }
    Ok(names)
}
