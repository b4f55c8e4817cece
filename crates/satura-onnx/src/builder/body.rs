//! The parts of a graph: initialisers, inputs, nodes, outputs.

use super::{Builder, Scope, Slot, Stop, node_name};
use crate::proto::{GraphProto, NodeProto, ValueInfoProto};
use satura_import::{Code, Diagnostic, escape};
use satura_ir::{Def, Graph, Type, infer_graph};
use satura_tensor::DType;
use std::collections::HashSet;

/// What a graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The model's own.
    Main,
    /// A branch of a condition: it has no inputs of its own.
    Branch,
    /// The body of a loop: its inputs are values already.
    Body,
}

impl<'m> Builder<'m> {
    /// Initialisers, inputs, nodes and outputs of a graph. A subgraph has its captures in the scope already, the body of a loop its inputs too.
    pub(super) fn graph_body(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        proto: &'m GraphProto,
        kind: Kind,
    ) -> Result<(), Stop> {
        let around = std::mem::take(&mut self.stale);
        self.graph_nodes(graph, scope, proto, kind)?;
        self.outputs(graph, scope, proto)?;
        if std::mem::replace(&mut self.stale, around)
            && let Err(error) = infer_graph(graph)
        {
            self.error(scope, Diagnostic::error(Code::Shape, error.to_string()))?;
        }
        Ok(())
    }

    /// [`graph_body`](Self::graph_body) without the outputs.
    pub(super) fn graph_nodes(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        proto: &'m GraphProto,
        kind: Kind,
    ) -> Result<(), Stop> {
        let main = kind == Kind::Main;
        let mut own = HashSet::new();
        self.initializers(scope, proto, &mut own)?;
        self.inputs(graph, scope, proto, kind, &mut own)?;
        let unknown = |name: &&String| main && !proto.input.iter().any(|input| input.name == **name);
        if let Some(name) = self.options.fixed_inputs.keys().find(unknown) {
            let message = "a value is fixed for an input that the model does not have";
            self.error(scope, Diagnostic::error(Code::UndefinedName, message).at_value(name))?;
        }
        for info in &proto.value_info {
            if scope.declared.insert(&info.name, info).is_some() {
                self.warn(
                    scope,
                    Diagnostic::warning(Code::Ignored, "the type is declared twice").at_value(&info.name),
                );
            }
        }
        for info in &proto.output {
            scope.declared.insert(&info.name, info);
        }
        self.define_once(scope, &proto.node, &mut own)?;
        self.nodes(graph, scope, &proto.node)?;
        let undefined = |info: &&ValueInfoProto| !scope.names.contains_key(info.name.as_str());
        let count = proto.value_info.iter().filter(undefined).count();
        if let Some(first) = proto.value_info.iter().find(undefined) {
            let message = format!("types are declared for {count} names that nothing defines, such as this");
            self.warn(scope, Diagnostic::warning(Code::Ignored, message).at_value(&first.name));
        }
        Ok(())
    }

    fn initializers(
        &mut self,
        scope: &mut Scope<'m>,
        proto: &'m GraphProto,
        own: &mut HashSet<&'m str>,
    ) -> Result<(), Stop> {
        let dense =
            proto.initializer.iter().map(|t| (t.name.as_str(), self.tensors.dense(t))).collect::<Vec<_>>();
        let name_of =
            |t: &'m crate::proto::SparseTensorProto| t.values.as_ref().map_or("", |v| v.name.as_str());
        let sparse =
            proto.sparse_initializer.iter().map(|t| (name_of(t), self.tensors.sparse(t))).collect::<Vec<_>>();
        for (name, tensor) in dense.into_iter().chain(sparse) {
            if name.is_empty() {
                self.error(scope, Diagnostic::error(Code::EmptyName, "an initializer has no name"))?;
                continue;
            }
            if !own.insert(name) {
                let twice = Diagnostic::error(Code::DuplicateName, "two initializers have one name");
                self.error(scope, twice.at_value(name))?;
            }
            let slot = match tensor {
                Ok(tensor) => Slot::Constant(tensor),
                Err(error) => {
                    self.error(scope, error)?;
                    Slot::Failed
                }
            };
            scope.names.insert(name, slot);
        }
        Ok(())
    }

