//! From the decoded messages to a graph: scopes of names, nodes in order, subgraphs as regions, functions inlined.

use crate::convert;
use crate::node::{Convert, NodeCx};
use crate::options::Options;
use crate::order::{self, Order};
use crate::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::tensor::TensorReader;
use crate::types;
use satura_import::{Code, Collector, ConverterTable, Diagnostic, Lookup, Symbols, escape};
use satura_ir::{Def, Graph, NodeId, Op, Type, ValueId, ops};
use satura_tensor::{DType, Dim, Shape, Tensor};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use body::Kind;

pub(crate) use modifiers::stage_dtype;

/// The message that a fatal problem was collected: building stops.
pub(crate) struct Stop;

/// What a name stands for.
#[derive(Clone)]
enum Slot {
    /// A value of the graph being built.
    Value(ValueId),
    /// A constant of the model or of an outer graph, not in this graph yet.
    Constant(Tensor),
    /// Its definition failed, which was reported: what reads it is skipped.
    Failed,
    /// An input that a function was called without.
    Absent,
}

/// Operator sets: domain and version.
pub(crate) type Opsets = Rc<HashMap<String, i64>>;

/// The attributes that a function was called with.
type CallAttributes<'m> = Rc<HashMap<&'m str, &'m AttributeProto>>;

/// The names of one graph or function call, and what its nodes need to know.
struct Scope<'m> {
    names: HashMap<&'m str, Slot>,
    declared: HashMap<&'m str, &'m ValueInfoProto>,
    opsets: Opsets,
    /// For values and nodes: the calls around, each with `/` after it.
    prefix: String,
    /// For messages: the subgraph or function.
    place: Option<String>,
    /// In a function: the attributes of the call.
    call: Option<CallAttributes<'m>>,
    /// The functions being inlined.
    calls: Vec<FunctionKey<'m>>,
}

type FunctionKey<'m> = (&'m str, &'m str, &'m str);

/// What would have to be known of the inputs for the rest of the model to be converted.
#[derive(Default)]
pub(crate) struct Needs {
    /// Name and declared type of every input of the main graph that is not fixed.
    pub(crate) inputs: Vec<(String, Type)>,
    /// Inputs whose values are needed; while a region is read, names that it captures.
    pub(crate) values: BTreeSet<String>,
}

/// Builds the graph of a model.
pub(crate) struct Builder<'m> {
    options: &'m Options,
    pub(crate) tensors: TensorReader,
    functions: HashMap<FunctionKey<'m>, &'m FunctionProto>,
    table: ConverterTable<Convert>,
    pub(crate) collector: Collector,
    pub(crate) needs: Needs,
    symbols: Symbols,
    nodes: usize,
    prefixes: HashMap<String, usize>,
    /// Whether a declaration told more about a value of the graph that is being read than what reads it already was inferred from.
    stale: bool,
}

