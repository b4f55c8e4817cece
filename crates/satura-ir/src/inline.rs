//! Copying a graph into another one.

use crate::{Graph, Node, OpError, ValueId};
use std::collections::BTreeMap;

impl Graph {
    /// Copies the nodes of `body` into this graph, with `inputs` for its inputs, and gives the values of its outputs. Labels, names and the more precise of the recorded and the
    /// inferred types are kept.
    pub fn inline(&mut self, body: &Graph, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        if inputs.len() != body.inputs().len() {
            let message = format!("{} values for {} inputs of a region", inputs.len(), body.inputs().len());
            return Err(OpError::arity(message));
        }
        let mut map: BTreeMap<ValueId, ValueId> =
            body.inputs().iter().copied().zip(inputs.iter().copied()).collect();
        let lookup = |map: &BTreeMap<ValueId, ValueId>, v: &ValueId| {
            let undefined = || OpError::value("the region reads a value that it does not define");
            map.get(v).copied().ok_or_else(undefined)
        };
        let order = body.order().map_err(|_| OpError::value("the region has a cycle"))?;
        for id in order {
            let Node { op, inputs, outputs, regions, label } = body.node(id);
            let arguments = inputs.iter().map(|v| lookup(&map, v)).collect::<Result<Vec<_>, _>>()?;
            let new = self.add_node(op.clone(), arguments, regions.clone())?;
            for (old, new) in outputs.iter().zip(&new) {
                let value = self.value_mut(*new);
                value.ty = value.ty.refined_by(body.ty(*old));
                value.name = body.value(*old).name.clone();
                map.insert(*old, *new);
            }
            if let Some((id, _)) = new.first().and_then(|value| self.producer(*value)) {
                self.node_mut(id).label = label.clone();
            }
        }
        body.outputs().iter().map(|output| lookup(&map, &output.value)).collect()
    }
}
