//! The invariants of a graph, checked after every import and every pass:
//!
//! 1. no cycle;
//! 2. every value read is defined, in this graph, by an input or by a node that was not removed;
//! 3. producer links agree in both directions;
//! 4. arity, dtypes and shapes satisfy the op's own rule, no attribute has an unknown extent, and the recorded type is the inferred one or a more precise one;
//! 5. inputs have different names, outputs have different names;
//! 6. each region satisfies all of this, except one that a known condition never takes.

use crate::{Def, Graph, NodeId, OpError, infer};
use std::collections::BTreeSet;
use std::fmt;

/// A broken invariant and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The graph.
    pub graph: String,
    /// The node, as its op, its id and its name in the source model.
    pub node: Option<String>,
    /// The error of the op, if that is what broke.
    pub op_error: Option<OpError>,
    /// What is wrong.
    pub message: String,
}

impl VerifyError {
    fn graph(graph: &Graph, message: String) -> Self {
        VerifyError { graph: graph.name.clone(), node: None, op_error: None, message }
    }

    pub(crate) fn node(graph: &Graph, id: NodeId, error: OpError) -> Self {
        VerifyError {
            graph: graph.name.clone(),
            node: Some(describe(graph, id)),
            message: error.message.clone(),
            op_error: Some(error),
        }
    }

    pub(crate) fn cycle(graph: &Graph, cycle: &[NodeId]) -> Self {
        let names: Vec<String> = cycle.iter().take(8).map(|id| describe(graph, *id)).collect();
        Self::graph(graph, format!("the nodes depend on each other in a cycle: {}", names.join(" -> ")))
    }
}

fn describe(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    match &node.label {
        Some(label) => format!("{} {label:?}", node.op.name()),
        None => format!("{} ({id})", node.op.name()),
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graph @{}", self.graph)?;
        if let Some(node) = &self.node {
            write!(f, ", {node}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for VerifyError {}

/// Checks every invariant and gives all that are broken, at most 20.
pub fn verify(graph: &Graph) -> Result<(), Vec<VerifyError>> {
    let mut errors = Vec::new();
    check(graph, &mut errors);
    errors.truncate(20);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check(graph: &Graph, errors: &mut Vec<VerifyError>) {
    let mut names = BTreeSet::new();
    for input in graph.inputs() {
        if let Some(name) = &graph.value(*input).name
            && !names.insert(name.clone())
        {
            errors.push(VerifyError::graph(graph, format!("two inputs are named {name:?}")));
        }
    }
    let mut names = BTreeSet::new();
    for output in graph.outputs() {
        if !names.insert(output.name.clone()) {
            errors.push(VerifyError::graph(graph, format!("two outputs are named {:?}", output.name)));
        }
        if matches!(graph.value(output.value).def, Def::Removed) {
            errors.push(VerifyError::graph(graph, format!("output {:?} is not defined", output.name)));
        }
    }
    let before = errors.len();
    for (id, node) in graph.nodes() {
        for (i, input) in node.inputs.iter().enumerate() {
            if input.0 as usize >= graph.value_count() || matches!(graph.value(*input).def, Def::Removed) {
                errors.push(VerifyError::node(
                    graph,
                    id,
                    OpError::value(format!("input {i} ({input}) is not defined")),
                ));
            }
        }
        for (i, output) in node.outputs.iter().enumerate() {
            if graph.value(*output).def != Def::Node(id, i) {
                errors.push(VerifyError::node(
                    graph,
                    id,
                    OpError::value(format!("output {i} has another producer")),
                ));
            }
        }
    }
    if errors.len() > before {
        return;
    }
    if let Err(cycle) = graph.order() {
        errors.push(VerifyError::cycle(graph, &cycle));
        return;
    }
    for (id, node) in graph.nodes() {
        let taken = infer::taken_region(graph, &node.op, &node.inputs);
        for (_, region) in
            node.regions.iter().enumerate().filter(|(at, _)| taken.is_none_or(|taken| taken == *at))
        {
            check(region, errors);
        }
        match infer::infer_node(graph, &node.op, &node.inputs, &node.regions) {
            Err(error) => errors.push(VerifyError::node(graph, id, error)),
            Ok((types, _)) => {
                if types.len() != node.outputs.len() {
                    errors.push(VerifyError::node(graph, id, OpError::arity("outputs are missing")));
                }
                for (i, (ty, output)) in types.iter().zip(&node.outputs).enumerate() {
                    let recorded = graph.ty(*output);
                    if !ty.accepts(recorded) {
                        let message = format!("output {i} is recorded as {recorded}, the rule gives {ty}");
                        errors.push(VerifyError::node(graph, id, OpError::shape(message)));
                    }
                }
            }
        }
    }
}
