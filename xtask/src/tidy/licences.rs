//! Every dependency is under a licence that MIT OR Apache-2.0 code may use.

use serde_json::Value;

/// The licences that are accepted, alone or as one side of an `OR`.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression of `AND`, `OR` and parentheses can be met by the list. `/` is crates.io's old spelling of `OR`.
fn accepted(expression: &str) -> bool {
    let text = expression.replace('/', " OR ");
    let text = text.trim();
    if let Some(parts) = split(text, " AND ") {
        return parts.iter().all(|part| accepted(part));
    }
    if let Some(parts) = split(text, " OR ") {
        return parts.iter().any(|part| accepted(part));
    }
    match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inside) => accepted(inside),
        None => ALLOWED.contains(&text),
    }
}

/// The parts between `word`s outside parentheses, if there is more than one.
fn split<'a>(text: &'a str, word: &str) -> Option<Vec<&'a str>> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= start && text[at..].starts_with(word) => {
                parts.push(&text[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (parts.len() > 1).then_some(parts)
}

/// Checks every package that `cargo metadata` resolved.
pub(super) fn check(metadata: &Value, problems: &mut Vec<String>) {
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        match package["license"].as_str() {
            Some(licence) if accepted(licence) => {}
            Some(licence) => {
                problems.push(format!("dependency `{name}` is under `{licence}`, which is not on the list"))
            }
            None => problems.push(format!("dependency `{name}` states no licence")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn expressions() {
        assert!(accepted("MIT OR Apache-2.0") && accepted("MIT/Apache-2.0") && accepted("GPL-3.0 OR MIT"));
        assert!(accepted("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(
            !accepted("GPL-3.0") && !accepted("MIT AND GPL-3.0") && !accepted("(MIT OR GPL-3.0) AND GPL-2.0")
        );
    }
}
