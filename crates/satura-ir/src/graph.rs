//! Graphs: SSA dataflow in an arena.

use crate::{Op, OpError, SymTensor, Type, infer};
use satura_tensor::{Bindings, Symbol, Tensor};
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::sync::Arc;

/// A node of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A value of one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {}", self.0)
    }
}

/// An operation applied to values.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// What it defines.
    pub outputs: Vec<ValueId>,
    /// The bodies of a control-flow op. They see nothing but their own inputs.
    pub regions: Vec<Graph>,
    /// The name in the source model, for messages.
    pub label: Option<Arc<str>>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Def {
    /// The graph's input of that position.
    Input(usize),
    /// The node's output of that position.
    Node(NodeId, usize),
    /// Nothing any more: its node was removed.
    Removed,
}

/// A value: defined once, read any number of times.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The type.
    pub ty: Type,
    /// The name in the source model.
    pub name: Option<Arc<str>>,
    /// The producer.
    pub def: Def,
    /// The elements, where they are small integers known at compile time.
    pub known: Option<SymTensor>,
}

/// A result of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The value given.
    pub value: ValueId,
    /// The name, which no pass changes.
    pub name: Arc<str>,
}

/// SSA dataflow with named inputs and outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The name.
    pub name: String,
    nodes: Vec<Option<Node>>,
    values: Vec<Value>,
    inputs: Vec<ValueId>,
    outputs: Vec<Output>,
}