    /// Inputs that are initialisers too (as old versions of the format want it) are constants; their types must agree.
    fn inputs(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        proto: &'m GraphProto,
        kind: Kind,
        own: &mut HashSet<&'m str>,
    ) -> Result<(), Stop> {
        if kind == Kind::Body {
            for info in &proto.input {
                if !own.insert(&info.name) {
                    let twice = Diagnostic::error(Code::DuplicateName, "an input of a body is defined twice");
                    self.error(scope, twice.at_value(&info.name))?;
                }
            }
            return Ok(());
        }
        let constants: HashSet<&str> = own.clone();
        let types: Vec<_> = proto.input.iter().map(|info| self.declared_type(info)).collect();
        let mut seen = HashSet::new();
        for (info, ty) in proto.input.iter().zip(types) {
            let name = info.name.as_str();
            if kind == Kind::Branch {
                let message = "a branch has inputs of its own";
                self.error(scope, Diagnostic::error(Code::Invalid, message).at_value(name))?;
                continue;
            }
            if name.is_empty() {
                self.error(scope, Diagnostic::error(Code::EmptyName, "a graph input has no name"))?;
                continue;
            }
            if !seen.insert(name) {
                self.error(
                    scope,
                    Diagnostic::error(Code::DuplicateName, "two graph inputs have one name").at_value(name),
                )?;
                continue;
            }
            let ty = match ty {
                Ok(Some(ty)) => ty,
                Ok(None) if constants.contains(name) => continue,
                Ok(None) => {
                    self.error(
                        scope,
                        Diagnostic::error(Code::DType, "the graph input has no type").at_value(name),
                    )?;
                    scope.names.insert(name, Slot::Failed);
                    continue;
                }
                Err(error) => {
                    self.error(scope, error.at_value(name))?;
                    scope.names.insert(name, Slot::Failed);
                    continue;
                }
            };
            if constants.contains(name) {
                if let Some(Slot::Constant(tensor)) = scope.names.get(name) {
                    let actual = Type::of(tensor.dtype(), tensor.shape());
                    if !ty.accepts(&actual) {
                        let message = format!("declared as {ty}, but the initializer is {actual}");
                        self.type_conflict(scope, name, message)?;
                    }
                }
                continue;
            }
            own.insert(name);
            let ty = match self.options.input_sizes.get(name) {
                Some(sizes) => ty.refined_by(&Type::of(ty.dtype().unwrap_or(DType::F32), sizes)),
                None => ty,
            };
            if let Some(tensor) = self.options.fixed_inputs.get(name) {
                let actual = Type::of(tensor.dtype(), tensor.shape());
                if !ty.accepts(&actual) {
                    let message = format!("declared as {ty}, the fixed value is {actual}");
                    self.error(scope, Diagnostic::error(Code::TypeConflict, message).at_value(name))?;
                }
                scope.names.insert(name, Slot::Constant(tensor.clone()));
                continue;
            }
            self.needs.inputs.push((name.to_owned(), ty.clone()));
            let value = graph.add_input(name, ty);
            scope.names.insert(name, Slot::Value(value));
        }
        Ok(())
    }

    /// Every name must have one definition.
    pub(super) fn define_once(
        &mut self,
        scope: &mut Scope<'m>,
        nodes: &'m [NodeProto],
        own: &mut HashSet<&'m str>,
    ) -> Result<(), Stop> {
        for node in nodes {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                if !own.insert(output) {
                    let message = format!("\"{}\" is defined twice", escape(output));
                    let twice = Diagnostic::error(Code::DuplicateName, message)
                        .help("every name must be the output of one node only");
                    self.error(scope, twice.at_node(&node.op_type, node_name(node)))?;
                }
            }
        }
        Ok(())
    }

    fn outputs(
        &mut self,
        graph: &mut Graph,
        scope: &mut Scope<'m>,
        proto: &'m GraphProto,
    ) -> Result<(), Stop> {
        if proto.output.is_empty() {
            self.error(scope, Diagnostic::error(Code::NoGraph, "the graph has no outputs"))?;
        }
        let mut taken: HashSet<String> = HashSet::new();
        for info in &proto.output {
            if info.name.is_empty() {
                self.error(scope, Diagnostic::error(Code::EmptyName, "a graph output has no name"))?;
                continue;
            }
            let mut name = info.name.clone();
            let mut copy = 1;
            while !taken.insert(name.clone()) {
                copy += 1;
                name = format!("{}_{copy}", info.name);
            }
            if copy > 1 {
                let message = format!("the output is listed again; this one is called \"{}\"", escape(&name));
                self.warn(scope, Diagnostic::warning(Code::DuplicateName, message).at_value(&info.name));
            }
            if let Some(value) = self.resolve(graph, scope, &info.name)? {
                if !matches!(graph.value(value).def, Def::Node(..)) || graph.constant(value).is_some() {
                    self.check_declared(graph, scope, &info.name, value)?;
                }
                graph.add_output(&name, value);
            }
        }
        Ok(())
    }
}
