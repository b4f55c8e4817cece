//! The order of nodes: which names they read, and a topological order.

use crate::proto::{GraphProto, NodeProto};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The subgraphs of a node, with the names of their attributes.
pub(crate) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = (&str, &GraphProto)> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs).map(|g| (a.name.as_str(), g)))
}

/// The names that a subgraph reads from outside, each once, in order of appearance. The depth of nesting is bounded by the decoder.
pub(crate) fn free_names(graph: &GraphProto) -> Vec<&str> {
    let mut defined: HashSet<&str> = HashSet::new();
    defined.extend(graph.input.iter().map(|v| v.name.as_str()));
    defined.extend(graph.initializer.iter().map(|t| t.name.as_str()));
    defined.extend(graph.sparse_initializer.iter().filter_map(|t| Some(t.values.as_ref()?.name.as_str())));
    defined.extend(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)));
    let mut free = Vec::new();
    let mut seen = HashSet::new();
    let mut note = |name| {
        if !defined.contains(name) && seen.insert(name) {
            free.push(name);
        }
    };
    for node in &graph.node {
        names_read(node).into_iter().for_each(&mut note);
    }
    graph.output.iter().map(|v| v.name.as_str()).filter(|name| !name.is_empty()).for_each(&mut note);
    free
}

/// The names of values in the attributes of a node: those that `Gradient` differentiates between.
pub(crate) fn names_in_attributes(node: &NodeProto) -> Vec<&str> {
    if (node.domain.as_str(), node.op_type.as_str()) != ("ai.onnx.preview.training", "Gradient") {
        return Vec::new();
    }
    let texts = node.attribute.iter().filter(|a| matches!(a.name.as_str(), "xs" | "zs" | "y"));
    let texts = texts.flat_map(|a| a.s.iter().chain(&a.strings));
    texts.filter_map(|text| std::str::from_utf8(text).ok()).filter(|name| !name.is_empty()).collect()
}

/// The names that a node reads: its inputs, what its attributes name, and what its subgraphs read from outside.
pub(crate) fn names_read(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> =
        node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    names.extend(names_in_attributes(node));
    for (_, graph) in subgraphs(node) {
        names.extend(free_names(graph));
    }
    names
}

/// Positions of nodes.
pub(crate) enum Order {
    /// Each node after those it reads; where nothing else decides, as in the file. `true` if that is the order of the file.
    Sorted(Vec<usize>, bool),
    /// Nodes that each read the one before it, the first the last.
    Cycle(Vec<usize>),
}

/// A topological order of nodes. Names that none of them defines do not matter.
pub(crate) fn order(nodes: &[NodeProto]) -> Order {
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            producer.entry(output).or_insert(at);
        }
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut sources: Vec<Vec<usize>> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let mut from: Vec<usize> =
            names_read(node).iter().filter_map(|name| producer.get(name).copied()).collect();
        from.sort_unstable();
        from.dedup();
        from.iter().for_each(|source| readers[*source].push(at));
        sources.push(from);
    }
    let mut waiting: Vec<usize> = sources.iter().map(Vec::len).collect();
    let mut free: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|at| waiting[*at] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(nodes.len());
    while let Some(Reverse(at)) = free.pop() {
        sorted.push(at);
        for reader in &readers[at] {
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                free.push(Reverse(*reader));
            }
        }
    }
    if sorted.len() == nodes.len() {
        let as_in_file = sorted.windows(2).all(|pair| pair[0] < pair[1]);
        return Order::Sorted(sorted, as_in_file);
    }
    Order::Cycle(cycle(&sources, &waiting))
}

/// A cycle among the nodes that still wait: each of them has a source that waits too, so going back from any must come round.
fn cycle(sources: &[Vec<usize>], waiting: &[usize]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut position: HashMap<usize, usize> = HashMap::new();
    let mut at = waiting.iter().position(|w| *w > 0);
    while let Some(node) = at {
        if let Some(start) = position.insert(node, path.len()) {
            let mut round = path.split_off(start);
            round.reverse();
            return round;
        }
        path.push(node);
        at = sources[node].iter().copied().find(|source| waiting[*source] > 0);
    }
    path
}
