//! Conditions that are known when a model is read: the branch that runs is read in the place of the node, and the other one, which may fit nothing, is not read at all.

use super::body::Kind;
use super::{Builder, Scope, Slot, Stop, domain_key, fail_outputs, node_name};
use crate::order;
use crate::proto::{GraphProto, NodeProto};
use satura_import::{Code, Diagnostic};
use satura_ir::{Graph, SymTensor, ValueId};
use satura_tensor::{Elements, Tensor};
use std::collections::HashMap;

/// The one truth value of a tensor.
fn truth(tensor: &Tensor) -> Option<bool> {
    match &tensor.to_elements() {
        Elements::Bool(v) if v.len() == 1 => Some(v[0]),
        _ => None,
    }
}

/// The subgraph of a node in an attribute, if it is there as such.
fn subgraph<'m>(node: &'m NodeProto, name: &str) -> Option<&'m GraphProto> {
    let mut found = node.attribute.iter().filter(|attribute| attribute.name == name);
    let attribute = found.next().filter(|attribute| attribute.ref_attr_name.is_empty())?;
    attribute.g.as_ref().filter(|_| found.next().is_none())
}

impl<'m> Builder<'m> {
    /// The branch of a well-formed `If` that runs, and the attribute that holds it; `None` where the condition is not known.
    pub(super) fn known_branch(
        &self,
        graph: &Graph,
        node: &'m NodeProto,
        inputs: &[Option<ValueId>],
    ) -> Option<(&'static str, &'m GraphProto)> {
        if !domain_key(&node.domain).is_empty() || node.op_type != "If" || node.attribute.len() != 2 {
            return None;
        }
        let (then, other) = (subgraph(node, "then_branch")?, subgraph(node, "else_branch")?);
        let [Some(condition)] = inputs else { return None };
        let known = graph.value(*condition).known.as_ref().and_then(SymTensor::constants);
        let holds = match known.as_deref() {
            Some([holds]) if graph.ty(*condition).dtype() == Some(satura_tensor::DType::Bool) => *holds != 0,
            _ => truth(graph.constant(*condition)?)?,
        };
        Some(if holds { ("then_branch", then) } else { ("else_branch", other) })
    }

    /// Reads the nodes of a branch into the graph that its node is in.
    pub(super) fn inline_branch(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        node: &'m NodeProto,
        (attribute, branch): (&str, &'m GraphProto),
    ) -> Result<(), Stop> {
        let mut names: HashMap<&'m str, Slot> = HashMap::new();
        for name in order::free_names(branch) {
            // What is defined nowhere is reported where the branch reads it.
            if let Some(slot) = scope.names.get(name) {
                names.insert(name, slot.clone());
            }
        }
        let mut inner = Scope {
            names,
            declared: HashMap::new(),
            opsets: scope.opsets.clone(),
            prefix: scope.prefix.clone(),
            place: Some(format!("{attribute} of {}", node_name(node))),
            call: scope.call.clone(),
            calls: scope.calls.clone(),
        };
        self.graph_nodes(graph, &mut inner, branch, Kind::Branch)?;
        if node.output.len() > branch.output.len() {
            let message =
                format!("{} outputs are named, the branch gives {}", node.output.len(), branch.output.len());
            fail_outputs(scope, node);
            let error = Diagnostic::error(Code::InputCount, message);
            return self.error(scope, error.at_node(&node.op_type, node_name(node)));
        }
        for (name, info) in node.output.iter().zip(&branch.output) {
            let result = self.resolve(graph, &mut inner, &info.name)?;
            if let Some(value) = result {
                self.check_declared(graph, &inner, &info.name, value)?;
            }
            if name.is_empty() {
                continue;
            }
            scope.names.insert(name, result.map_or(Slot::Failed, Slot::Value));
            if let Some(value) = result {
                self.check_declared(graph, scope, name, value)?;
            }
        }
        Ok(())
    }
}
