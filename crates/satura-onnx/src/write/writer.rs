//! From a graph to nodes: names, constants, subgraphs, and ops that are written as their decomposition.

use super::cx::{Cx, NoForm};
use super::error::{Refusal, WriteError};
use super::lacking::without_lacking;
use super::names::{Name, NamePool};
use super::value_types::value_info;
use super::{WRITTEN_OPSETS, WriteOptions, table};
use crate::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use satura_ir::{Def, Graph, Node, Op, OpErrorKind, Type, ValueId};
use satura_tensor::{DType, Symbol, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Constants of at most this many bytes belong to the subgraph that reads them; larger ones lie in the main graph, once.
const SMALL: usize = 1024;

/// A constant of the main graph.
pub(super) struct Constant {
    /// Its name.
    pub(super) name: Name,
    /// Its value.
    pub(super) tensor: Tensor,
}

/// Where an extent can be read at run time: `(extent - offset) / factor` is the symbol.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) value: Name,
    pub(super) axis: usize,
    pub(super) factor: i64,
    pub(super) offset: i64,
}

/// Constants that are the same: by their elements where they are few, else by where those lie.
#[derive(PartialEq, Eq, Hash)]
enum Same {
    Elements(DType, Vec<usize>, Vec<u8>),
    Place(DType, Vec<usize>, usize),
}

/// The main graph or a subgraph while it is written.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) nodes: Vec<NodeProto>,
    constants: Vec<Constant>,
    same: HashMap<Same, Name>,
    infos: Vec<ValueInfoProto>,
    sources: HashMap<Symbol, Source>,
    /// Symbols whose value was computed already, as i64 vectors of one element.
    pub(super) symbols: Vec<(Symbol, Name)>,
}

/// How much was written when an attempt began.
struct Mark {
    nodes: usize,
    constants: Vec<usize>,
    symbols: usize,
}

/// Writes the graphs of one model.
pub(super) struct Writer {
    /// The version of the standard operator set.
    pub(super) version: i64,
    value_infos: bool,
    pub(super) names: NamePool,
    node_names: NamePool,
    /// The main graph, and the subgraphs around what is being written, innermost last.
    frames: Vec<Frame>,
    refusals: Vec<Refusal>,
    /// How many nodes of each op were written in terms of others.
    expanded: BTreeMap<String, usize>,
    /// The versions of other domains that nodes use.
    pub(super) domains: BTreeMap<&'static str, i64>,
    /// The element types that the file holds: they decide the least version of the format.
    pub(super) dtypes: HashSet<DType>,
}

/// What was written of the main graph.
pub(super) struct Written {
    pub(super) graph: GraphProto,
    pub(super) constants: Vec<Constant>,
    pub(super) domains: BTreeMap<&'static str, i64>,
    pub(super) dtypes: HashSet<DType>,
    pub(super) expanded: BTreeMap<String, usize>,
}

/// The names of the values of a graph; constants get theirs when something reads them.
type Names = Vec<Option<Name>>;

/// A main graph.
pub(super) fn write(graph: &Graph, options: &WriteOptions) -> Result<Written, WriteError> {
    if !WRITTEN_OPSETS.contains(&options.opset) {
        return Err(WriteError::Opset(options.opset));
    }
    let mut writer = Writer {
        version: options.opset,
        value_infos: options.value_info,
        names: NamePool::default(),
        node_names: NamePool::default(),
        frames: vec![Frame::default()],
        refusals: Vec::new(),
        expanded: BTreeMap::new(),
        domains: BTreeMap::new(),
        dtypes: HashSet::new(),
    };
    let rewritten = without_lacking(graph, options.opset);
    let graph = rewritten.as_ref().unwrap_or(graph);
    let mut names: Names = vec![None; graph.value_count()];
    let mut inputs = Vec::new();
    for id in graph.inputs() {
        let name: Name = graph.value(*id).name.as_deref().unwrap_or_default().into();
        if name.is_empty() || !writer.names.reserve(&name) {
            return Err(WriteError::Graph(format!("the input name {name:?} is empty or given twice")));
        }
        inputs.push(value_info(&name, graph.ty(*id)));
        names[id.0 as usize] = Some(name.clone());
        writer.define(graph, *id, &name);
    }
    let mut outputs = Vec::new();
    for output in graph.outputs() {
        let name: Name = (&*output.name).into();
        let is_input = names[output.value.0 as usize].as_ref() == Some(&name);
        if name.is_empty() || !(writer.names.reserve(&name) || is_input) {
            let message = format!(
                "the output name {name:?} is empty, given twice or that of an input: names of the format mean one value"
            );
            return Err(WriteError::Graph(message));
        }
        outputs.push(name);
    }
    // Names that the source model gave are for its own values before they are for what is added.
    for value in graph.nodes().flat_map(|(_, node)| &node.outputs) {
        if let Some(name) = graph.value(*value).name.as_deref().filter(|name| !name.is_empty())
            && graph.constant(*value).is_none()
            && !graph.outputs().iter().any(|o| o.value == *value)
        {
            names[value.0 as usize] = Some(writer.names.fresh(name));
        }
    }
    writer.body(graph, &mut names, &outputs);
    if !writer.refusals.is_empty() {
        return Err(WriteError::Ops { opset: options.opset, refusals: writer.refusals });
    }
    let infos = graph.outputs().iter().zip(&outputs);
    let output = infos.map(|(output, name)| value_info(name, graph.ty(output.value))).collect();
    for value in graph.inputs().iter().copied().chain(graph.outputs().iter().map(|o| o.value)) {
        writer.dtypes.extend(graph.ty(value).dtype());
    }
    let frame = writer.frames.pop().expect("the main graph is the outermost frame");
    let proto = GraphProto {
        name: if graph.name.is_empty() { "main".to_owned() } else { graph.name.clone() },
        node: frame.nodes,
        input: inputs,
        output,
        value_info: frame.infos,
        ..GraphProto::default()
    };
    Ok(Written {
        graph: proto,
        constants: frame.constants,
        domains: writer.domains,
        dtypes: writer.dtypes,
        expanded: writer.expanded,
    })
}

