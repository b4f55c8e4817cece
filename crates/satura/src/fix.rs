//! Inputs whose values decide shapes: shapes to reshape to, repeats, counts, conditions. A back end that needs every shape constant gets them as constants.

use crate::Error;
use crate::bind::{Inputs, input_name};
use satura_ir::{Graph, Node, Op, Type, ValueId, infer_graph, ops};
use satura_tensor::{DType, Tensor};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Values of inputs, by name.
pub(crate) type Values = BTreeMap<String, Tensor>;

/// The tensors of these names.
pub(crate) fn values_of(inputs: &Inputs, names: &BTreeSet<String>) -> Values {
    let value = |name: &String| Some((name.clone(), inputs.get(name)?.as_tensor()?.clone()));
    names.iter().filter_map(value).collect()
}

/// More elements than these are data, not shapes.
const MOST_INTEGERS: usize = 1024;
const MOST_FLOATS: usize = 64;

/// The inputs whose values would make more of a graph's shapes constant, by name. `keeps` says which composites need no decomposition.
pub(crate) fn needed(graph: &Graph, keeps: &dyn Fn(&Op) -> bool) -> BTreeSet<String> {
    let positions = needed_positions(graph, keeps);
    positions.into_iter().map(|at| input_name(graph, graph.inputs()[at])).collect()
}

fn needed_positions(graph: &Graph, keeps: &dyn Fn(&Op) -> bool) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (_, node) in graph.nodes() {
        let mut roots = deciding(graph, node, keeps);
        for (at, region) in node.regions.iter().enumerate() {
            let inner = needed_positions(region, keeps).into_iter();
            roots.extend(inner.filter_map(|index| Some(node.inputs[node.op.capture(at, index)?])));
        }
        for root in roots {
            found.extend(sources(graph, root).unwrap_or_default());
        }
    }
    found
}

/// The inputs of a node whose elements decide the shape of its outputs and are not known.
fn deciding(graph: &Graph, node: &Node, keeps: &dyn Fn(&Op) -> bool) -> Vec<ValueId> {
    let small = |value: &ValueId| {
        let ty = graph.ty(*value);
        let rank = ty.shape().map(|shape| shape.len());
        let numbers = ty.dtype().is_some_and(|d| d.is_int() || d.is_float() || d == DType::Bool);
        numbers
            && rank.is_none_or(|rank| rank <= 1)
            && graph.value(*value).known.as_ref().is_none_or(|known| !known.is_known())
            && graph.constant(*value).is_none()
    };
    let open = node.outputs.iter().any(|value| graph.ty(*value).sizes().is_none());
    let inputs = match &node.op {
        Op::If(_) if open => &node.inputs[..1],
        op if op.prim().is_some() || op.is_host() || keeps(op) => &[],
        _ => &node.inputs[..],
    };
    inputs.iter().copied().filter(small).collect()
}

/// The positions of the graph's inputs from which a value is computed; `None` if one of them is data.
fn sources(graph: &Graph, value: ValueId) -> Option<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    let mut pending = vec![value];
    let mut seen: HashSet<ValueId> = HashSet::new();
    while let Some(value) = pending.pop() {
        if !seen.insert(value) {
            continue;
        }
        match graph.producer(value) {
            Some((_, node)) => pending.extend(&node.inputs),
            None => {
                let at = graph.inputs().iter().position(|input| *input == value)?;
                if !may_be_fixed(graph.ty(value)) {
                    return None;
                }
                found.insert(at);
            }
        }
    }
    Some(found)
}

fn may_be_fixed(ty: &Type) -> bool {
    let (Some(dtype), Some(sizes)) = (ty.dtype(), ty.sizes()) else { return false };
    let elements = sizes.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    let most = if dtype.is_float() { MOST_FLOATS } else { MOST_INTEGERS };
    let numbers = dtype.is_int() || dtype.is_float() || dtype == DType::Bool;
    numbers && elements.is_some_and(|elements| elements <= most)
}

/// The graph in which constants take the place of these inputs. The inputs stay, but nothing reads them.
pub(crate) fn fixed(graph: &Graph, values: &Values) -> Result<Graph, Error> {
    let mut graph = graph.clone();
    let mut changed = false;
    for id in graph.inputs().to_vec() {
        let Some(tensor) = values.get(&input_name(&graph, id)) else { continue };
        let op = ops::Const { value: tensor.clone() };
        let constant = graph.add_node(op.into(), Vec::new(), Vec::new());
        let constant = constant.map_err(|error| Error::Codegen(error.message))?;
        graph.replace_uses(id, constant[0]);
        changed = true;
    }
    if changed {
        infer_graph(&mut graph)?;
    }
    Ok(graph)
}
