//! Why a graph could not be written.

use satura_import::escape;
use std::fmt;
use std::path::PathBuf;

/// An op that the operator set cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The op of the intermediate representation.
    pub op: String,
    /// The node's name in the source model, if it has one.
    pub node: Option<String>,
    /// Why.
    pub reason: String,
}

/// Why a graph could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// An operator set that is not written.
    Opset(i64),
    /// Ops that the operator set cannot say, nor their decomposition.
    Ops {
        /// The operator set.
        opset: i64,
        /// The ops, in order of the graph.
        refusals: Vec<Refusal>,
    },
    /// Something about the graph that the format has no words for, such as an output of the name of an input that it is not.
    Graph(String),
    /// More bytes than one file can hold.
    TooLarge(u64),
    /// A file that must stay would be replaced.
    Kept(PathBuf),
    /// A file could not be written.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Nodes that a line names; the rest is counted.
const NAMED: usize = 3;
/// Lines of an error's text; the rest is counted.
const SHOWN: usize = 6;

impl WriteError {
    /// The stable code; scripts may match it.
    pub fn code(&self) -> &'static str {
        match self {
            WriteError::Opset(_) => "opset",
            WriteError::Ops { .. } => "unwritable-op",
            WriteError::Graph(_) => "unwritable-graph",
            WriteError::TooLarge(_) => "too-large",
            WriteError::Kept(_) => "kept-file",
            WriteError::Io { .. } => "io",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            WriteError::Ops { opset, .. } if opset < super::WRITTEN_OPSETS.end() => {
                Some("a later operator set may have a form for it")
            }
            WriteError::Graph(_) => Some("rename the inputs or outputs"),
            WriteError::Kept(_) => Some("write to another name or folder, then move the files"),
            WriteError::Opset(_)
            | WriteError::Ops { .. }
            | WriteError::TooLarge(_)
            | WriteError::Io { .. } => None,
        }
    }

    /// The whole error, a line for each thing that is wrong: for each op that the operator set cannot say, and why.
    pub fn lines(&self) -> Vec<String> {
        let WriteError::Ops { opset, refusals } = self else { return vec![self.to_string()] };
        let mut groups: Vec<(&str, &str, Vec<&Refusal>)> = Vec::new();
        for refusal in refusals {
            let (op, reason) = (refusal.op.as_str(), refusal.reason.as_str());
            match groups.iter_mut().find(|(o, r, _)| (*o, *r) == (op, reason)) {
                Some((.., group)) => group.push(refusal),
                None => groups.push((op, reason, vec![refusal])),
            }
        }
        let line = |(op, reason, group): (&str, &str, Vec<&Refusal>)| {
            let named = group.iter().filter_map(|r| Some(format!("\"{}\"", escape(r.node.as_deref()?))));
            let mut names: Vec<String> = named.take(NAMED).collect();
            if !names.is_empty() && group.len() > names.len() {
                names.push("..".to_owned());
            }
            let count = format!("{} node{}", group.len(), if group.len() == 1 { "" } else { "s" });
            let colon = if names.is_empty() { "" } else { ": " };
            format!("operator set {opset} cannot say {op} ({count}{colon}{}): {}", names.join(", "), reason)
        };
        groups.into_iter().map(line).collect()
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Opset(asked) => {
                let range = super::WRITTEN_OPSETS;
                write!(f, "operator set {asked} is not written, {} to {} are", range.start(), range.end())
            }
            WriteError::Ops { .. } => {
                let lines = self.lines();
                f.write_str(&lines[..lines.len().min(SHOWN)].join("; "))?;
                match lines.len().checked_sub(SHOWN) {
                    Some(more) if more > 0 => write!(f, "; and {more} more"),
                    _ => Ok(()),
                }
            }
            WriteError::Graph(message) => f.write_str(message),
            WriteError::TooLarge(bytes) => {
                write!(
                    f,
                    "the model has {bytes} bytes, one file holds 2 GB: its weights need a file of their own"
                )
            }
            WriteError::Kept(path) => {
                write!(f, "{} would be replaced, but the model is read from it", path.display())
            }
            WriteError::Io { path, error } => write!(f, "{} cannot be written: {error}", path.display()),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WriteError::Io { error, .. } => Some(error),
            WriteError::Opset(_)
            | WriteError::Ops { .. }
            | WriteError::Graph(_)
            | WriteError::TooLarge(_)
            | WriteError::Kept(_) => None,
        }
    }
}
