//! Common subexpressions.

use satura_ir::{Node, NodeId};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Of nodes with the same op, attributes, inputs and regions, keeps the first; constants are equal by content. The order of inputs does not matter where the op is commutative.
pub const DEDUPE: PassInfo = PassInfo {
    name: "dedupe",
    summary: "Computes equal expressions once.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.each_graph(graph, &mut |cx, graph| {
            let mut seen = HashMap::new();
            cx.rewrite_graph(graph, "dedupe", &mut |g, n| dedupe(g, n, &mut seen)).map(|_| ())
        })
    },
};

/// `seen` has the nodes so far by hash; entries that were removed or given other inputs since are dropped when met.
fn dedupe(g: &View<'_>, n: NodeId, seen: &mut HashMap<u64, Vec<NodeId>>) -> Result<Patch, Skip> {
    let node = g.node(n);
    let mut hasher = DefaultHasher::new();
    node.op.hash(&mut hasher);
    inputs_of(node).hash(&mut hasher);
    let candidates = seen.entry(hasher.finish()).or_default();
    candidates.retain(|id| *id != n && g.get_node(*id).is_some());
    let twin = candidates.iter().copied().find(|id| {
        let other = g.node(*id);
        other.op == node.op && inputs_of(other) == inputs_of(node) && other.regions == node.regions
    });
    let Some(twin) = twin else {
        candidates.push(n);
        return Err(Skip::NoMatch);
    };
    let mut patch = g.patch(n);
    patch.replace_all(&node.outputs, &g.node(twin).outputs);
    Ok(patch.finish())
}

fn inputs_of(node: &Node) -> Vec<satura_ir::ValueId> {
    let mut inputs = node.inputs.clone();
    if node.op.algebra().commutative {
        inputs.sort_unstable();
    }
    inputs
}
