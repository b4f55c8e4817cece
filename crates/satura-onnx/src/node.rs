//! What a converter sees: one node, its inputs and attributes, and the graph it adds to.

use crate::options::Differentiate;
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{Emit, Graph, Op, SymTensor, Type, ValueId};
use satura_tensor::{DType, Elements, Shape, Tensor};
use std::cell::RefCell;
use std::collections::HashMap;

/// A subgraph, read.
#[derive(Debug)]
pub(crate) struct Region {
    /// What it computes. Its inputs are its own, then the captures.
    pub(crate) graph: Graph,
    /// For a loop: the carried values that are optional at first only, by position.
    pub(crate) optional_first: Vec<usize>,
}

/// What a converter gives: the node's outputs, at least as many as the model names.
pub(crate) type Converted = Result<Vec<ValueId>, Diagnostic>;

/// A converter.
pub(crate) type Convert = fn(&mut NodeCx<'_>) -> Converted;

/// One node while it is converted.
pub(crate) struct NodeCx<'a> {
    /// The graph that the node is added to.
    pub(crate) graph: &'a mut Graph,
    /// The version of the node's domain.
    pub(crate) version: i64,
    /// The inputs; `None` for an optional one that is absent.
    pub(crate) inputs: Vec<Option<ValueId>>,
    /// The attributes.
    pub(crate) attrs: Attributes<Region>,
    /// The outputs that the model names; an unnamed one is empty.
    pub(crate) outputs: &'a [String],
    /// What the subgraphs read from outside: the inputs of each region.
    pub(crate) captures: Vec<ValueId>,
    /// Values that attributes name.
    pub(crate) named: HashMap<String, ValueId>,
    /// What derives gradients, if the caller lent it.
    pub(crate) differentiate: Option<Differentiate>,
    /// Values whose elements were asked for and are not known: what a caller could fix.
    pub(crate) wanted: RefCell<Vec<ValueId>>,
}

