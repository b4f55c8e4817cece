//! What the writer of an op sees: one node, its inputs and types, and the model it adds to.

use super::names::Name;
use super::writer::Writer;
use crate::proto::{AttributeProto, GraphProto};
use crate::types;
use satura_ir::{Graph, Node, SymTensor, Type};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor, cast};

/// Why the operator set cannot say an op, at least not with these types or attributes: it is then decomposed, or refused.
pub(super) struct NoForm(pub(super) String);

impl NoForm {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        NoForm(reason.into())
    }

    /// An operator that came later.
    pub(super) fn since(operator: &str, version: i64) -> Self {
        NoForm(format!("{operator} came with operator set {version}"))
    }
}

/// What a writer gives: the node's outputs are defined.
pub(super) type Form = Result<(), NoForm>;

/// One node while it is written.
pub(super) struct Cx<'a> {
    pub(super) writer: &'a mut Writer,
    graph: &'a Graph,
    names: &'a mut Vec<Option<Name>>,
    node: &'a Node,
    outputs: &'a [Name],
}

impl<'a> Cx<'a> {
    pub(super) fn new(
        writer: &'a mut Writer,
        graph: &'a Graph,
        names: &'a mut Vec<Option<Name>>,
        node: &'a Node,
        outputs: &'a [Name],
    ) -> Self {
        Cx { writer, graph, names, node, outputs }
    }

    /// The version of the standard operator set.
    pub(super) fn version(&self) -> i64 {
        self.writer.version
    }

    /// An error unless the operator set is `version` or later.
    pub(super) fn need(&self, operator: &str, version: i64) -> Form {
        if self.version() < version { Err(NoForm::since(operator, version)) } else { Ok(()) }
    }

    /// Notes that the op is written in terms of others, so that its results may differ in the last bits.
    pub(super) fn in_parts(&mut self) {
        self.writer.note_expanded(self.node.op.name());
    }

    /// The number of inputs.
    pub(super) fn count(&self) -> usize {
        self.node.inputs.len()
    }

    /// The name of input `i`.
    pub(super) fn input(&mut self, i: usize) -> Name {
        self.writer.value(self.graph, self.names, self.node.inputs[i])
    }

    /// The names of all inputs.
    pub(super) fn inputs(&mut self) -> Vec<Name> {
        (0..self.count()).map(|i| self.input(i)).collect()
    }

