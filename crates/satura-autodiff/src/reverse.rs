//! The sweep from a value back to those it is differentiated by.

use crate::GradientError;
use crate::rules::{self, Rule};
use crate::vjp::Vjp;
use satura_ir::{Emit, Graph, Node, NodeId, OpError, ValueId, ops};
use std::collections::{HashMap, HashSet};

/// Adds the gradients of `y` by each of `xs` to the graph, and gives them: values of the types of `xs`. Where `y` is no scalar, the gradients are those of the sum of its elements,
/// weighted by `seed` (of the type of `y`; without one each counts once). The `xs` count as independent, whatever the graph computes them from; by a value that `y` does not depend on,
/// the gradient is 0.
pub fn gradients(
    graph: &mut Graph,
    y: ValueId,
    seed: Option<ValueId>,
    xs: &[ValueId],
) -> Result<Vec<ValueId>, GradientError> {
    for value in xs.iter().chain([&y]) {
        if !is_float(graph, *value) {
            let name =
                graph.value(*value).name.as_deref().map_or_else(|| format!("%{}", value.0), str::to_owned);
            return Err(GradientError::NotFloat { value: name, ty: graph.ty(*value).to_string() });
        }
    }
    let outside =
        |error: OpError| GradientError::Op { node: "the value that is differentiated".to_owned(), error };
    let seed = match seed {
        Some(seed) if graph.ty(seed) != graph.ty(y) => {
            let (wanted, given) = (graph.ty(y).to_string(), graph.ty(seed).to_string());
            return Err(GradientError::Seed { wanted, given });
        }
        Some(seed) => seed,
        None => filled_like(graph, y, 1.0).map_err(outside)?,
    };
    let nodes = between(graph, y, xs);
    let mut sweep = Sweep { graph, depends: xs.iter().copied().collect(), gradients: HashMap::new() };
    sweep.gradients.insert(y, seed);
    sweep.spread(&nodes);
    sweep.back(&nodes)?;
    let found = sweep.gradients;
    let gradient = |x: &ValueId| match found.get(x) {
        Some(gradient) => Ok(*gradient),
        None => filled_like(graph, *x, 0.0).map_err(outside),
    };
    xs.iter().map(gradient).collect()
}

fn is_float(graph: &Graph, value: ValueId) -> bool {
    graph.ty(value).dtype().is_some_and(|dtype| dtype.is_float())
}

/// A number in the type of a value.
fn filled_like(graph: &mut Graph, value: ValueId, number: f64) -> Result<ValueId, OpError> {
    let emit: &mut dyn Emit = graph;
    let shape = emit.shape(value)?;
    let number = emit.scalar_like(value, number)?;
    if shape.is_empty() { Ok(number) } else { emit.one(ops::Broadcast { shape }, &[number]) }
}

/// The nodes that `y` is computed with, each after what it reads; what computes `xs` is left out.
fn between(graph: &Graph, y: ValueId, xs: &[ValueId]) -> Vec<NodeId> {
    let producer = |value: &ValueId| match xs.contains(value) {
        true => None,
        false => graph.producer(*value).map(|(id, _)| id),
    };
    let (mut order, mut seen) = (Vec::new(), HashSet::new());
    // A node stands on the stack twice: before its operands and, once they are done, for itself.
    let mut stack: Vec<(NodeId, bool)> = producer(&y).map(|id| (id, false)).into_iter().collect();
    while let Some((id, done)) = stack.pop() {
        if done {
            order.push(id);
        } else if seen.insert(id) {
            stack.push((id, true));
            let operands = graph.node(id).inputs.iter().filter_map(producer);
            stack.extend(operands.filter(|operand| !seen.contains(operand)).map(|operand| (operand, false)));
        }
    }
    order
}

struct Sweep<'g> {
    graph: &'g mut Graph,
    /// Values that depend on what is differentiated by.
    depends: HashSet<ValueId>,
    /// The gradients so far: complete once every reader of a value was visited.
    gradients: HashMap<ValueId, ValueId>,
}

