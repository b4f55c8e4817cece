//! Constants of element types that the operator set does not have, such as weights of 2 bits: what depends on constants only is computed before it is written, and conversions begin with a wider type, so that the weights stay narrower than what they become.
//!
//! Numbers of less than a byte are computed too, up to their conversion: onnxruntime converts them but does not move them.

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

/// Whether a value's elements are of a type that the operator set does not have, or of less than a byte.
fn lacks(graph: &Graph, value: ValueId, version: i64) -> bool {
    let lacks = |dtype: DType| !has_type(version, dtype) || (1..8).contains(&dtype.bits());
    graph.ty(value).dtype().is_some_and(lacks)
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
    match conversion(node, &inputs, version) {
        Conversion::Kept => return,
        Conversion::From(wider) => {
            if let Some(value) = constant(graph, wider) {
                graph.node_mut(id).inputs = vec![value];
            }
            return;
        }
        Conversion::None => {}
    }
    let Some(results) = computed(node, &inputs) else { return };
    for (old, result) in graph.node(id).outputs.clone().into_iter().zip(results) {
        if let Some(new) = constant(graph, result) {
            graph.replace_uses(old, new);
        }
    }
}

/// What becomes of a conversion.
enum Conversion {
    /// The operator set has both types.
    Kept,
    /// It begins with this instead.
    From(Tensor),
    /// The node is none, or one whose result must be computed.
    None,
}

/// Texts of numbers depend on their type, so they are computed.
fn conversion(node: &Node, inputs: &[&Tensor], version: i64) -> Conversion {
    let (Op::Cast(ops::Cast { to }), [x]) = (&node.op, inputs) else { return Conversion::None };
    if !has_type(version, *to) {
        return Conversion::None;
    }
    if has_type(version, x.dtype()) {
        return Conversion::Kept;
    }
    let wider = stand_in(version, x.dtype()).filter(|_| *to != DType::String);
    wider.and_then(|wider| cast(x, wider)).map_or(Conversion::None, Conversion::From)
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