/// The domain with its two spellings made one.
pub(crate) fn domain_key(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

impl<'m> Builder<'m> {
    pub(crate) fn new(model: &'m ModelProto, options: &'m Options, tensors: TensorReader) -> Self {
        let mut builder = Builder {
            options,
            tensors,
            functions: HashMap::new(),
            table: ConverterTable::new(convert::ONNX_OPS),
            collector: Collector::new(options.limits.errors),
            needs: Needs::default(),
            symbols: Symbols::new(),
            nodes: 0,
            prefixes: HashMap::new(),
            stale: false,
        };
        for function in &model.functions {
            let key = (domain_key(&function.domain), function.name.as_str(), function.overload.as_str());
            if builder.functions.insert(key, function).is_some() {
                let message = format!("the function \"{}\" is defined twice", escape(&function.name));
                builder.collector.push(Diagnostic::error(Code::Function, message));
            }
        }
        builder
    }

    /// The main graph.
    pub(crate) fn main(&mut self, proto: &'m GraphProto, opsets: Opsets) -> Result<Graph, Stop> {
        let mut scope = Scope {
            names: HashMap::new(),
            declared: HashMap::new(),
            opsets,
            prefix: String::new(),
            place: None,
            call: None,
            calls: Vec::new(),
        };
        let infos = proto.input.iter().chain(&proto.value_info).chain(&proto.output);
        infos
            .filter_map(|info| info.r#type.as_ref())
            .for_each(|ty| types::reserve_names(ty, &mut self.symbols));
        let mut graph = Graph::new(if proto.name.is_empty() { "main" } else { &proto.name });
        self.graph_body(&mut graph, &mut scope, proto, Kind::Main)?;
        Ok(graph)
    }

    /// Converts nodes, each after what it reads.
    fn nodes(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        nodes: &'m [NodeProto],
    ) -> Result<(), Stop> {
        let sorted = match order::order(nodes) {
            Order::Sorted(sorted, as_in_file) => {
                if !as_in_file {
                    let message = "nodes come before what they read; they were sorted";
                    self.warn(scope, Diagnostic::warning(Code::NotSorted, message));
                }
                sorted
            }
            Order::Cycle(cycle) => {
                let mut names: Vec<String> = cycle
                    .iter()
                    .take(8)
                    .map(|at| format!("\"{}\"", escape(node_name(&nodes[*at]))))
                    .collect();
                if cycle.len() > names.len() {
                    names.push(format!("... ({} more)", cycle.len() - names.len()));
                }
                names.extend(names.first().cloned());
                let message = format!("nodes depend on each other in a cycle: {}", names.join(" -> "));
                let help = "a model without loops has no cycle: the file is damaged or was edited wrongly";
                let error = Diagnostic::error(Code::Cycle, message).help(help);
                let first = &nodes[cycle[0]];
                self.error(scope, error.at_node(&first.op_type, node_name(first)))?;
                return Err(Stop);
            }
        };
        for at in sorted {
            self.node(graph, scope, &nodes[at])?;
        }
        Ok(())
    }

    /// The value of a name; `None` where it failed, which is reported once.
    fn resolve(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        name: &'m str,
    ) -> Result<Option<ValueId>, Stop> {
        match scope.names.get(name) {
            Some(Slot::Value(value)) => Ok(Some(*value)),
            Some(Slot::Failed) => Ok(None),
            Some(Slot::Absent) => {
                let message = "the function needs an input that it is called without";
                scope.names.insert(name, Slot::Failed);
                self.error(scope, Diagnostic::error(Code::Function, message).at_value(name))?;
                Ok(None)
            }
            Some(Slot::Constant(tensor)) => {
                let op = ops::Const { value: tensor.clone() };
                match graph.add_node(op.into(), Vec::new(), Vec::new()) {
                    Ok(outputs) => {
                        let full = format!("{}{name}", scope.prefix);
                        label_new(graph, outputs[0], &full);
                        graph.value_mut(outputs[0]).name = Some(full.as_str().into());
                        scope.names.insert(name, Slot::Value(outputs[0]));
                        Ok(Some(outputs[0]))
                    }
                    Err(error) => {
                        self.error(scope, Diagnostic::from(error).at_value(name))?;
                        scope.names.insert(name, Slot::Failed);
                        Ok(None)
                    }
                }
            }
            None => {
                let message = "the name is read, but no input, initializer or node defines it";
                scope.names.insert(name, Slot::Failed);
                self.error(scope, Diagnostic::error(Code::UndefinedName, message).at_value(name))?;
                Ok(None)
            }
        }
    }

    fn node(&mut self, graph: &mut Graph, scope: &mut Scope<'m>, node: &'m NodeProto) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > self.options.limits.nodes {
            let message = format!("more than {} nodes, functions inlined", self.options.limits.nodes);
            self.collector.push(
                Diagnostic::error(Code::ResourceLimit, message).help("raise the limit if you trust the file"),
            );
            return Err(Stop);
        }
        let domain = domain_key(&node.domain);
        if let Some((key, function)) =
            self.functions.get_key_value(&(domain, node.op_type.as_str(), node.overload.as_str()))
        {
            return self.call(graph, scope, node, *key, function);
        }
        let Some((version, convert)) = self.converter(scope, node) else {
            self.note_subgraphs(scope, node);
            fail_outputs(scope, node);
            return Ok(());
        };
        let mut inputs = Vec::with_capacity(node.input.len());
        let mut failed = false;
        for name in &node.input {
            if name.is_empty() || matches!(scope.names.get(name.as_str()), Some(Slot::Absent)) {
                inputs.push(None);
                continue;
            }
            let value = self.resolve(graph, scope, name)?;
            failed |= value.is_none();
            inputs.push(value);
        }
        let mut named = HashMap::new();
        for name in order::names_in_attributes(node) {
            match self.resolve(graph, scope, name)? {
                Some(value) => {
                    named.insert(name.to_owned(), value);
                }
                None => failed = true,
            }
        }
        // Trailing absent inputs are as good as none.
        while inputs.last() == Some(&None) && !failed {
            inputs.pop();
        }
        if let Some(branch) = self.known_branch(graph, node, &inputs) {
            return self.inline_branch(graph, scope, node, branch);
        }
        let (captures, regions) = self.regions(graph, scope, node, &inputs)?;
        let attributes = self.attributes(scope, node, regions)?;
        let (Some(mut attrs), Some(captures), false) = (attributes, captures, failed) else {
            fail_outputs(scope, node);
            return Ok(());
        };
        if domain.is_empty() && version < 6 {
            // Which inputs may be overwritten: a hint of the first operator sets.
            attrs.ignore("consumed_inputs");
        }
        let first_new = graph.node_bound();
        let wanted = RefCell::default();
        let (outputs, differentiate) = (&node.output, self.options.differentiate);
        let mut cx =
            NodeCx { graph, version, inputs, attrs, outputs, captures, named, differentiate, wanted };
        let result = convert(&mut cx);
        let unread = std::mem::take(&mut cx.attrs).finish();
        if matches!(&result, Err(error) if error.code == Code::NotConstant) {
            let mut wanted = cx.wanted.take();
            if wanted.is_empty() {
                wanted = cx.inputs.iter().flatten().copied().collect();
            }
            self.need(graph, wanted);
        }
        match result {
            Ok(outputs) => {
                for error in unread {
                    self.error(scope, error.at_node(&node.op_type, node_name(node)))?;
                }
                self.define_outputs(graph, scope, node, &outputs, first_new)
            }
            Err(error) => {
                fail_outputs(scope, node);
                self.error(scope, error.at_node(&node.op_type, node_name(node)))
            }
        }
    }

    /// The version of the node's domain and the converter; `None` if there is none, which is noted.
    fn converter(&mut self, scope: &Scope<'m>, node: &NodeProto) -> Option<(i64, Convert)> {
        let domain = domain_key(&node.domain);
        let shown =
            if domain.is_empty() { node.op_type.clone() } else { format!("{domain}::{}", node.op_type) };
        let reason = match scope.opsets.get(domain) {
            None => "the model does not import the operator set of its domain".to_owned(),
            Some(version) => match self.table.find(domain, &node.op_type, *version) {
                Lookup::Found(row) => return Some((*version, row.run)),
                Lookup::OtherVersion(since, until) => {
                    format!(
                        "its form of operator set {version} is not supported, those of {since} to {until} are"
                    )
                }
                Lookup::OtherDomain("") => {
                    "an op of that name is supported in the domain ai.onnx only".to_owned()
                }
                Lookup::OtherDomain(other) => {
                    format!("an op of that name is supported in the domain {other} only")
                }
                Lookup::Unknown => "there is no converter for it".to_owned(),
            },
        };
        self.collector.unsupported(&shown, node_name(node), &reason);
        None
    }

    /// Notes the unsupported ops in the subgraphs of a node that is itself unsupported. The depth of nesting is bounded by the decoder.
    fn note_subgraphs(&mut self, scope: &Scope<'m>, node: &'m NodeProto) {
        for (_, graph) in order::subgraphs(node) {
            for inner in &graph.node {
                let key = (domain_key(&inner.domain), inner.op_type.as_str(), inner.overload.as_str());
                if !self.functions.contains_key(&key) {
                    self.converter(scope, inner);
                }
                self.note_subgraphs(scope, inner);
            }
        }
    }

    /// Gives names, labels and declared types to what a converter added.
    fn define_outputs(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        node: &'m NodeProto,
        outputs: &[ValueId],
        first_new: u32,
    ) -> Result<(), Stop> {
        let named = node.output.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        if named > outputs.len() {
            let message = format!("{named} outputs are named, the op gives {}", outputs.len());
            fail_outputs(scope, node);
            return self.error(
                scope,
                Diagnostic::error(Code::InputCount, message).at_node(&node.op_type, node_name(node)),
            );
        }
        let label = format!("{}{}", scope.prefix, node_name(node));
        for id in (first_new..graph.node_bound()).map(NodeId) {
            if graph.get_node(id).is_some_and(|n| n.label.is_none()) {
                graph.node_mut(id).label = Some(label.as_str().into());
            }
        }
        for (name, value) in node.output.iter().zip(outputs) {
            if name.is_empty() {
                continue;
            }
            if graph.value(*value).name.is_none() {
                graph.value_mut(*value).name = Some(format!("{}{name}", scope.prefix).as_str().into());
            }
            scope.names.insert(name, Slot::Value(*value));
            self.check_declared(graph, scope, name, *value)?;
        }
        Ok(())
    }

    /// Compares the inferred type with the declared one. Ranks and extents that inference could not find are taken from the declaration.
    fn check_declared(
        &mut self,
        graph: &mut Graph,
        scope: &Scope<'m>,
        name: &'m str,
        value: ValueId,
    ) -> Result<(), Stop> {
        let Some(info) = scope.declared.get(name).copied() else { return Ok(()) };
        let declared = match self.declared_type(info) {
            Ok(Some(declared)) => declared,
            Ok(None) => return Ok(()),
            Err(error) => return self.error(scope, error.at_value(name)),
        };
        let inferred = graph.ty(value);
        if !inferred.accepts(&declared) {
            let message = format!("declared as {declared}, but its node gives {inferred}");
            return self.type_conflict(scope, name, message);
        }
        if matches!(inferred, Type::Tensor(_)) && !inferred.is_known() {
            let finer = inferred.refined_by(&in_symbols_of(graph, &declared));
            if finer != *inferred {
                graph.value_mut(value).ty = finer;
                // Nothing reads what the newest node gives.
                self.stale |=
                    !matches!(graph.value(value).def, Def::Node(id, _) if id.0 + 1 == graph.node_bound());
            }
        }
        Ok(())
    }

    fn type_conflict(&mut self, scope: &Scope<'m>, name: &str, message: String) -> Result<(), Stop> {
        if self.options.ignore_declared_types {
            self.warn(scope, Diagnostic::warning(Code::TypeConflict, message).at_value(name));
            return Ok(());
        }
        let help = "export the model again, or choose to ignore declared types";
        self.error(scope, Diagnostic::error(Code::TypeConflict, message).at_value(name).help(help))
    }

    fn declared_type(&mut self, info: &ValueInfoProto) -> Result<Option<Type>, Diagnostic> {
        match &info.r#type {
            Some(proto) => types::declared(proto, &info.name, &mut self.symbols),
            None => Ok(None),
        }
    }

    /// Notes the graph's inputs that these values are computed from. What only the shape of an input decides is no value.
    fn need(&mut self, graph: &Graph, values: Vec<ValueId>) {
        let mut pending = values;
        let mut seen: HashSet<ValueId> = HashSet::new();
        while let Some(value) = pending.pop() {
            if !seen.insert(value) {
                continue;
            }
            match graph.producer(value) {
                Some((_, node)) if matches!(node.op, Op::ShapeOf(_) | Op::Size(_)) => {}
                Some((_, node)) => pending.extend(&node.inputs),
                None => {
                    if let Some(name) =
                        graph.value(value).name.as_deref().filter(|_| may_be_fixed(graph.ty(value)))
                    {
                        self.needs.values.insert(name.to_owned());
                    }
                }
            }
        }
    }

    fn error(&mut self, scope: &Scope<'m>, diagnostic: Diagnostic) -> Result<(), Stop> {
        self.warn(scope, diagnostic);
        if self.collector.is_full() { Err(Stop) } else { Ok(()) }
    }

    fn warn(&mut self, scope: &Scope<'m>, diagnostic: Diagnostic) {
        self.collector.push(match &scope.place {
            Some(place) => diagnostic.in_graph(place),
            None => diagnostic,
        });
    }
}

