//! Which nodes run together: elementwise nodes as one program, and a program behind the convolution or matrix product whose result it finishes.

use crate::element;
use crate::lower;
use crate::program::MAX_OPERANDS;
use satura_ir::{Graph, Node, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes of one region.
const REGION_LIMIT: usize = 40;

/// Which elementwise nodes run as one program, and which heavy node each program finishes.
pub(crate) struct Regions {
    /// The last node of the region of each elementwise node.
    pub(crate) root: BTreeMap<NodeId, NodeId>,
    /// The nodes of a region, in order, by root.
    pub(crate) members: BTreeMap<NodeId, Vec<NodeId>>,
    /// The convolution or matrix product that a region finishes, by root.
    pub(crate) producer: BTreeMap<NodeId, NodeId>,
    /// All those producers.
    pub(crate) taken: BTreeSet<NodeId>,
}

impl Regions {
    /// Forms the regions of the nodes in `order`; a region is as large as it can be without computing anything twice.
    pub(crate) fn form(graph: &Graph, order: &[NodeId]) -> Regions {
        let users = graph.users();
        let mut is_output = vec![false; graph.value_count()];
        graph.outputs().iter().for_each(|o| is_output[o.value.0 as usize] = true);
        let live: BTreeSet<NodeId> = order.iter().copied().collect();
        let mut regions = Regions {
            root: BTreeMap::new(),
            members: BTreeMap::new(),
            producer: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        // The one region that reads all uses of a node's result, where the shapes are the same.
        let only_reader = |regions: &Regions, node: &Node| -> Option<NodeId> {
            let [value] = node.outputs[..] else { return None };
            if is_output[value.0 as usize] {
                return None;
            }
            let mut readers = users[value.0 as usize].iter().filter(|id| live.contains(id));
            let root = *regions.root.get(readers.next()?)?;
            let same = readers.all(|id| regions.root.get(id) == Some(&root))
                && graph.ty(graph.node(root).outputs[0]).sizes() == graph.ty(value).sizes();
            same.then_some(root)
        };
        let operands =
            |members: &[NodeId]| members.iter().map(|id| graph.node(*id).inputs.len()).sum::<usize>();
        for id in order.iter().rev() {
            let node = graph.node(*id);
            if element::element(graph, node).is_some() {
                let root = only_reader(&regions, node)
                    .filter(|root| {
                        let members = &regions.members[root];
                        members.len() < REGION_LIMIT
                            && operands(members) + node.inputs.len() - members.len() < MAX_OPERANDS
                    })
                    .unwrap_or(*id);
                regions.root.insert(*id, root);
                regions.members.entry(root).or_default().push(*id);
            } else if lower::takes_epilogue(graph, node)
                && let Some(root) = only_reader(&regions, node)
                && !regions.producer.contains_key(&root)
            {
                regions.producer.insert(root, *id);
                regions.taken.insert(*id);
            }
        }
        regions.members.values_mut().for_each(|m| m.reverse());
        regions
    }
}
