//! Subgraphs as regions, and attributes.

use super::body::Kind;
use super::{Builder, Scope, Slot, Stop, node_name};
use crate::node::Region;
use crate::order;
use crate::proto::{AttributeProto, GraphProto, NodeProto};
use crate::types;
use satura_import::{AttrValue, Attributes, Code, Diagnostic, escape};
use satura_ir::{Graph, ValueId};
use std::collections::{HashMap, HashSet};

/// The regions of a node, by the name of their attribute.
pub(super) type Regions<'m> = Vec<(&'m str, Region)>;

/// What a subgraph stands in.
pub(super) struct Around<'a, 'm> {
    pub(super) node: &'m NodeProto,
    /// The inputs of the node.
    pub(super) inputs: &'a [Option<ValueId>],
    /// The attribute that holds the subgraph.
    pub(super) attribute: &'m str,
    /// Names and values that any subgraph of the node captures.
    pub(super) captured: &'a [(&'m str, ValueId)],
    /// Names that stand for no value of the graph around: constants, and what failed.
    pub(super) slots: &'a HashMap<&'m str, Slot>,
}

impl<'m> Builder<'m> {
    /// The subgraphs of a node as regions, and the values that they capture: each region takes all of them as inputs. `None` where a captured name failed.
    /// Constants are no captures: each region gets its own.
    pub(super) fn regions(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        node: &'m NodeProto,
        inputs: &[Option<ValueId>],
    ) -> Result<(Option<Vec<ValueId>>, Regions<'m>), Stop> {
        let subgraphs: Vec<(&'m str, &'m GraphProto)> = order::subgraphs(node).collect();
        let mut seen = HashSet::new();
        let free = subgraphs.iter().flat_map(|(_, subgraph)| order::free_names(subgraph));
        let names: Vec<&'m str> = free.filter(|name| seen.insert(*name)).collect();
        let mut captured: Vec<(&'m str, ValueId)> = Vec::new();
        let mut slots: HashMap<&'m str, Slot> = HashMap::new();
        for name in names {
            let known = match scope.names.get(name) {
                Some(Slot::Constant(tensor)) => Some(Slot::Constant(tensor.clone())),
                Some(Slot::Value(value)) => {
                    graph.constant(*value).map(|tensor| Slot::Constant(tensor.clone()))
                }
                Some(Slot::Absent) => Some(Slot::Absent),
                Some(Slot::Failed) | None => None,
            };
            match known {
                Some(slot) => {
                    slots.insert(name, slot);
                }
                None => match self.resolve(graph, scope, name)? {
                    Some(value) => captured.push((name, value)),
                    None => {
                        slots.insert(name, Slot::Failed);
                    }
                },
            }
        }
        let failed = slots.values().any(|slot| matches!(slot, Slot::Failed));
        let mut regions = Vec::new();
        for (attribute, subgraph) in subgraphs {
            let around = Around { node, inputs, attribute, captured: &captured, slots: &slots };
            let region = match around.repeated() {
                Some(form) => self.body(graph, scope, &around, subgraph, form)?,
                None if around.modifies() => self.modifier(graph, scope, &around, subgraph)?,
                None => self.branch(graph, scope, &around, subgraph)?,
            };
            regions.push((attribute, region));
        }
        let values = captured.into_iter().map(|(_, value)| value).collect();
        Ok(((!failed).then_some(values), regions))
    }

    fn branch(
        &mut self,
        graph: &Graph,
        scope: &Scope<'m>,
        around: &Around<'_, 'm>,
        subgraph: &'m GraphProto,
    ) -> Result<Region, Stop> {
        let mut region = Graph::new(around.attribute);
        let mut inner = self.inner_scope(graph, scope, around, &mut region);
        self.inside(graph, around, |builder| {
            builder.graph_body(&mut region, &mut inner, subgraph, Kind::Branch)
        })?;
        Ok(Region { graph: region, optional_first: Vec::new() })
    }

    /// The scope of a region: what it captures becomes inputs of it.
    pub(super) fn inner_scope(
        &self,
        graph: &Graph,
        scope: &Scope<'m>,
        around: &Around<'_, 'm>,
        region: &mut Graph,
    ) -> Scope<'m> {
        let mut names = around.slots.clone();
        for (name, value) in around.captured {
            let input = region.add_input(name, graph.ty(*value).clone());
            region.value_mut(input).known = graph.value(*value).known.clone();
            names.insert(name, Slot::Value(input));
        }
        Scope {
            names,
            declared: HashMap::new(),
            opsets: scope.opsets.clone(),
            prefix: scope.prefix.clone(),
            place: Some(format!("{} of {}", around.attribute, node_name(around.node))),
            call: scope.call.clone(),
            calls: scope.calls.clone(),
        }
    }

    /// Reads a region; what it needs of its captures is needed of the values outside.
    pub(super) fn inside(
        &mut self,
        graph: &Graph,
        around: &Around<'_, 'm>,
        read: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let outside = std::mem::take(&mut self.needs.values);
        read(self)?;
        let inside = std::mem::replace(&mut self.needs.values, outside);
        let captures = around.captured.iter().filter(|(name, _)| inside.contains(*name));
        self.need(graph, captures.map(|(_, value)| *value).collect());
        Ok(())
    }

