//! Calls of model-local functions: inlined.

use super::{Builder, FunctionKey, Scope, Slot, Stop, domain_key, fail_outputs, node_name, subgraph};
use crate::model;
use crate::proto::{FunctionProto, NodeProto};
use satura_import::{Code, Diagnostic, escape};
use satura_ir::Graph;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Longer prefixes of names are cut: nested calls would make them grow with every level.
const LONGEST_PREFIX: usize = 200;

impl<'m> Builder<'m> {
    /// Converts the body of a function in the place of the node that calls it.
    pub(super) fn call(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        node: &'m NodeProto,
        key: FunctionKey<'m>,
        function: &'m FunctionProto,
    ) -> Result<(), Stop> {
        match self.prepare(graph, scope, node, key, function)? {
            Ok(mut inner) => {
                let mut own: HashSet<&str> = function.input.iter().map(String::as_str).collect();
                self.define_once(&mut inner, &function.node, &mut own)?;
                self.nodes(graph, &mut inner, &function.node)?;
                for (name, result) in node.output.iter().zip(&function.output) {
                    if name.is_empty() {
                        continue;
                    }
                    let slot = match self.resolve(graph, &mut inner, result)? {
                        Some(value) => {
                            graph
                                .value_mut(value)
                                .name
                                .get_or_insert_with(|| format!("{}{name}", scope.prefix).as_str().into());
                            Slot::Value(value)
                        }
                        None => Slot::Failed,
                    };
                    scope.names.insert(name, slot.clone());
                    if let Slot::Value(value) = slot {
                        self.check_declared(graph, scope, name, value)?;
                    }
                }
                Ok(())
            }
            Err(error) => {
                fail_outputs(scope, node);
                self.error(scope, error.at_node(&node.op_type, node_name(node)))
            }
        }
    }

    /// The scope of the body: the inputs and attributes of the call under the function's names.
    fn prepare(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        node: &'m NodeProto,
        key: FunctionKey<'m>,
        function: &'m FunctionProto,
    ) -> Result<Result<Scope<'m>, Diagnostic>, Stop> {
        let fail = |message: String| Ok(Err(Diagnostic::error(Code::Function, message)));
        if scope.calls.contains(&key) {
            return fail(format!("the function \"{}\" calls itself", escape(&function.name)));
        }
        if scope.calls.len() >= self.options.limits.depth {
            let message = format!("function calls nest deeper than {}", self.options.limits.depth);
            return Ok(Err(Diagnostic::error(Code::ResourceLimit, message)));
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return fail(format!(
                "the function takes {} inputs and gives {} outputs, the node has {} and {}",
                function.input.len(),
                function.output.len(),
                node.input.len(),
                node.output.len()
            ));
        }
        let opsets = match model::opsets(&function.opset_import) {
            Ok(opsets) if opsets.is_empty() && !function.node.is_empty() => scope.opsets.clone(),
            Ok(opsets) => Rc::new(opsets),
            Err(error) => return Ok(Err(error)),
        };
        let mut names = HashMap::new();
        for (at, inner) in function.input.iter().enumerate() {
            match node.input.get(at).filter(|name| !name.is_empty()) {
                Some(outer) => {
                    let slot = match scope.names.get(outer.as_str()) {
                        Some(Slot::Constant(tensor)) => Slot::Constant(tensor.clone()),
                        Some(Slot::Absent) => Slot::Absent,
                        _ => self.resolve(graph, scope, outer)?.map_or(Slot::Failed, Slot::Value),
                    };
                    names.insert(inner.as_str(), slot);
                }
                // An input that was not given is absent wherever the body reads it.
                None => {
                    names.insert(inner.as_str(), Slot::Absent);
                }
            }
        }
        let mut attributes = HashMap::new();
        for attribute in &node.attribute {
            match subgraph::resolve_reference(scope, attribute) {
                Ok(Some(given)) => {
                    attributes.insert(attribute.name.as_str(), given);
                }
                Ok(None) => {}
                Err(error) => return Ok(Err(error.at_attribute(&attribute.name))),
            }
        }
        for default in &function.attribute_proto {
            attributes.entry(default.name.as_str()).or_insert(default);
        }
        let known = |name: &&str| {
            function.attribute.iter().any(|a| a == name)
                || function.attribute_proto.iter().any(|a| a.name == **name)
        };
        if let Some(name) = attributes.keys().copied().find(|name| !known(name)) {
            return Ok(Err(Diagnostic::error(Code::UnknownAttribute, "the function has no such attribute")
                .at_attribute(name)));
        }
        let mut calls = scope.calls.clone();
        calls.push(key);
        let name = format!("{}{}", scope.prefix, node_name(node));
        let prefix = self.new_prefix(&name);
        let shown = match domain_key(&function.domain) {
            "" => function.name.clone(),
            domain => format!("{domain}::{}", function.name),
        };
        Ok(Ok(Scope {
            names,
            declared: HashMap::new(),
            opsets,
            prefix,
            place: Some(format!("function {shown}, called by {}", node_name(node))),
            call: Some(Rc::new(attributes)),
            calls,
        }))
    }

    /// A prefix for the names of an inlined body that no other call has.
    fn new_prefix(&mut self, name: &str) -> String {
        let short: String = name.chars().take(LONGEST_PREFIX).collect();
        let count = self.prefixes.entry(short.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { format!("{short}/") } else { format!("{short}_{count}/") }
    }
}
