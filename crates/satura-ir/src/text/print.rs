//! Graph to text.

use crate::{Graph, Module, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The text of every graph, separated by empty lines.
pub fn print_module(module: &Module) -> String {
    module.graphs.iter().map(print_graph).collect::<Vec<_>>().join("\n")
}

/// The text of a graph, ending with a line break. Nodes come in topological order.
pub fn print_graph(graph: &Graph) -> String {
    let mut out = format!("graph @{}", name_text(&graph.name));
    write_body(graph, 0, &mut out);
    out.push('\n');
    out
}

/// A name as it is if it is an identifier that does not start with a digit, else in quotes.
fn name_text(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if plain { name.to_owned() } else { format!("{name:?}") }
}

fn write_body(graph: &Graph, indent: usize, out: &mut String) {
    let pad = "  ".repeat(indent);
    let order = graph.order().unwrap_or_else(|_| graph.nodes().map(|(id, _)| id).collect());
    let names = names(graph, &order);
    let name = |v: ValueId| names.get(&v).cloned().unwrap_or_else(|| format!("%undefined_{}", v.0));
    let list = |values: &[ValueId]| values.iter().map(|v| name(*v)).collect::<Vec<_>>().join(", ");

    let inputs: Vec<String> =
        graph.inputs().iter().map(|v| format!("{}: {}", name(*v), graph.ty(*v))).collect();
    let _ = writeln!(out, "({}) {{", inputs.join(", "));
    for id in order {
        let node = graph.node(id);
        let _ = write!(out, "{pad}  {} = {}", list(&node.outputs), node.op.name());
        let attrs: Vec<String> = node.op.print_attrs().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        if !attrs.is_empty() {
            let _ = write!(out, "{{{}}}", attrs.join(", "));
        }
        if !node.inputs.is_empty() {
            let _ = write!(out, " {}", list(&node.inputs));
        }
        for region in &node.regions {
            let _ = write!(out, " region @{}", name_text(&region.name));
            write_body(region, indent + 1, out);
        }
        let types: Vec<String> = node.outputs.iter().map(|v| graph.ty(*v).to_string()).collect();
        let _ = writeln!(out, " : {}", types.join(", "));
    }
    let outputs: Vec<String> =
        graph.outputs().iter().map(|o| format!("{} as {:?}", name(o.value), &*o.name)).collect();
    let _ = write!(out, "{pad}  return {}\n{pad}}}", outputs.join(", "));
}

/// A text name for each value: its own where it has one and it is the first with it, else a number.
fn names(graph: &Graph, order: &[crate::NodeId]) -> BTreeMap<ValueId, String> {
    let mut taken = BTreeSet::new();
    let mut names = BTreeMap::new();
    let mut next = 0;
    let nodes = order.iter().flat_map(|id| graph.node(*id).outputs.iter());
    for id in graph.inputs().iter().chain(nodes) {
        let own = graph.value(*id).name.as_ref().map(|n| name_text(n)).filter(|n| taken.insert(n.clone()));
        let text = own.unwrap_or_else(|| {
            next += 1;
            (next - 1).to_string()
        });
        names.insert(*id, format!("%{text}"));
    }
    names
}
