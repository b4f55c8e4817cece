//! Gradients that a model asks for: the part of the graph between two sets of names is differentiated when the model is read.

use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Attributes, Code, Diagnostic, escape};
use satura_ir::{Def, Graph, NodeId, ValueId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The gradients of the value named `y` by those named `xs`, where these and those named `zs`, which `y` must be made of, have the values of the inputs.
pub(super) fn gradient(cx: &mut NodeCx<'_>) -> Converted {
    let differentiate = cx.differentiate.ok_or_else(|| {
        let message =
            "the model asks for gradients, and the program that reads it lends nothing that derives them";
        Diagnostic::error(Code::Unsupported, message)
    })?;
    let values = cx.variadic()?;
    let xs = cx.attrs.strings("xs")?.ok_or_else(|| Attributes::<()>::missing("xs"))?;
    let zs = cx.attrs.strings("zs")?.unwrap_or_default();
    let y = cx.attrs.string("y")?.ok_or_else(|| Attributes::<()>::missing("y"))?;
    if values.len() != xs.len() + zs.len() {
        let message = format!("{} inputs for {} names", values.len(), xs.len() + zs.len());
        return Err(Diagnostic::error(Code::InputCount, message));
    }
    let named = |attribute: &str, name: &String| {
        let undefined = || bad_attribute(attribute, format!("\"{}\" names no value", escape(name)));
        cx.named.get(name).copied().ok_or_else(undefined)
    };
    let y = named("y", &y)?;
    let known = xs.iter().map(|name| named("xs", name)).chain(zs.iter().map(|name| named("zs", name)));
    let independent = known.collect::<Result<Vec<ValueId>, Diagnostic>>()?;
    between(cx.graph, &[y], &independent)?;
    // Only what the model reads is derived.
    let read = |at: &usize| cx.outputs.get(*at).is_some_and(|name| !name.is_empty());
    let wanted: Vec<usize> = (0..xs.len()).filter(read).collect();
    let by: Vec<ValueId> = wanted.iter().map(|at| independent[*at]).collect();
    let mut found = differentiate(cx.graph, y, &by)?;
    if independent != values {
        found = elsewhere(cx.graph, &found, &independent, &values)?;
    }
    let mut outputs = values[..xs.len()].to_vec();
    wanted.into_iter().zip(found).for_each(|(at, gradient)| outputs[at] = gradient);
    Ok(outputs)
}

/// The nodes that make results of independent values, each after what it reads. Nothing else may take part: what comes from outside a subgraph would be taken for constant.
fn between(
    graph: &Graph,
    results: &[ValueId],
    independent: &[ValueId],
) -> Result<BTreeSet<NodeId>, Diagnostic> {
    let mut nodes = BTreeSet::new();
    let mut seen: HashSet<ValueId> = independent.iter().copied().collect();
    let mut pending = results.to_vec();
    while let Some(value) = pending.pop() {
        if !seen.insert(value) {
            continue;
        }
        match graph.producer(value) {
            Some((id, node)) => {
                nodes.insert(id);
                pending.extend(&node.inputs);
            }
            None => {
                let name = graph.value(value).name.as_deref().unwrap_or_default();
                let message = format!("y is made of \"{}\", which is in neither xs nor zs", escape(name));
                return Err(bad_attribute("xs", message));
            }
        }
    }
    Ok(nodes)
}

/// Results for other values of what they are made of: their nodes again, in the order in which they were added.
fn elsewhere(
    graph: &mut Graph,
    results: &[ValueId],
    independent: &[ValueId],
    values: &[ValueId],
) -> Converted {
    for (value, independent) in values.iter().zip(independent) {
        let (given, declared) = (graph.ty(*value), graph.ty(*independent));
        if !declared.accepts(given) {
            let message = format!("an input is {given}, what it stands for is {declared}");
            return Err(Diagnostic::error(Code::Shape, message));
        }
    }
    let nodes = between(graph, results, independent)?;
    let mut map: HashMap<ValueId, ValueId> =
        independent.iter().copied().zip(values.iter().copied()).collect();
    for id in nodes {
        let node = graph.node(id).clone();
        let inputs = node.inputs.iter().map(|input| map.get(input).copied().unwrap_or(*input)).collect();
        let outputs = graph.add_node(node.op, inputs, node.regions)?;
        if let Some(Def::Node(new, _)) = outputs.first().map(|output| graph.value(*output).def) {
            graph.node_mut(new).label = node.label;
        }
        map.extend(node.outputs.into_iter().zip(outputs));
    }
    Ok(results.iter().map(|result| map.get(result).copied().unwrap_or(*result)).collect())
}