impl Writer {
    /// The subgraph or main graph being written.
    pub(super) fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the main graph is the outermost frame")
    }

    /// The value of a symbol that was computed already, here or around.
    pub(super) fn computed(&self, symbol: &Symbol) -> Option<&Name> {
        let mut all = self.frames.iter().rev().flat_map(|frame| &frame.symbols);
        all.find(|(known, _)| known == symbol).map(|(_, name)| name)
    }

    /// Where the value of a symbol can be read.
    pub(super) fn source(&self, symbol: &Symbol) -> Option<&Source> {
        self.frames.iter().rev().find_map(|frame| frame.sources.get(symbol))
    }

    /// Nodes so that every output is defined under its name. Unread nodes are left out.
    fn body(&mut self, graph: &Graph, names: &mut Names, outputs: &[Name]) {
        for (output, name) in graph.outputs().iter().zip(outputs) {
            let slot = &mut names[output.value.0 as usize];
            let of_node = matches!(graph.value(output.value).def, Def::Node(..))
                && graph.constant(output.value).is_none();
            if of_node && slot.is_none() {
                *slot = Some(name.clone());
            }
        }
        let Ok(order) = graph.order() else {
            return self.refuse("graph", None, "the nodes depend on each other in a cycle".to_owned());
        };
        let mut read: Vec<bool> = vec![false; graph.value_count()];
        graph.outputs().iter().for_each(|o| read[o.value.0 as usize] = true);
        let mut live = Vec::new();
        for id in order.into_iter().rev() {
            let node = graph.node(id);
            if node.outputs.iter().any(|v| read[v.0 as usize]) {
                node.inputs.iter().for_each(|v| read[v.0 as usize] = true);
                live.push(id);
            }
        }
        for id in live.into_iter().rev() {
            self.node(graph, names, graph.node(id), &read);
        }
        for (output, name) in graph.outputs().iter().zip(outputs) {
            let value = self.value(graph, names, output.value);
            if value != *name {
                let since = match graph.ty(output.value) {
                    Type::Tensor(_) => Some(1),
                    Type::Sequence(_) => Some(14),
                    Type::Optional(_) => Some(16),
                    Type::Map(..) => None,
                };
                if since.is_none_or(|since| self.version < since) {
                    let reason = format!("Identity takes no {}", graph.ty(output.value));
                    self.refuse("output", Some(name), reason);
                }
                self.push("Identity", "", &[value], vec![name.clone()], Vec::new(), None);
            }
        }
    }

    /// The name of a value that is an input, a constant, or defined by a node that comes before.
    pub(super) fn value(&mut self, graph: &Graph, names: &mut Names, id: ValueId) -> Name {
        if let Some(name) = &names[id.0 as usize] {
            return name.clone();
        }
        let name = match graph.constant(id) {
            Some(tensor) => self.constant(tensor, graph.value(id).name.as_deref()),
            None => self.names.fresh(graph.value(id).name.as_deref().unwrap_or_default()),
        };
        names[id.0 as usize] = Some(name.clone());
        name
    }

    /// A constant; the same one again where there is one already.
    pub(super) fn constant(&mut self, tensor: &Tensor, name: Option<&str>) -> Name {
        let (dtype, shape, bytes) = (tensor.dtype(), tensor.shape().to_vec(), tensor.bytes());
        let small = bytes.len() <= SMALL;
        let named = name.filter(|n| !n.is_empty());
        let key = match dtype {
            DType::String => None,
            _ if small && named.is_none() => Some(Same::Elements(dtype, shape, bytes.to_vec())),
            _ => Some(Same::Place(dtype, shape, bytes.as_ptr() as usize)),
        };
        let at = if small { self.frames.len() - 1 } else { 0 };
        if let Some(known) = key.as_ref().and_then(|key| self.frames[at].same.get(key)) {
            return known.clone();
        }
        self.dtypes.insert(dtype);
        let name = self.names.fresh(named.unwrap_or("constant"));
        let frame = &mut self.frames[at];
        frame.constants.push(Constant { name: name.clone(), tensor: tensor.clone() });
        if let Some(key) = key {
            frame.same.insert(key, name.clone());
        }
        name
    }

    /// Adds a node. Trailing inputs and outputs that are absent are left out.
    pub(super) fn push(
        &mut self,
        op: &str,
        domain: &str,
        inputs: &[Name],
        mut outputs: Vec<Name>,
        attributes: Vec<AttributeProto>,
        label: Option<&str>,
    ) {
        let given = inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        while outputs.len() > 1 && outputs.last().is_some_and(|name| name.is_empty()) {
            outputs.pop();
        }
        let name = self.node_names.fresh(label.unwrap_or(op)).to_string();
        let node = NodeProto {
            input: inputs[..given].iter().map(|n| n.to_string()).collect(),
            output: outputs.iter().map(|n| n.to_string()).collect(),
            name,
            op_type: op.to_owned(),
            attribute: attributes,
            domain: domain.to_owned(),
            overload: String::new(),
        };
        self.frame().nodes.push(node);
    }

    /// Notes that nodes use another domain than the standard one, in that version or a later one.
    pub(super) fn use_domain(&mut self, domain: &'static str, least: i64) {
        let version = self.domains.entry(domain).or_insert(least);
        *version = (*version).max(least);
    }

    /// Notes where the symbols in the type of a value can be read from now on.
    fn define(&mut self, graph: &Graph, id: ValueId, name: &Name) {
        let Some(shape) = graph.ty(id).shape() else { return };
        for (axis, dim) in shape.iter().enumerate() {
            let terms: Vec<_> = dim.terms().collect();
            let offset = terms.iter().find(|(_, atoms)| atoms.is_empty()).map_or(0, |(c, _)| *c);
            let mut unknown = terms.iter().filter(|(_, atoms)| !atoms.is_empty());
            let (Some((factor, [(satura_tensor::Atom::Symbol(symbol), 1)])), None) =
                (unknown.next(), unknown.next())
            else {
                continue;
            };
            if self.source(symbol).is_none() {
                let source = Source { value: name.clone(), axis, factor: *factor, offset };
                self.frame().sources.insert(symbol.clone(), source);
            }
        }
    }

    fn node(&mut self, graph: &Graph, names: &mut Names, node: &Node, read: &[bool]) {
        if matches!(node.op, Op::Const(_)) {
            return;
        }
        let outputs: Vec<Name> = node
            .outputs
            .iter()
            .map(|v| if read[v.0 as usize] { self.value(graph, names, *v) } else { "".into() })
            .collect();
        let mark = self.mark();
        let written = match table::find(node.op.name()) {
            Some(run) => run(&mut Cx::new(self, graph, names, node, &outputs), &node.op),
            None => Err(NoForm::new("it has no form of its own")),
        };
        if let Err(NoForm(reason)) = written {
            self.roll_back(mark, names);
            self.expand(graph, names, node, &outputs, reason);
        }
        for (id, name) in node.outputs.iter().zip(&outputs).filter(|(_, name)| !name.is_empty()) {
            self.define(graph, *id, name);
            self.dtypes.extend(graph.ty(*id).dtype());
            if self.value_infos && !graph.outputs().iter().any(|o| o.value == *id) {
                let info = value_info(name, graph.ty(*id));
                self.frame().infos.push(info);
            }
        }
    }

    /// Writes the decomposition of a composite; notes `reason` where it has none.
    fn expand(&mut self, graph: &Graph, names: &mut Names, node: &Node, outputs: &[Name], reason: String) {
        let mut parts = Graph::new("decomposition");
        let mut inner: Names = Vec::new();
        let mut inputs = Vec::new();
        for id in &node.inputs {
            let value = match graph.constant(*id) {
                Some(tensor) => {
                    let op = satura_ir::ops::Const { value: tensor.clone() };
                    match parts.add_node(op.into(), Vec::new(), Vec::new()) {
                        Ok(added) => added[0],
                        Err(error) => {
                            return self.refuse(node.op.name(), node.label.as_deref(), error.to_string());
                        }
                    }
                }
                None => parts.add_input(&format!("input {}", inputs.len()), graph.ty(*id).clone()),
            };
            let known = parts.value_mut(value);
            known.name = graph.value(*id).name.clone().or(known.name.take());
            known.known = graph.value(*id).known.clone();
            inputs.push(value);
        }
        let results = match node.op.decompose(&mut parts, &inputs) {
            Some(Ok(results)) => results,
            Some(Err(error)) if error.kind == OpErrorKind::Unknown => {
                let reason = format!("{reason}, and it cannot be taken apart: {error}");
                return self.refuse(node.op.name(), node.label.as_deref(), reason);
            }
            Some(Err(error)) => return self.refuse(node.op.name(), node.label.as_deref(), error.to_string()),
            None => return self.refuse(node.op.name(), node.label.as_deref(), reason),
        };
        self.note_expanded(node.op.name());
        let mut wanted = Vec::new();
        for (value, name) in results.into_iter().zip(outputs).filter(|(_, name)| !name.is_empty()) {
            parts.add_output(name, value);
            wanted.push(name.clone());
        }
        inner.resize(parts.value_count(), None);
        for (id, value) in node.inputs.iter().zip(&inputs) {
            if graph.constant(*id).is_none() {
                inner[value.0 as usize] = names[id.0 as usize].clone();
            }
        }
        if let Some(label) = &node.label {
            let added: Vec<_> = parts.nodes().map(|(id, _)| id).collect();
            added.into_iter().for_each(|id| parts.node_mut(id).label = Some(Arc::clone(label)));
        }
        self.body(&parts, &mut inner, &wanted);
    }

    /// A region as a subgraph. What it captures is read from around it; its other inputs are inputs of the subgraph.
    pub(super) fn region(
        &mut self,
        graph: &Graph,
        names: &mut Names,
        node: &Node,
        index: usize,
    ) -> GraphProto {
        let region = &node.regions[index];
        let mut inner: Names = vec![None; region.value_count()];
        self.frames.push(Frame::default());
        let mut inputs = Vec::new();
        for (position, id) in region.inputs().iter().enumerate() {
            let captured = node.op.capture(index, position).and_then(|at| node.inputs.get(at));
            let name = match captured {
                Some(outer) => match graph.constant(*outer).filter(|_| names[outer.0 as usize].is_none()) {
                    // It may become a constant of this subgraph, which the graph around does not see.
                    Some(tensor) => self.constant(tensor, graph.value(*outer).name.as_deref()),
                    None => self.value(graph, names, *outer),
                },
                None => {
                    let name = self.names.fresh(region.value(*id).name.as_deref().unwrap_or_default());
                    inputs.push(value_info(&name, region.ty(*id)));
                    self.define(region, *id, &name);
                    name
                }
            };
            inner[id.0 as usize] = Some(name);
        }
        let outputs: Vec<Name> = region.outputs().iter().map(|o| self.names.fresh(&o.name)).collect();
        self.body(region, &mut inner, &outputs);
        let frame = self.frames.pop().expect("it was pushed above");
        let types = region.outputs().iter().zip(&outputs);
        GraphProto {
            name: if region.name.is_empty() { "region".to_owned() } else { region.name.clone() },
            node: frame.nodes,
            initializer: frame.constants.iter().map(inline).collect(),
            input: inputs,
            output: types.map(|(output, name)| value_info(name, region.ty(output.value))).collect(),
            value_info: frame.infos,
            ..GraphProto::default()
        }
    }

    /// Notes an op that is written in terms of others.
    pub(super) fn note_expanded(&mut self, op: &str) {
        *self.expanded.entry(op.to_owned()).or_default() += 1;
    }

    fn refuse(&mut self, op: &str, node: Option<&str>, reason: String) {
        self.refusals.push(Refusal { op: op.to_owned(), node: node.map(str::to_owned), reason });
    }

    fn mark(&mut self) -> Mark {
        Mark {
            nodes: self.frame().nodes.len(),
            constants: self.frames.iter().map(|f| f.constants.len()).collect(),
            symbols: self.frame().symbols.len(),
        }
    }

    fn roll_back(&mut self, mark: Mark, names: &mut Names) {
        for (frame, count) in self.frames.iter_mut().zip(&mark.constants) {
            let dropped: HashSet<Name> = frame.constants.drain(*count..).map(|c| c.name).collect();
            if dropped.is_empty() {
                continue;
            }
            frame.same.retain(|_, name| !dropped.contains(name));
            for slot in names.iter_mut().filter(|slot| slot.as_ref().is_some_and(|n| dropped.contains(n))) {
                *slot = None;
            }
        }
        let frame = self.frame();
        frame.nodes.truncate(mark.nodes);
        frame.symbols.truncate(mark.symbols);
    }
}

/// A tensor with its data inside.
pub(super) fn inline(constant: &Constant) -> TensorProto {
    let mut proto = super::encode::header(constant);
    proto.raw_data = constant.tensor.shared_bytes().map(bytes::Bytes::from_owner);
    proto
}