    /// The attributes of a node; `None` where one is malformed, which is reported.
    pub(super) fn attributes(
        &mut self,
        scope: &Scope<'m>,
        node: &'m NodeProto,
        regions: Regions<'m>,
    ) -> Result<Option<Attributes<Region>>, Stop> {
        let mut attributes = Attributes::default();
        let mut regions: HashMap<&str, Region> = regions.into_iter().collect();
        let mut good = true;
        for attribute in &node.attribute {
            let value = match resolve_reference(scope, attribute) {
                // The function was called without it: the op's own default holds.
                Ok(None) => continue,
                Ok(Some(given)) => self.attribute(given, regions.remove(attribute.name.as_str())),
                Err(error) => Err(error),
            };
            let inserted = value.and_then(|value| attributes.insert(&attribute.name, value));
            if let Err(error) = inserted {
                good = false;
                let error = error.at_attribute(&attribute.name).at_node(&node.op_type, node_name(node));
                self.error(scope, error)?;
            }
        }
        Ok(good.then_some(attributes))
    }

    fn attribute(
        &mut self,
        attribute: &AttributeProto,
        region: Option<Region>,
    ) -> Result<AttrValue<Region>, Diagnostic> {
        let kinds = [
            (attribute.f.is_some(), 1),
            (attribute.i.is_some(), 2),
            (attribute.s.is_some(), 3),
            (attribute.t.is_some(), 4),
            (attribute.g.is_some(), 5),
            (!attribute.floats.is_empty(), 6),
            (!attribute.ints.is_empty(), 7),
            (!attribute.strings.is_empty(), 8),
            (!attribute.tensors.is_empty(), 9),
            (!attribute.graphs.is_empty(), 10),
            (attribute.sparse_tensor.is_some(), 11),
            (!attribute.sparse_tensors.is_empty(), 12),
            (attribute.tp.is_some(), 13),
            (!attribute.type_protos.is_empty(), 14),
        ];
        let given: Vec<i32> = kinds.iter().filter(|(present, _)| *present).map(|(_, kind)| *kind).collect();
        let fail = |message: String| Err(Diagnostic::error(Code::BadAttribute, message));
        if given.len() > 1 {
            return fail("the attribute has two values".to_owned());
        }
        // An empty list leaves nothing but the type, and writers that skip zeros leave out a scalar 0.
        let kind = match (attribute.r#type, given.first()) {
            (0, Some(_)) => return fail("the attribute does not say of which type it is".to_owned()),
            (0, None) => return fail("the attribute has no value".to_owned()),
            (declared, Some(kind)) if declared != *kind => {
                return fail(format!(
                    "the attribute is said to be of type {declared}, its value is of type {kind}"
                ));
            }
            (declared, _) => declared,
        };
        Ok(match kind {
            1 => AttrValue::Float(attribute.f.unwrap_or(0.0)),
            2 => AttrValue::Int(attribute.i.unwrap_or(0)),
            3 => AttrValue::String(attribute.s.as_ref().map(|s| s.to_vec()).unwrap_or_default()),
            4 => match &attribute.t {
                Some(tensor) => AttrValue::Tensor(self.tensors.dense(tensor)?),
                None => return fail("the attribute has no value".to_owned()),
            },
            5 => match region {
                Some(region) => AttrValue::Graph(region),
                None => return fail("a graph cannot be passed to a function".to_owned()),
            },
            6 => AttrValue::Floats(attribute.floats.clone()),
            7 => AttrValue::Ints(attribute.ints.clone()),
            8 => AttrValue::Strings(attribute.strings.iter().map(|s| s.to_vec()).collect()),
            9 => AttrValue::Other("a list of tensors"),
            10 => AttrValue::Other("a list of graphs"),
            11 => match &attribute.sparse_tensor {
                Some(tensor) => AttrValue::Tensor(self.tensors.sparse(tensor)?),
                None => return fail("the attribute has no value".to_owned()),
            },
            12 => AttrValue::Other("a list of sparse tensors"),
            13 => match attribute
                .tp
                .as_ref()
                .map(|tp| types::declared(tp, "type", &mut self.symbols))
                .transpose()?
            {
                Some(Some(ty)) => AttrValue::Type(ty),
                Some(None) | None => return fail("the attribute has no value".to_owned()),
            },
            14 => AttrValue::Other("a list of types"),
            other => return fail(format!("attribute type {other} does not exist")),
        })
    }
}

/// The attribute itself, or in a function the one that the call gave in its place.
pub(super) fn resolve_reference<'m>(
    scope: &Scope<'m>,
    attribute: &'m AttributeProto,
) -> Result<Option<&'m AttributeProto>, Diagnostic> {
    if attribute.ref_attr_name.is_empty() {
        return Ok(Some(attribute));
    }
    let Some(call) = &scope.call else {
        let message = format!(
            "the value is that of \"{}\" of a function, but this is none",
            escape(&attribute.ref_attr_name)
        );
        return Err(Diagnostic::error(Code::BadAttribute, message));
    };
    let given = call.get(attribute.ref_attr_name.as_str()).copied();
    match given {
        Some(given) if attribute.r#type != 0 && given.r#type != 0 && given.r#type != attribute.r#type => {
            let message = format!(
                "type {} is needed, the function was called with type {}",
                attribute.r#type, given.r#type
            );
            Err(Diagnostic::error(Code::BadAttribute, message))
        }
        given => Ok(given),
    }
}