/// The type with extents unknown that mention other symbols than the types of the graph's inputs: nothing would give those a value.
fn in_symbols_of(graph: &Graph, ty: &Type) -> Type {
    let (Some(dtype), Some(shape)) = (ty.dtype(), ty.shape()) else { return ty.clone() };
    let known = graph.symbols();
    let extent = |dim: &Dim| {
        let mut symbols = Vec::new();
        dim.collect_symbols(&mut symbols);
        if symbols.iter().all(|symbol| known.contains(symbol)) { dim.clone() } else { Dim::unknown() }
    };
    Type::tensor(dtype, shape.iter().map(extent).collect::<Shape>())
}

/// Whether a value of this type may be fixed when a model is read: few numbers or truth values, as far as the type says.
fn may_be_fixed(ty: &Type) -> bool {
    const MOST: i64 = 1024;
    let Some(tensor) = ty.as_tensor() else { return false };
    let few = tensor.shape.as_ref().is_none_or(|shape| {
        shape.len() <= 1 && shape.elements().as_const().is_none_or(|elements| elements <= MOST)
    });
    few && (tensor.dtype.is_int() || tensor.dtype.is_float() || tensor.dtype == DType::Bool)
}

/// The node's name, or that of its first output.
pub(crate) fn node_name(node: &NodeProto) -> &str {
    if node.name.is_empty() {
        node.output.iter().find(|name| !name.is_empty()).map_or("", String::as_str)
    } else {
        &node.name
    }
}

fn fail_outputs<'m>(scope: &mut Scope<'m>, node: &'m NodeProto) {
    for name in node.output.iter().filter(|name| !name.is_empty()) {
        scope.names.insert(name, Slot::Failed);
    }
}

fn label_new(graph: &mut Graph, value: ValueId, label: &str) {
    if let Def::Node(id, _) = graph.value(value).def {
        graph.node_mut(id).label = Some(label.into());
    }
}

mod body;
mod call;
mod known;
mod loops;
mod modifiers;
mod subgraph;
