//! Why a graph could not be written.

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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{} {node:?}: {}", self.op, self.reason),
            None => write!(f, "{}: {}", self.op, self.reason),
        }
    }
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
    /// A file could not be written.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Refusals beyond this many are counted only.
const SHOWN: usize = 20;

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Opset(asked) => {
                let range = super::WRITTEN_OPSETS;
                write!(f, "operator set {asked} is not written, {} to {} are", range.start(), range.end())
            }
            WriteError::Ops { opset, refusals } => {
                write!(f, "operator set {opset} cannot say {} of the model's ops", refusals.len())?;
                for refusal in refusals.iter().take(SHOWN) {
                    write!(f, "; {refusal}")?;
                }
                match refusals.len().checked_sub(SHOWN) {
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
            WriteError::Io { path, error } => write!(f, "{}: {error}", path.display()),
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
            | WriteError::TooLarge(_) => None,
        }
    }
}