impl NodeCx<'_> {
    fn emitter(&mut self) -> &mut dyn Emit {
        self.graph
    }

    /// `N` inputs that must be there and `M` that may be absent; more are an error.
    pub(crate) fn args<const N: usize, const M: usize>(
        &self,
    ) -> Result<([ValueId; N], [Option<ValueId>; M]), Diagnostic> {
        let given = self.inputs.len();
        if given > N + M {
            return Err(Diagnostic::error(
                Code::InputCount,
                format!("{given} inputs, at most {} are taken", N + M),
            ));
        }
        let at = |i: usize| self.inputs.get(i).copied().flatten();
        let mut needed = [ValueId(0); N];
        for (i, slot) in needed.iter_mut().enumerate() {
            let missing = || {
                Diagnostic::error(Code::InputCount, format!("input {i} is missing, {N} are needed"))
                    .at_input(i)
            };
            *slot = at(i).ok_or_else(missing)?;
        }
        Ok((needed, std::array::from_fn(|i| at(N + i))))
    }

    /// One or more inputs, all of which must be there.
    pub(crate) fn variadic(&self) -> Result<Vec<ValueId>, Diagnostic> {
        let all: Option<Vec<ValueId>> = self.inputs.iter().copied().collect();
        all.filter(|inputs| !inputs.is_empty()).ok_or_else(|| {
            Diagnostic::error(Code::InputCount, "at least one input is needed, and none may be absent")
        })
    }

    /// The error for outputs beyond the first `count`, if the model names any.
    pub(crate) fn only_outputs(&self, count: usize, reason: &str) -> Result<(), Diagnostic> {
        match self.outputs.iter().skip(count).any(|name| !name.is_empty()) {
            true => Err(Diagnostic::error(Code::Unsupported, reason)),
            false => Ok(()),
        }
    }

    /// Adds a node of one output.
    pub(crate) fn one(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, Diagnostic> {
        Ok(self.emitter().one(op, inputs)?)
    }

    /// Adds a node.
    pub(crate) fn emit(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Converted {
        Ok(self.emitter().emit(op, inputs)?)
    }

    /// Adds a node with regions.
    pub(crate) fn emit_regions(
        &mut self,
        op: impl Into<Op>,
        inputs: &[ValueId],
        regions: Vec<Graph>,
    ) -> Converted {
        Ok(self.emitter().emit_region_op(op.into(), inputs, regions)?)
    }

    /// Adds a constant.
    pub(crate) fn constant(&mut self, value: Tensor) -> Result<ValueId, Diagnostic> {
        Ok(self.emitter().constant(value)?)
    }

    /// Adds an i64 vector.
    pub(crate) fn vector(&mut self, values: Vec<i64>) -> Result<ValueId, Diagnostic> {
        let len = values.len();
        self.constant(Tensor::from_vec(values, &[len]))
    }

    /// Adds a scalar of the dtype of `like`.
    pub(crate) fn scalar_like(&mut self, like: ValueId, value: f64) -> Result<ValueId, Diagnostic> {
        Ok(self.emitter().scalar_like(like, value)?)
    }

    /// The type of a value.
    pub(crate) fn ty(&self, value: ValueId) -> &Type {
        self.graph.ty(value)
    }

    /// The dtype of a tensor.
    pub(crate) fn dtype(&self, value: ValueId) -> Result<DType, Diagnostic> {
        let ty = self.graph.ty(value);
        ty.dtype().ok_or_else(|| Diagnostic::error(Code::DType, format!("a tensor is expected, found {ty}")))
    }

    /// The shape, if the rank is known.
    pub(crate) fn shape(&self, value: ValueId) -> Option<&Shape> {
        self.graph.ty(value).shape()
    }

    /// The rank, if it is known.
    pub(crate) fn rank(&self, value: ValueId) -> Option<usize> {
        self.shape(value).map(|s| s.len())
    }

    /// The rank, or an error that says what for.
    pub(crate) fn need_rank(&self, value: ValueId, what_for: &str) -> Result<usize, Diagnostic> {
        self.rank(value).ok_or_else(|| {
            Diagnostic::error(
                Code::NotConstant,
                format!("the rank of the input is not known, {what_for} needs it"),
            )
            .help("export the model with its shapes (value_info), or with fixed input shapes")
        })
    }

    /// The elements of an integer tensor, if they are constants.
    pub(crate) fn ints(&self, value: ValueId) -> Option<Vec<i64>> {
        if let Some(known) = self.graph.value(value).known.as_ref().and_then(SymTensor::constants) {
            return Some(known);
        }
        match self.constant_of(value)?.to_elements() {
            Elements::Int(v) => v.into_iter().map(|x| i64::try_from(x).ok()).collect(),
            _ => None,
        }
    }

    /// The elements of an integer input that must be known when the model is read.
    pub(crate) fn need_ints(&self, value: ValueId, what: &str) -> Result<Vec<i64>, Diagnostic> {
        self.ints(value).ok_or_else(|| {
            Diagnostic::error(Code::NotConstant, format!("{what} must be constant integers"))
                .help("simplify the model first, or export it with fixed shapes")
        })
    }

    /// The elements of a constant of floats.
    pub(crate) fn floats(&self, value: ValueId) -> Option<Vec<f64>> {
        match self.constant_of(value)?.to_elements() {
            Elements::Float(v) => Some(v),
            _ => None,
        }
    }

    /// The tensor of a value, if it is a constant.
    pub(crate) fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        let constant = self.graph.constant(value);
        if constant.is_none() {
            self.wanted.borrow_mut().push(value);
        }
        constant
    }
}

/// An attribute error.
pub(crate) fn bad_attribute(name: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::BadAttribute, message).at_attribute(name)
}

/// A combination that is not supported.
pub(crate) fn unsupported(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::Unsupported, message)
}

/// Non-negative integers of an attribute, at least `least` each.
pub(crate) fn sizes(name: &str, values: &[i64], least: i64) -> Result<Vec<usize>, Diagnostic> {
    let size = |v: &i64| {
        usize::try_from(*v)
            .ok()
            .filter(|_| (least..=i64::from(i32::MAX)).contains(v))
            .ok_or_else(|| bad_attribute(name, format!("{v} is out of range, at least {least} is needed")))
    };
    values.iter().map(size).collect()
}