    /// The type of input `i`.
    pub(super) fn ty(&self, i: usize) -> &'a Type {
        self.graph.ty(self.node.inputs[i])
    }

    /// The dtype of input `i`, a tensor.
    pub(super) fn dtype(&self, i: usize) -> Result<DType, NoForm> {
        self.ty(i).dtype().ok_or_else(|| NoForm::new(format!("input {i} is {}, not a tensor", self.ty(i))))
    }

    /// The shape of input `i`, if its rank is known.
    pub(super) fn shape(&self, i: usize) -> Option<&'a Shape> {
        self.ty(i).shape()
    }

    /// The shape of input `i`.
    pub(super) fn need_shape(&self, i: usize) -> Result<&'a Shape, NoForm> {
        self.shape(i).ok_or_else(|| NoForm::new(format!("the rank of input {i} is not known")))
    }

    /// The type of output `i`.
    pub(super) fn output_ty(&self, i: usize) -> &'a Type {
        self.graph.ty(self.node.outputs[i])
    }

    /// The tensor of input `i`, if it is a constant.
    pub(super) fn tensor(&self, i: usize) -> Option<&'a Tensor> {
        self.graph.constant(self.node.inputs[i])
    }

    /// Whether input `i` is a constant that is 0 everywhere.
    pub(super) fn is_zero(&self, i: usize) -> bool {
        self.tensor(i).is_some_and(|t| match t.to_elements() {
            Elements::Float(v) => v.iter().all(|x| *x == 0.0),
            Elements::Int(v) => v.iter().all(|x| *x == 0),
            Elements::Bool(v) => !v.contains(&true),
            Elements::Complex(_) | Elements::String(_) => false,
        })
    }

    /// The elements of input `i`, if they are known integers.
    pub(super) fn known(&self, i: usize) -> Option<&'a SymTensor> {
        self.graph.value(self.node.inputs[i]).known.as_ref()
    }

    /// The elements of input `i`, if they are constant integers.
    pub(super) fn ints(&self, i: usize) -> Option<Vec<i64>> {
        if let Some(known) = self.known(i).and_then(SymTensor::constants) {
            return Some(known);
        }
        match self.tensor(i)?.to_elements() {
            Elements::Int(v) => v.into_iter().map(|x| i64::try_from(x).ok()).collect(),
            _ => None,
        }
    }

    /// A constant.
    pub(super) fn constant(&mut self, tensor: &Tensor) -> Name {
        self.writer.constant(tensor, None)
    }

    /// An i64 vector.
    pub(super) fn vector(&mut self, values: &[i64]) -> Name {
        self.constant(&Tensor::from_vec(values.to_vec(), &[values.len()]))
    }

    /// An i64 vector of numbers of axes or sizes.
    pub(super) fn sizes(&mut self, values: &[usize]) -> Name {
        self.vector(&signed(values))
    }

    /// An i64 scalar.
    pub(super) fn int(&mut self, value: i64) -> Name {
        self.constant(&Tensor::scalar(value))
    }

    /// A scalar of a numeric dtype.
    pub(super) fn scalar(&mut self, dtype: DType, value: f64) -> Result<Name, NoForm> {
        let tensor = cast(&Tensor::scalar(value), dtype)
            .ok_or_else(|| NoForm::new(format!("{dtype} has no numbers")))?;
        Ok(self.constant(&tensor))
    }

    /// Adds a node of one output.
    pub(super) fn node(&mut self, op: &str, inputs: &[Name], attributes: Vec<AttributeProto>) -> Name {
        let label = self.node.label.as_deref().map(|label| format!("{label}/{op}"));
        let output = self.writer.names.fresh(op);
        self.writer.push(op, "", inputs, vec![output.clone()], attributes, label.as_deref());
        output
    }

    /// Adds the node that gives all outputs, read or not.
    pub(super) fn result(&mut self, op: &str, inputs: &[Name], attributes: Vec<AttributeProto>) -> Form {
        let outputs = self.all_outputs(op);
        self.writer.push(op, "", inputs, outputs, attributes, self.node.label.as_deref());
        Ok(())
    }

    /// Adds the node that gives the outputs that are read, of an operator that may leave out any.
    pub(super) fn result_read(&mut self, op: &str, inputs: &[Name], attributes: Vec<AttributeProto>) -> Form {
        self.writer.push(op, "", inputs, self.outputs.to_vec(), attributes, self.node.label.as_deref());
        Ok(())
    }

    /// Adds the node that gives all outputs, the first one converted from `from` where that is not its dtype.
    pub(super) fn result_as(
        &mut self,
        from: DType,
        op: &str,
        inputs: &[Name],
        attributes: Vec<AttributeProto>,
    ) -> Form {
        self.result_in("", from, op, inputs, attributes)
    }

    /// As `result_as`, of another domain than the standard one, whose version must be at least `least`.
    pub(super) fn result_of(
        &mut self,
        domain: &'static str,
        least: i64,
        from: DType,
        op: &str,
        inputs: &[Name],
        attributes: Vec<AttributeProto>,
    ) -> Form {
        self.writer.use_domain(domain, least);
        self.result_in(domain, from, op, inputs, attributes)
    }

    fn result_in(
        &mut self,
        domain: &str,
        from: DType,
        op: &str,
        inputs: &[Name],
        attributes: Vec<AttributeProto>,
    ) -> Form {
        let mut outputs = self.all_outputs(op);
        let to = self.output_ty(0).dtype().filter(|to| *to != from && !self.outputs[0].is_empty());
        let Some(to) = to else {
            self.writer.push(op, domain, inputs, outputs, attributes, self.node.label.as_deref());
            return Ok(());
        };
        let raw = self.writer.names.fresh(op);
        let converted = std::mem::replace(&mut outputs[0], raw.clone());
        self.writer.push(op, domain, inputs, outputs, attributes, self.node.label.as_deref());
        self.writer.push("Cast", "", &[raw], vec![converted], vec![to_attribute(to)], None);
        Ok(())
    }

    /// The names of all outputs; those that nothing reads get one too.
    fn all_outputs(&mut self, op: &str) -> Vec<Name> {
        let named = |name: &Name| if name.is_empty() { self.writer.names.fresh(op) } else { name.clone() };
        self.outputs.iter().map(named).collect()
    }

    /// Adds a conversion.
    pub(super) fn cast(&mut self, value: &Name, to: DType) -> Name {
        self.writer.dtypes.insert(to);
        self.node("Cast", std::slice::from_ref(value), vec![to_attribute(to)])
    }

    /// Adds a conversion where one is needed.
    pub(super) fn cast_from(&mut self, value: &Name, from: DType, to: DType) -> Name {
        if from == to { value.clone() } else { self.cast(value, to) }
    }

    /// Adds the conversion that gives the one output.
    pub(super) fn result_cast(&mut self, value: &Name, to: DType) -> Form {
        self.result("Cast", std::slice::from_ref(value), vec![to_attribute(to)])
    }

    /// An i64 vector of extents, computed at run time where they are not constants.
    pub(super) fn dims(&mut self, dims: &[Dim]) -> Result<Name, NoForm> {
        super::dims::vector(self, dims)
    }

    /// The elements of a vector at these places, others from `rest`: an element for each axis.
    pub(super) fn spread(&mut self, vector: &Name, places: &[Option<usize>], rest: &[Name]) -> Name {
        let parts: Vec<Name> = places
            .iter()
            .zip(rest)
            .map(|(place, rest)| match place {
                Some(place) => {
                    let at = self.sizes(&[*place]);
                    self.node("Gather", &[vector.clone(), at], Vec::new())
                }
                None => rest.clone(),
            })
            .collect();
        self.node("Concat", &parts, vec![super::attribute::int("axis", 0)])
    }

    /// Input `i`, a tensor of one element, as a scalar.
    pub(super) fn one_element(&mut self, i: usize) -> Name {
        let x = self.input(i);
        if self.shape(i).is_none_or(|shape| shape.is_empty()) {
            return x;
        }
        let none = self.vector(&[]);
        self.node("Reshape", &[x, none], Vec::new())
    }

    /// Input `i`, a scalar, as a vector of one element.
    pub(super) fn as_vector(&mut self, i: usize) -> Name {
        if let Some(values) = self.ints(i).filter(|_| self.dtype(i).is_ok_and(|dtype| dtype == DType::I64)) {
            return self.vector(&values);
        }
        let (x, one) = (self.input(i), self.vector(&[1]));
        self.node("Reshape", &[x, one], Vec::new())
    }

    /// The types of all outputs.
    pub(super) fn output_types(&self) -> impl Iterator<Item = &'a Type> {
        let graph = self.graph;
        self.node.outputs.iter().map(|value| graph.ty(*value))
    }

    /// A region as a subgraph.
    pub(super) fn region(&mut self, index: usize) -> GraphProto {
        self.writer.region(self.graph, self.names, self.node, index)
    }
}

/// The attribute `to` of a conversion.
pub(super) fn to_attribute(dtype: DType) -> AttributeProto {
    super::attribute::int("to", i64::from(types::number(dtype)))
}

/// A number as the format has it.
pub(super) fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Sizes as the format has them.
pub(super) fn signed(values: &[usize]) -> Vec<i64> {
    values.iter().map(|v| i64::try_from(*v).unwrap_or(i64::MAX)).collect()
}
