//! The reference evaluator: the definition of what a graph computes.

use crate::exec::{ExecError, Executor, RunReport, Runnable};
use crate::{Datum, Emit, Graph, OpError, Type, ValueId};
use satura_tensor::{Bindings, Tensor};
use std::sync::Arc;

/// What an op may ask for while it is evaluated.
pub struct EvalCx<'a> {
    regions: &'a [Graph],
    depth: usize,
    bindings: Bindings,
}

/// How deep regions and decompositions may nest.
const MAX_DEPTH: usize = 64;

impl<'a> EvalCx<'a> {
    /// The context of an op without regions.
    pub fn new() -> Self {
        EvalCx { regions: &[], depth: 0, bindings: Bindings::new() }
    }

    /// The context of an op with these regions.
    pub fn with_regions(regions: &'a [Graph]) -> Self {
        EvalCx { regions, depth: 0, bindings: Bindings::new() }
    }

    /// The regions.
    pub fn regions(&self) -> &'a [Graph] {
        self.regions
    }

    /// Evaluates a graph, such as a region, on tensors.
    pub fn run(&self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
        let data: Vec<Datum> = inputs.iter().cloned().map(Datum::Tensor).collect();
        self.run_data(graph, &data)?.into_iter().map(Datum::into_tensor).collect()
    }

    /// Evaluates a graph, such as a region, on values of any type.
    pub fn run_data(&self, graph: &Graph, inputs: &[Datum]) -> Result<Vec<Datum>, OpError> {
        if self.depth >= MAX_DEPTH {
            return Err(OpError::limit(format!("evaluation nests deeper than {MAX_DEPTH}")));
        }
        eval_graph(graph, inputs, self.depth + 1, &self.bindings)
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

/// Evaluates a graph of tensors on the reference evaluator.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
    let data: Vec<Datum> = inputs.iter().cloned().map(Datum::Tensor).collect();
    let outputs = evaluate_data(graph, &data)?;
    let tensor = |datum: Datum| {
        datum
            .into_tensor()
            .map_err(|error| ExecError::Unsupported(format!("an output is no tensor: {error}")))
    };
    outputs.into_iter().map(tensor).collect()
}

/// Evaluates a graph on the reference evaluator, on values of any type.
pub fn evaluate_data(graph: &Graph, inputs: &[Datum]) -> Result<Vec<Datum>, ExecError> {
    eval_graph(graph, inputs, 0, &Bindings::new())
}

/// The symbols around, and those that the sizes of the inputs fix: in a region they may stand for other numbers each time that it runs.
fn bind_inputs(graph: &Graph, inputs: &[Datum], outer: &Bindings) -> Bindings {
    let mut bindings = outer.clone();
    for (id, datum) in graph.inputs().iter().zip(inputs) {
        let (Some(shape), Some(tensor)) = (graph.ty(*id).shape(), datum.as_tensor()) else { continue };
        for (dim, size) in shape.iter().zip(tensor.shape()).filter(|(dim, _)| dim.as_const().is_none()) {
            bindings.extend(i64::try_from(*size).ok().and_then(|size| dim.solve(size)));
        }
    }
    bindings
}

fn eval_graph(
    graph: &Graph,
    inputs: &[Datum],
    depth: usize,
    outer: &Bindings,
) -> Result<Vec<Datum>, ExecError> {
    ExecError::check_data(graph, inputs)?;
    let bindings = bind_inputs(graph, inputs, outer);
    let order = graph.order().map_err(|_| ExecError::internal("the graph has a cycle"))?;
    let mut remaining = graph.use_counts();
    let mut values: Vec<Option<Datum>> = vec![None; graph.value_count()];
    for (id, datum) in graph.inputs().iter().zip(inputs) {
        values[id.0 as usize] = Some(datum.clone());
    }
    for id in order {
        let node = graph.node(id);
        let arguments: Vec<Datum> = node
            .inputs
            .iter()
            .map(|v| {
                values[v.0 as usize]
                    .clone()
                    .ok_or_else(|| ExecError::internal("a value was read before its definition"))
            })
            .collect::<Result<_, _>>()?;
        let cx = EvalCx { regions: &node.regions, depth, bindings: bindings.clone() };
        let outputs = if bindings.is_empty() {
            node.op.eval_data(&arguments, &cx)
        } else {
            let mut op = node.op.clone();
            op.bind(&bindings);
            op.eval_data(&arguments, &cx)
        };
        let outputs = outputs.map_err(|error| ExecError::node(graph, id, error))?;
        for (value, datum) in node.outputs.iter().zip(outputs) {
            if remaining[value.0 as usize] > 0 {
                values[value.0 as usize] = Some(datum);
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

    fn run_data(&mut self, inputs: &[Datum]) -> Result<Vec<Datum>, ExecError> {
        evaluate_data(&self.0, inputs)
    }

    fn report(&self) -> RunReport {
        RunReport { kernels: self.0.node_count(), ..RunReport::default() }
    }
}
