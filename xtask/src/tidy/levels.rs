//! A crate depends on crates of lower levels only. The levels are the table in ARCHITECTURE.md.

use crate::cmd::at;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// Level of each crate, out of table rows such as ``| 3 | `satura-opt` | .. |``.
fn levels(text: &str) -> BTreeMap<String, u32> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let level = cells.next()?.parse().ok()?;
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_owned(), level))
    };
    text.lines().filter_map(row).collect()
}

/// Checks every edge between crates of the workspace, and that the table names each crate and no other.
pub(super) fn check(metadata: &Value, problems: &mut Vec<String>) -> Result<()> {
    let levels = levels(&std::fs::read_to_string(at("ARCHITECTURE.md")).context("ARCHITECTURE.md")?);
    let members: Vec<&str> =
        metadata["workspace_members"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let packages: Vec<&Value> = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|p| p["id"].as_str().is_some_and(|id| members.contains(&id)))
        .collect();
    let names: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    for name in levels.keys().filter(|name| !names.contains(&name.as_str())) {
        problems.push(format!("ARCHITECTURE.md names the crate `{name}`, which does not exist"));
    }
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(level) = levels.get(name) else {
            problems.push(format!("ARCHITECTURE.md's table of levels lacks the crate `{name}`"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let Some(below) = levels.get(to).filter(|_| names.contains(&to)) else { continue };
            // A dev-dependency on the crate itself turns its features on for its tests.
            if below >= level && to != name {
                problems.push(format!("`{name}` (level {level}) depends on `{to}` (level {below}): only lower levels are allowed"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_of_the_table() {
        let text =
            "| level | crate | job |\n|---|---|---|\n| 0 | `a` | x |\n| 12 | `b-c` | y |\ntext | 1 | `d` |";
        let levels = super::levels(text);
        assert_eq!(levels.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 0), ("b-c".to_owned(), 12)]);
    }

    #[test]
    fn an_upward_edge_is_found() {
        let package = |name: &str, on: &str| serde_json::json!({"id": name, "name": name, "dependencies": [{"name": on, "kind": null}]});
        let metadata = serde_json::json!({
            "workspace_members": ["satura-tensor", "satura-ir"],
            "packages": [package("satura-tensor", "satura-ir"), package("satura-ir", "satura-tensor")],
        });
        let mut problems = Vec::new();
        super::check(&metadata, &mut problems).expect("ARCHITECTURE.md is there");
        let upward = |p: &&String| p.contains("`satura-tensor` (level 0) depends on `satura-ir`");
        assert_eq!(problems.iter().filter(upward).count(), 1, "{problems:?}");
        assert!(!problems.iter().any(|p| p.starts_with("`satura-ir`")), "{problems:?}");
    }
}
