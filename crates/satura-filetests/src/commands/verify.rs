//! `verify`: each graph of the file must be refused. Where the text of a graph cannot be read, `; error: message` stands on the line at fault; where the whole graph breaks an invariant,
//! on a line of its own inside or after the graph. The message given is a part of the error's.

use crate::{Config, Skips, TestFile};
use satura_ir::{ConstStore, parse_module, verify};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {}

/// A `; error:` comment.
struct Expected<'a> {
    /// Line in the file, from 1.
    line: usize,
    /// Whether there is text before the comment.
    on_code: bool,
    message: &'a str,
}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let Header {} = file.header()?;
    let lines: Vec<&str> = file.text.lines().collect();
    let mut starts: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].starts_with("graph ")).collect();
    if starts.is_empty() {
        return Err("no line starts with `graph `".to_owned());
    }
    starts.push(lines.len());
    for pair in starts.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let expected: Vec<Expected<'_>> = (start..end)
            .filter_map(|i| {
                let (code, message) = lines[i].split_once("; error:")?;
                Some(Expected { line: i + 1, on_code: !code.trim().is_empty(), message: message.trim() })
            })
            .collect();
        let text = lines[start..end].join("\n");
        check(&text, start, &expected, config)
            .map_err(|error| format!("graph at line {}: {error}", start + 1))?;
    }
    Ok(())
}

fn check(text: &str, offset: usize, expected: &[Expected<'_>], config: &Config) -> Result<(), String> {
    let [first, ..] = expected else {
        return Err("no error is expected anywhere: `; error: message`".to_owned());
    };
    match parse_module(text, &ConstStore::default(), &config.registry) {
        Err(error) => {
            let line = offset + error.line;
            if expected.len() > 1 || !first.on_code || first.line != line {
                return Err(format!("line {line} is at fault: {}", error.message));
            }
            contains(&error.message, first.message)
        }
        Ok(module) => {
            let errors: Vec<String> = module
                .graphs
                .iter()
                .flat_map(|graph| verify(graph).err().unwrap_or_default())
                .map(|error| error.to_string())
                .collect();
            if let Some(on_line) = expected.iter().find(|e| e.on_code) {
                return Err(format!(
                    "line {} should not parse, and does; verify gives {errors:?}",
                    on_line.line
                ));
            }
            if errors.len() != expected.len() {
                return Err(format!("{} errors expected, verify gives {errors:?}", expected.len()));
            }
            expected.iter().try_for_each(|e| match errors.iter().any(|error| error.contains(e.message)) {
                true => Ok(()),
                false => Err(format!("no error contains {:?}: {errors:?}", e.message)),
            })
        }
    }
}

fn contains(message: &str, part: &str) -> Result<(), String> {
    if message.contains(part) {
        Ok(())
    } else {
        Err(format!("the error is {message:?}, which lacks {part:?}"))
    }
}
