//! Decomposing the composites that a back end does not keep.

use crate::verify::VerifyError;
use crate::{Graph, NodeId, Op, OpErrorKind};

/// Replaces every composite for which `keeps` is false by its decomposition, to any depth, also in regions. Composites whose decomposition needs values
/// that are not known yet stay. Gives how many were replaced.
pub fn legalize(graph: &mut Graph, keeps: &dyn Fn(&Op) -> bool) -> Result<usize, VerifyError> {
    let mut replaced = 0;
    let mut pending: Vec<NodeId> = graph.order().map_err(|cycle| VerifyError::cycle(graph, &cycle))?;
    pending.reverse();
    while let Some(id) = pending.pop() {
        let node = graph.node(id);
        if !node.regions.is_empty() {
            let mut regions = std::mem::take(&mut graph.node_mut(id).regions);
            for region in &mut regions {
                replaced += legalize(region, keeps)?;
            }
            graph.node_mut(id).regions = regions;
            continue;
        }
        if keeps(&node.op) || node.op.prim().is_some() {
            continue;
        }
        let (op, inputs, outputs, label) =
            (node.op.clone(), node.inputs.clone(), node.outputs.clone(), node.label.clone());
        let first_new = graph.node_bound();
        let Some(result) = op.decompose(graph, &inputs) else { continue };
        let added: Vec<NodeId> =
            (first_new..graph.node_bound()).map(NodeId).filter(|n| graph.get_node(*n).is_some()).collect();
        let values = match result {
            Ok(values) => values,
            Err(error) => {
                added.iter().rev().for_each(|n| graph.remove_node(*n));
                if error.kind == OpErrorKind::Unknown {
                    continue;
                }
                return Err(VerifyError::node(graph, id, error));
            }
        };
        for node in &added {
            graph.node_mut(*node).label = label.clone();
        }
        graph.replace_all_uses(&outputs.into_iter().zip(values).collect());
        graph.remove_node(id);
        pending.extend(added.into_iter().rev());
        replaced += 1;
    }
    Ok(replaced)
}
