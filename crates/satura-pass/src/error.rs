//! What can go wrong with a pipeline's text and with running it.

use satura_ir::{Graph, NodeId, VerifyError};
use std::fmt;

/// Why a text is not a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PipelineError {
    /// No pass has that name.
    UnknownPass {
        /// The name.
        name: String,
        /// All names, in order.
        known: Vec<&'static str>,
    },
    /// The options of a pass do not fit it.
    Options {
        /// The pass.
        pass: String,
        /// What is wrong.
        message: String,
    },
    /// The text is not a list of passes.
    Syntax(String),
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PipelineError::UnknownPass { name, known } => {
                write!(f, "there is no pass `{name}`; the passes are {}", known.join(", "))
            }
            PipelineError::Options { pass, message } => write!(f, "options of pass `{pass}`: {message}"),
            PipelineError::Syntax(message) => write!(f, "pipeline: {message}"),
        }
    }
}

impl std::error::Error for PipelineError {}

/// Why a pass failed: its name, its rule and node where one is at fault, and the reason. Except for [`NotVerified`](PassError::NotVerified), and
/// [`Node`](PassError::Node) on a model that is itself wrong, this is a bug of the pass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassError {
    /// The graph that was handed in breaks an invariant.
    NotVerified(Box<VerifyError>),
    /// The options do not fit the pass.
    Options {
        /// The pass.
        pass: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A rule failed at a node.
    Node {
        /// The pass.
        pass: &'static str,
        /// The rule of the pass.
        rule: &'static str,
        /// Op, id and name of the node.
        node: String,
        /// What is wrong.
        message: String,
    },
    /// The graph breaks an invariant after a pass or one of its patches.
    Broken {
        /// The pass.
        pass: &'static str,
        /// The rule and the node it was applied to, if it is known which patch broke the graph.
        patch: Option<(&'static str, String)>,
        /// The invariant.
        error: Box<VerifyError>,
    },
    /// A rule went on changing the graph beyond the bound on patches.
    NoFixpoint {
        /// The pass.
        pass: &'static str,
        /// The rule.
        rule: &'static str,
        /// The bound.
        patches: u64,
    },
}

impl fmt::Display for PassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassError::NotVerified(error) => {
                write!(f, "the graph is not valid before the first pass: {error}")
            }
            PassError::Options { pass, message } => write!(f, "options of pass `{pass}`: {message}"),
            PassError::Node { pass, rule, node, message } => {
                write!(f, "pass `{pass}`, rule `{rule}`, at {node}: {message}")
            }
            PassError::Broken { pass, patch: Some((rule, node)), error } => {
                write!(f, "pass `{pass}`, rule `{rule}`, at {node}, broke the graph: {error}")
            }
            PassError::Broken { pass, patch: None, error } => {
                write!(f, "pass `{pass}` broke the graph: {error}")
            }
            PassError::NoFixpoint { pass, rule, patches } => {
                write!(f, "pass `{pass}`, rule `{rule}`, does not settle: stopped after {patches} patches")
            }
        }
    }
}

impl std::error::Error for PassError {}

/// Op, id and name of a node, for messages.
pub(crate) fn describe(graph: &Graph, id: NodeId) -> String {
    match graph.get_node(id) {
        None => format!("{id} (removed)"),
        Some(node) => match &node.label {
            Some(label) => format!("{} {label:?}", node.op.name()),
            None => format!("{} ({id})", node.op.name()),
        },
    }
}
