//! Why a graph cannot be lowered.

use satura_ir::{Graph, NodeId};
use std::fmt;

/// Why a graph cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LowerError {
    /// A value's shape is not constant, or it is no tensor.
    NotStatic(String),
    /// A node that no kernel computes.
    Unsupported {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
    /// Something that the device's memory cannot hold: a tensor beyond its limits, or of a kind without fixed size.
    Beyond(String),
    /// An invariant of the compiler was broken: a bug.
    Internal(String),
}

impl LowerError {
    pub(crate) fn internal(message: &str) -> Self {
        LowerError::Internal(message.to_owned())
    }

    pub(crate) fn unsupported(graph: &Graph, id: NodeId, reason: &str) -> Self {
        LowerError::Unsupported { node: node_name(graph, id), reason: reason.to_owned() }
    }
}

/// A node's name in the source model, or its id.
pub(crate) fn node_name(graph: &Graph, id: NodeId) -> String {
    match &graph.node(id).label {
        Some(label) => label.to_string(),
        None => id.to_string(),
    }
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LowerError::NotStatic(what) => write!(f, "{what} has no constant shape; bind every symbol first"),
            LowerError::Unsupported { node, reason } => write!(f, "{node}: {reason}"),
            LowerError::Beyond(what) => write!(f, "{what}"),
            LowerError::Internal(message) => write!(f, "internal error: {message}"),
        }
    }
}

impl std::error::Error for LowerError {}
