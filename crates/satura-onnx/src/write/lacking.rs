//! Constants of element types that the operator set does not have, such as weights of 2 bits: what depends on constants only is computed before it is written, and conversions begin with a wider type, so that the weights stay narrower than what they become.

use super::takes::{has_type, stand_in};
use satura_ir::{Datum, EvalCx, Graph, Node, NodeId, Op, ValueId, ops};
use satura_tensor::{DType, Tensor, cast};

/// The graph without such constants, as far as that goes; `None` if it has none.
pub(super) fn without_lacking(graph: &Graph, version: i64) -> Option<Graph> {
    if !mentions(graph, version) {
        return None;
    }
    let order = graph.order().ok()?;
    let mut graph = graph.clone();
    for id in order {
        for at in 0..graph.node(id).regions.len() {
            if let Some(region) = without_lacking(&graph.node(id).regions[at], version) {
                graph.node_mut(id).regions[at] = region;
            }
        }
        replace(&mut graph, id, version);
    }
    Some(graph)
}

fn lacks(graph: &Graph, value: ValueId, version: i64) -> bool {
    graph.ty(value).dtype().is_some_and(|dtype| !has_type(version, dtype))
}

/// Whether a value that a node defines is of such a type, in a region too.
fn mentions(graph: &Graph, version: i64) -> bool {
    graph.nodes().any(|(_, node)| {
        node.outputs.iter().any(|value| lacks(graph, *value, version))
            || node.regions.iter().any(|region| mentions(region, version))
    })
}

fn replace(graph: &mut Graph, id: NodeId, version: i64) {
    let node = graph.node(id);
    let of_node = node.inputs.iter().chain(&node.outputs);
    if matches!(node.op, Op::Const(_)) || !of_node.copied().any(|value| lacks(graph, value, version)) {
        return;
    }
    let Some(inputs) = node.inputs.iter().map(|value| graph.constant(*value)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    if let Some(wider) = widened(node, &inputs, version) {
        if let Some(value) = constant(graph, wider) {
            graph.node_mut(id).inputs = vec![value];
        }
        return;
    }
    let Some(results) = computed(node, &inputs) else { return };
    for (old, result) in graph.node(id).outputs.clone().into_iter().zip(results) {
        if let Some(new) = constant(graph, result) {
            graph.replace_uses(old, new);
        }
    }
}

/// What a conversion may begin with instead. Texts of numbers depend on their type.
fn widened(node: &Node, inputs: &[&Tensor], version: i64) -> Option<Tensor> {
    let (Op::Cast(ops::Cast { to }), [x]) = (&node.op, inputs) else { return None };
    if *to == DType::String || !has_type(version, *to) {
        return None;
    }
    cast(x, stand_in(version, x.dtype())?)
}

fn computed(node: &Node, inputs: &[&Tensor]) -> Option<Vec<Tensor>> {
    if inputs.is_empty() || !node.regions.is_empty() {
        return None;
    }
    let inputs: Vec<Datum> = inputs.iter().map(|tensor| Datum::Tensor((*tensor).clone())).collect();
    let outputs = node.op.eval_data(&inputs, &EvalCx::new()).ok()?;
    outputs.into_iter().map(|output| output.into_tensor().ok()).collect()
}

fn constant(graph: &mut Graph, value: Tensor) -> Option<ValueId> {
    graph.add_node(ops::Const { value }.into(), Vec::new(), Vec::new()).ok()?.first().copied()
}
