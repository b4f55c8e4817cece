//! Dead code.

use satura_ir::{Graph, NodeId};
use satura_pass::{Contract, PassCx, PassError, PassInfo, PassOptions};

/// Removes every node from which no output can be reached, in regions too.
pub const DCE: PassInfo = PassInfo {
    name: "dce",
    summary: "Removes nodes that no output depends on.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| cx.each_graph(graph, &mut sweep),
};

fn sweep(cx: &mut PassCx<'_>, graph: &mut Graph) -> Result<(), PassError> {
    let mut live = vec![false; graph.node_bound() as usize];
    let mut pending: Vec<_> = graph.outputs().iter().map(|output| output.value).collect();
    while let Some(value) = pending.pop() {
        if let Some((id, node)) = graph.producer(value)
            && !std::mem::replace(&mut live[id.0 as usize], true)
        {
            pending.extend(&node.inputs);
        }
    }
    let dead: Vec<NodeId> = graph.nodes().map(|(id, _)| id).filter(|id| !live[id.0 as usize]).collect();
    // All or none: a dead node may be read by other dead ones.
    if !dead.is_empty() && cx.take_change() {
        dead.into_iter().for_each(|id| graph.remove_node(id));
    }
    Ok(())
}