impl Sweep<'_> {
    /// Finds out which outputs of nodes, in order, depend on what is differentiated by. Only floats carry a dependence: what is rounded to integers is constant almost everywhere.
    fn spread(&mut self, nodes: &[NodeId]) {
        for id in nodes {
            let node = self.graph.node(*id);
            if node.inputs.iter().any(|input| self.depends.contains(input)) {
                let outputs = node.outputs.iter().filter(|output| is_float(self.graph, **output));
                self.depends.extend(outputs.copied().collect::<Vec<_>>());
            }
        }
    }

    /// Visits the nodes from the last to the first.
    fn back(&mut self, nodes: &[NodeId]) -> Result<(), GradientError> {
        for id in nodes.iter().rev() {
            let node = self.graph.node(*id);
            let reached = node.outputs.iter().any(|output| self.gradients.contains_key(output));
            if reached && node.inputs.iter().any(|input| self.depends.contains(input)) {
                let node = node.clone();
                self.visit(&node)?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, node: &Node) -> Result<(), GradientError> {
        let failed = |error: OpError| match error.kind {
            satura_ir::OpErrorKind::Unsupported => {
                GradientError::NoRule { node: describe(node), reason: error.message }
            }
            _ => GradientError::Op { node: describe(node), error },
        };
        match rules::rule(&node.op) {
            Rule::Zero => Ok(()),
            Rule::Known(rule) => {
                let Some(gradient) = self.gradients.get(&node.outputs[0]).copied() else { return Ok(()) };
                let wanted: Vec<bool> =
                    node.inputs.iter().map(|input| self.depends.contains(input)).collect();
                let mut cx = Vjp {
                    graph: self.graph,
                    inputs: &node.inputs,
                    outputs: &node.outputs,
                    gradient,
                    wanted: &wanted,
                };
                let gradients = rule(&mut cx).map_err(failed)?;
                for ((input, gradient), wanted) in node.inputs.iter().zip(gradients).zip(wanted) {
                    if let Some(gradient) = gradient.filter(|_| wanted) {
                        self.add(*input, gradient).map_err(failed)?;
                    }
                }
                Ok(())
            }
            Rule::Decompose => {
                let first = self.graph.node_bound();
                let parts = node.op.decompose(self.graph, &node.inputs);
                let missing = || GradientError::NoRule {
                    node: describe(node),
                    reason: "there is no rule for the op".to_owned(),
                };
                let parts = parts.ok_or_else(missing)?.map_err(failed)?;
                let nodes: Vec<NodeId> = (first..self.graph.node_bound()).map(NodeId).collect();
                self.spread(&nodes);
                for (output, part) in node.outputs.iter().zip(parts) {
                    if let Some(gradient) = self.gradients.get(output).copied() {
                        self.add(part, gradient).map_err(failed)?;
                    }
                }
                self.back(&nodes)
            }
            Rule::Missing(reason) => {
                Err(GradientError::NoRule { node: describe(node), reason: reason.to_owned() })
            }
        }
    }

    /// Adds to the gradient of a value.
    fn add(&mut self, value: ValueId, gradient: ValueId) -> Result<(), OpError> {
        if !self.graph.ty(value).accepts(self.graph.ty(gradient)) {
            let (value, gradient) = (self.graph.ty(value), self.graph.ty(gradient));
            return Err(OpError::shape(format!("the gradient of a {value} came out as {gradient}")));
        }
        let sum = match self.gradients.get(&value) {
            Some(before) => {
                let emit: &mut dyn Emit = self.graph;
                emit.one(ops::Add {}, &[*before, gradient])?
            }
            None => gradient,
        };
        self.gradients.insert(value, sum);
        Ok(())
    }
}

fn describe(node: &Node) -> String {
    match &node.label {
        Some(label) => format!("{} {label:?}", node.op.name()),
        None => node.op.name().to_owned(),
    }
}