/// The graphs of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// In order of the file.
    pub graphs: Vec<Graph>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Graph { name: name.to_owned(), ..Graph::default() }
    }

    /// Adds an input.
    pub fn add_input(&mut self, name: &str, ty: Type) -> ValueId {
        let id = self.new_value(Value {
            ty,
            name: Some(name.into()),
            def: Def::Input(self.inputs.len()),
            known: None,
        });
        self.inputs.push(id);
        id
    }

    /// Adds an output.
    pub fn add_output(&mut self, name: &str, value: ValueId) {
        self.outputs.push(Output { value, name: name.into() });
    }

    /// Makes output `index` give `value`, keeping its name.
    pub fn set_output(&mut self, index: usize, value: ValueId) {
        self.outputs[index].value = value;
    }

    /// Adds a node after checking its arity and inferring the types of its outputs.
    pub fn add_node(
        &mut self,
        op: Op,
        inputs: Vec<ValueId>,
        regions: Vec<Graph>,
    ) -> Result<Vec<ValueId>, OpError> {
        let (types, known) = infer::infer_node(self, &op, &inputs, &regions)?;
        Ok(self.add_node_unchecked(op, inputs, regions, types, known))
    }

    /// Adds a node whose output types are given. The text parser and importers use it where inference cannot know a type.
    pub fn add_node_unchecked(
        &mut self,
        op: Op,
        inputs: Vec<ValueId>,
        regions: Vec<Graph>,
        types: Vec<Type>,
        known: Option<SymTensor>,
    ) -> Vec<ValueId> {
        let node = NodeId(u32::try_from(self.nodes.len()).expect("a graph has fewer than 2^32 nodes"));
        let mut known = known;
        let outputs: Vec<ValueId> = types
            .into_iter()
            .enumerate()
            .map(|(i, ty)| {
                let known = if i == 0 { known.take() } else { None };
                self.new_value(Value { ty, name: None, def: Def::Node(node, i), known })
            })
            .collect();
        self.nodes.push(Some(Node { op, inputs, outputs: outputs.clone(), regions, label: None }));
        outputs
    }

    fn new_value(&mut self, value: Value) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).expect("a graph has fewer than 2^32 values"));
        self.values.push(value);
        id
    }

    /// Removes the input of a position, which nothing may read any more.
    pub fn remove_input(&mut self, index: usize) {
        let id = self.inputs.remove(index);
        self.value_mut(id).def = Def::Removed;
        for (position, id) in self.inputs.clone().into_iter().enumerate().skip(index) {
            self.value_mut(id).def = Def::Input(position);
        }
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// A value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// A value, to change its type, name or known elements.
    pub fn value_mut(&mut self, id: ValueId) -> &mut Value {
        &mut self.values[id.0 as usize]
    }

    /// One more than the greatest value id.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The type of a value.
    pub fn ty(&self, id: ValueId) -> &Type {
        &self.value(id).ty
    }

    /// A node.
    ///
    /// # Panics
    /// If it was removed.
    #[track_caller]
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes[id.0 as usize].as_ref().expect("the node was not removed")
    }

    /// A node, to change.
    ///
    /// # Panics
    /// If it was removed.
    #[track_caller]
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.0 as usize].as_mut().expect("the node was not removed")
    }

    /// A node, unless it was removed.
    pub fn get_node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize).and_then(Option::as_ref)
    }

    /// The nodes, by id. Not in topological order: see [`order`](Self::order).
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .filter_map(|(i, node)| node.as_ref().map(|node| (NodeId(i as u32), node)))
    }

    /// One more than the greatest node id.
    pub fn node_bound(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// The number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.iter().flatten().count()
    }

    /// The node that defines a value.
    pub fn producer(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        match self.value(value).def {
            Def::Node(id, _) => self.get_node(id).map(|node| (id, node)),
            Def::Input(_) | Def::Removed => None,
        }
    }

    /// The tensor of a value that a constant node defines.
    pub fn constant(&self, value: ValueId) -> Option<&Tensor> {
        match &self.producer(value)?.1.op {
            Op::Const(constant) => Some(&constant.value),
            _ => None,
        }
    }

    /// Removes a node. Its outputs must not be read any more.
    pub fn remove_node(&mut self, id: NodeId) {
        if let Some(node) = self.nodes[id.0 as usize].take() {
            for output in node.outputs {
                self.value_mut(output).def = Def::Removed;
            }
        }
    }

    /// Makes every reader of `old`, graph outputs included, read `new`. `new` takes the name of `old` if it has none.
    pub fn replace_uses(&mut self, old: ValueId, new: ValueId) {
        self.replace_all_uses(&BTreeMap::from([(old, new)]));
    }

    /// [`replace_uses`](Self::replace_uses) for many values in one sweep. Chains (`a -> b`, `b -> c`) are followed.
    pub fn replace_all_uses(&mut self, map: &BTreeMap<ValueId, ValueId>) {
        let resolve = |value: ValueId| {
            let mut at = value;
            for _ in 0..=map.len() {
                match map.get(&at) {
                    Some(next) if *next != at => at = *next,
                    _ => return at,
                }
            }
            value
        };
        for input in self.nodes.iter_mut().flatten().flat_map(|n| &mut n.inputs) {
            *input = resolve(*input);
        }
        for output in &mut self.outputs {
            output.value = resolve(output.value);
        }
        for old in map.keys() {
            let new = resolve(*old);
            if self.value(new).name.is_none() && !matches!(self.value(*old).def, Def::Input(_)) {
                let name = self.value(*old).name.clone();
                self.value_mut(new).name = name;
            }
        }
    }

    /// How often each value is read, by value id; graph outputs count.
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.values.len()];
        for (_, node) in self.nodes() {
            node.inputs.iter().for_each(|v| counts[v.0 as usize] += 1);
        }
        self.outputs.iter().for_each(|o| counts[o.value.0 as usize] += 1);
        counts
    }

    /// The nodes that read a value, each once, by value id.
    pub fn users(&self) -> Vec<Vec<NodeId>> {
        let mut users = vec![Vec::new(); self.values.len()];
        for (id, node) in self.nodes() {
            for input in &node.inputs {
                let list: &mut Vec<NodeId> = &mut users[input.0 as usize];
                if list.last() != Some(&id) {
                    list.push(id);
                }
            }
        }
        users
    }

    /// The nodes so that each comes after what it reads; among the free ones the least id first. On a cycle, the nodes on it.
    pub fn order(&self) -> Result<Vec<NodeId>, Vec<NodeId>> {
        let mut waiting: Vec<usize> = vec![0; self.nodes.len()];
        let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes() {
            for input in &node.inputs {
                if let Def::Node(producer, _) = self.value(*input).def {
                    waiting[id.0 as usize] += 1;
                    readers[producer.0 as usize].push(id);
                }
            }
        }
        let mut free: BinaryHeap<std::cmp::Reverse<NodeId>> = self
            .nodes()
            .map(|(id, _)| id)
            .filter(|id| waiting[id.0 as usize] == 0)
            .map(std::cmp::Reverse)
            .collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(std::cmp::Reverse(id)) = free.pop() {
            order.push(id);
            for reader in &readers[id.0 as usize] {
                waiting[reader.0 as usize] -= 1;
                if waiting[reader.0 as usize] == 0 {
                    free.push(std::cmp::Reverse(*reader));
                }
            }
        }
        if order.len() == self.node_count() { Ok(order) } else { Err(self.a_cycle()) }
    }

    /// The smallest strongly connected part with more than one node, or a node that reads itself.
    fn a_cycle(&self) -> Vec<NodeId> {
        let mut edges = petgraph::graphmap::DiGraphMap::<u32, ()>::new();
        for (id, node) in self.nodes() {
            edges.add_node(id.0);
            for input in &node.inputs {
                if let Def::Node(producer, _) = self.value(*input).def {
                    edges.add_edge(producer.0, id.0, ());
                }
            }
        }
        petgraph::algo::tarjan_scc(&edges)
            .into_iter()
            .filter(|part| part.len() > 1 || edges.contains_edge(part[0], part[0]))
            .min_by_key(Vec::len)
            .unwrap_or_default()
            .into_iter()
            .rev()
            .map(NodeId)
            .collect()
    }

    /// The symbols in the types of the inputs, each once, in order of appearance.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::new();
        for input in &self.inputs {
            for symbol in self.ty(*input).symbols() {
                if !symbols.contains(&symbol) {
                    symbols.push(symbol);
                }
            }
        }
        symbols
    }

    /// The graph with symbols bound: input types and dimension attributes are replaced, everything else is inferred anew.
    pub fn bind(&self, bindings: &Bindings) -> Result<Graph, crate::VerifyError> {
        let mut bound = self.clone();
        bound.bind_in_place(bindings);
        infer::infer_graph(&mut bound)?;
        Ok(bound)
    }

    fn bind_in_place(&mut self, bindings: &Bindings) {
        for value in &mut self.values {
            value.ty = value.ty.bind(bindings);
        }
        for node in self.nodes.iter_mut().flatten() {
            node.op.bind(bindings);
            node.regions.iter_mut().for_each(|region| region.bind_in_place(bindings));
        }
    }

    /// The graph without removed nodes and values, ids counted anew in topological order.
    ///
    /// # Panics
    /// If the graph has a cycle.
    pub fn compacted(&self) -> Graph {
        let mut out = Graph::new(&self.name);
        let mut map: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        for input in &self.inputs {
            let id = out.new_value(self.value(*input).clone());
            out.inputs.push(id);
            map.insert(*input, id);
        }
        for id in self.order().expect("a verified graph has no cycle") {
            let node = self.node(id);
            let new_id = NodeId(out.nodes.len() as u32);
            let outputs = node
                .outputs
                .iter()
                .enumerate()
                .map(|(i, old)| {
                    let new = out.new_value(Value { def: Def::Node(new_id, i), ..self.value(*old).clone() });
                    map.insert(*old, new);
                    new
                })
                .collect();
            let inputs = node.inputs.iter().map(|v| map[v]).collect();
            let regions = node.regions.iter().map(Graph::compacted).collect();
            out.nodes.push(Some(Node { inputs, outputs, regions, ..node.clone() }));
        }
        out.outputs =
            self.outputs.iter().map(|o| Output { value: map[&o.value], name: o.name.clone() }).collect();
        out
    }
}
