//! Running graphs: the interface every back end implements.

use crate::{Datum, Graph, NodeId, Op, OpError, OpErrorKind};
use satura_tensor::Tensor;
use std::fmt;

/// A back end: compiles a graph, then runs it any number of times.
pub trait Executor: Send + Sync {
    /// The name of the device, such as `reference`, `cpu` or the adapter's name.
    fn name(&self) -> String;

    /// Whether this back end takes the composite as it is. What it does not keep must be decomposed before [`compile`](Self::compile).
    fn keeps(&self, op: &Op) -> bool;

    /// Prepares a graph. Back ends other than the reference evaluator need every shape constant.
    fn compile(&self, graph: &Graph) -> Result<Box<dyn Runnable>, ExecError>;
}

/// A compiled graph.
pub trait Runnable: Send {
    /// Runs on inputs in the order of the graph's inputs; gives outputs in the order of its outputs.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError>;

    /// Runs on values of any type. Back ends whose memory holds tensors only leave this as it is.
    fn run_data(&mut self, inputs: &[Datum]) -> Result<Vec<Datum>, ExecError> {
        let tensor = |datum: &Datum| {
            datum.clone().into_tensor().map_err(|error| ExecError::Unsupported(error.message))
        };
        let tensors = inputs.iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
        Ok(self.run(&tensors)?.into_iter().map(Datum::Tensor).collect())
    }

    /// What was compiled.
    fn report(&self) -> RunReport;
}

/// An op that a device hands to the host, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The op's name.
    pub op: String,
    /// The node's name in the source model, or its id.
    pub node: String,
    /// Why the device cannot run it.
    pub reason: String,
}

/// What a compiled graph consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// Kernels started in one run; for the reference evaluator, nodes.
    pub kernels: usize,
    /// Peak of the memory for values and weights in bytes, where the back end plans memory; else 0.
    pub peak_bytes: u64,
    /// Nodes that run on the host instead of the device.
    pub fallbacks: Vec<Fallback>,
}

/// Why a graph could not be compiled or run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecError {
    /// An input does not fit the graph's input type.
    Input {
        /// The input's name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A node failed.
    Node {
        /// Op and name of the node.
        node: String,
        /// Why.
        error: OpError,
    },
    /// The back end does not support something, wholly.
    Unsupported(String),
    /// The device failed: lost, out of memory, or its compiler refused a kernel.
    Device(String),
    /// An invariant of the compiler was broken: a bug.
    Internal(String),
}

impl ExecError {
    /// A broken invariant.
    pub fn internal(message: &str) -> Self {
        ExecError::Internal(message.to_owned())
    }

    /// An op's error at its node.
    pub fn node(graph: &Graph, id: NodeId, error: OpError) -> Self {
        let node = graph.node(id);
        let name = match &node.label {
            Some(label) => format!("{} {label:?}", node.op.name()),
            None => format!("{} ({id})", node.op.name()),
        };
        ExecError::Node { node: name, error }
    }

    pub(crate) fn kind(&self) -> OpErrorKind {
        match self {
            ExecError::Node { error, .. } => error.kind,
            _ => OpErrorKind::Value,
        }
    }

    /// Checks that tensors fit the types of a graph's inputs.
    pub fn check_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<(), ExecError> {
        let data: Vec<Datum> = inputs.iter().cloned().map(Datum::Tensor).collect();
        ExecError::check_data(graph, &data)
    }

    /// Checks that values fit the types of a graph's inputs.
    pub fn check_data(graph: &Graph, inputs: &[Datum]) -> Result<(), ExecError> {
        if graph.inputs().len() != inputs.len() {
            let message =
                format!("the graph has {} inputs, {} were given", graph.inputs().len(), inputs.len());
            return Err(ExecError::Input { name: "*".to_owned(), message });
        }
        for (id, datum) in graph.inputs().iter().zip(inputs) {
            let expected = graph.ty(*id);
            if !datum.fits(expected) {
                let actual = datum.describe();
                let name = graph.value(*id).name.as_deref().unwrap_or("?").to_owned();
                return Err(ExecError::Input { name, message: format!("expected {expected}, got {actual}") });
            }
        }
        Ok(())
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecError::Input { name, message } => write!(f, "input {name:?}: {message}"),
            ExecError::Node { node, error } => write!(f, "{node}: {error}"),
            ExecError::Unsupported(message) => write!(f, "not supported: {message}"),
            ExecError::Device(message) => write!(f, "the device failed: {message}"),
            ExecError::Internal(message) => write!(f, "internal error: {message}"),
        }
    }
}

impl std::error::Error for ExecError {}
