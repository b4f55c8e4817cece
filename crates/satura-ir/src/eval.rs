//! The reference evaluator: the definition of what a graph computes.

use crate::exec::{ExecError, Executor, RunReport, Runnable};
use crate::{Emit, Graph, OpError, Type, ValueId};
use satura_tensor::Tensor;
use std::sync::Arc;

/// What an op may ask for while it is evaluated.
pub struct EvalCx<'a> {
    regions: &'a [Graph],
    depth: usize,
}

/// How deep regions and decompositions may nest.
const MAX_DEPTH: usize = 64;

impl<'a> EvalCx<'a> {
    /// The context of an op without regions.
    pub fn new() -> Self {
        EvalCx { regions: &[], depth: 0 }
    }

    /// The context of an op with these regions.
    pub fn with_regions(regions: &'a [Graph]) -> Self {
        EvalCx { regions, depth: 0 }
    }

    /// The regions.
    pub fn regions(&self) -> &'a [Graph] {
        self.regions
    }

    /// Evaluates a graph, such as a region, on inputs.
    pub fn run(&self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
        if self.depth >= MAX_DEPTH {
            return Err(OpError::limit(format!("evaluation nests deeper than {MAX_DEPTH}")));
        }
        eval_graph(graph, inputs, self.depth + 1)
            .map_err(|error| OpError { kind: error.kind(), message: error.to_string() })
    }
}

impl Default for EvalCx<'_> {
    fn default() -> Self {
        EvalCx::new()
    }
}

/// Evaluates a composite through its decomposition: for composites whose decomposition is their definition.
pub fn eval_by_decomposition(
    inputs: &[Tensor],
    cx: &EvalCx<'_>,
    decompose: impl FnOnce(&mut dyn Emit, &[ValueId]) -> Result<Vec<ValueId>, OpError>,
) -> Result<Vec<Tensor>, OpError> {
    let mut graph = Graph::new("decomposition");
    let values: Vec<ValueId> = inputs
        .iter()
        .enumerate()
        .map(|(i, t)| {
            let id = graph.add_input(&format!("x{i}"), Type::of(t.dtype(), t.shape()));
            graph.value_mut(id).known = crate::SymTensor::of(t);
            id
        })
        .collect();
    let outputs = decompose(&mut graph, &values)?;
    for (i, output) in outputs.into_iter().enumerate() {
        graph.add_output(&format!("y{i}"), output);
    }
    cx.run(&graph, inputs)
}

/// Evaluates a graph on the reference evaluator.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
    eval_graph(graph, inputs, 0)
}

fn eval_graph(graph: &Graph, inputs: &[Tensor], depth: usize) -> Result<Vec<Tensor>, ExecError> {
    ExecError::check_inputs(graph, inputs)?;
    let order = graph.order().map_err(|_| ExecError::internal("the graph has a cycle"))?;
    let mut remaining = graph.use_counts();
    let mut values: Vec<Option<Tensor>> = vec![None; graph.value_count()];
    for (id, tensor) in graph.inputs().iter().zip(inputs) {
        values[id.0 as usize] = Some(tensor.clone());
    }
    for id in order {
        let node = graph.node(id);
        let arguments: Vec<Tensor> = node
            .inputs
            .iter()
            .map(|v| {
                values[v.0 as usize]
                    .clone()
                    .ok_or_else(|| ExecError::internal("a value was read before its definition"))
            })
            .collect::<Result<_, _>>()?;
        let cx = EvalCx { regions: &node.regions, depth };
        let outputs = node.op.eval(&arguments, &cx).map_err(|error| ExecError::node(graph, id, error))?;
        for (value, tensor) in node.outputs.iter().zip(outputs) {
            if remaining[value.0 as usize] > 0 {
                values[value.0 as usize] = Some(tensor);
            }
        }
        for input in &node.inputs {
            let left = &mut remaining[input.0 as usize];
            *left -= 1;
            if *left == 0 {
                values[input.0 as usize] = None;
            }
        }
    }
    graph
        .outputs()
        .iter()
        .map(|o| {
            values[o.value.0 as usize].clone().ok_or_else(|| ExecError::internal("an output has no value"))
        })
        .collect()
}

/// The reference evaluator as an [`Executor`]. Takes any verified graph, of any shapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

struct ReferenceRun(Arc<Graph>);

impl Executor for Reference {
    fn name(&self) -> String {
        "reference".to_owned()
    }

    fn keeps(&self, _op: &crate::Op) -> bool {
        true
    }

    fn compile(&self, graph: &Graph) -> Result<Box<dyn Runnable>, ExecError> {
        Ok(Box::new(ReferenceRun(Arc::new(graph.clone()))))
    }
}

impl Runnable for ReferenceRun {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
        evaluate(&self.0, inputs)
    }

    fn report(&self) -> RunReport {
        RunReport { kernels: self.0.node_count(), ..RunReport::default() }
    }
}
