//! Ops from outside this crate: composites that bring their own rule and decomposition.

use crate::attr::AttrText;
use crate::{
    Arity, ConstStore, Datum, Emit, EvalCx, InferCx, OpError, SymTensor, Type, ValueId, eval_by_decomposition,
};
use satura_tensor::{Bindings, Tensor};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A composite op defined outside. It must decompose, so every back end can run it.
pub trait CustomOp: fmt::Debug + Send + Sync {
    /// The name in the text form, with a dot after the owner's prefix: `mylib.scale_shift`.
    fn name(&self) -> &str;
    /// Names and printed values of the attributes, which together with the name identify the op.
    fn attrs(&self) -> Vec<(&'static str, String)>;
    /// How many inputs it takes.
    fn arity(&self) -> Arity;
    /// How many outputs it gives.
    fn outputs(&self) -> usize {
        1
    }
    /// The types of the outputs.
    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError>;
    /// The op with bound symbols replaced, if it has dimensions among its attributes.
    fn bind(&self, _bindings: &Bindings) -> Option<Custom> {
        None
    }
    /// Emits the decomposition and gives the values that replace the outputs.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError>;
    /// Computes the outputs. By default by evaluating the decomposition.
    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

/// A shared [`CustomOp`]; equality, order and hash are by name and printed attributes.
#[derive(Clone)]
pub struct Custom(Arc<dyn CustomOp>);

impl Custom {
    /// Wraps an op.
    pub fn new(op: impl CustomOp + 'static) -> Self {
        Custom(Arc::new(op))
    }

    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }
    pub(crate) fn arity(&self) -> Arity {
        self.0.arity()
    }
    pub(crate) fn outputs(&self) -> usize {
        self.0.outputs()
    }
    pub(crate) fn regions(&self) -> usize {
        0
    }
    pub(crate) fn capture(&self, _region: usize, _index: usize) -> Option<usize> {
        None
    }
    pub(crate) fn bind_attrs(&mut self, bindings: &Bindings) {
        if let Some(bound) = self.0.bind(bindings) {
            *self = bound;
        }
    }
    pub(crate) fn attrs_known(&self) -> bool {
        true
    }
    pub(crate) fn print_attrs(&self) -> Vec<(&'static str, String)> {
        self.0.attrs()
    }
    pub(crate) fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        self.0.types(cx)
    }
    pub(crate) fn values(&self, _cx: &InferCx<'_>) -> Option<SymTensor> {
        None
    }
    pub(crate) fn eval_data(&self, inputs: &[Datum], cx: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let tensors = inputs.iter().map(|d| d.clone().into_tensor()).collect::<Result<Vec<_>, _>>()?;
        Ok(self.eval(&tensors, cx)?.into_iter().map(Datum::Tensor).collect())
    }
    pub(crate) fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        self.0.eval(inputs, cx)
    }
    pub(crate) fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        self.0.decompose(cx, inputs)
    }

    fn key(&self) -> (&str, Vec<(&'static str, String)>) {
        (self.0.name(), self.0.attrs())
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Custom {}
impl PartialOrd for Custom {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Custom {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
impl std::hash::Hash for Custom {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

type ParseFn = fn(AttrText, &ConstStore) -> Result<Custom, String>;

/// The custom ops that a parser knows, by name.
#[derive(Clone, Default)]
pub struct OpRegistry(BTreeMap<String, ParseFn>);

impl OpRegistry {
    /// Adds an op: its name and how its attributes are read.
    pub fn register(&mut self, name: &str, parse: ParseFn) {
        self.0.insert(name.to_owned(), parse);
    }

    pub(crate) fn parse(
        &self,
        name: &str,
        attrs: AttrText,
        store: &ConstStore,
    ) -> Option<Result<Custom, String>> {
        self.0.get(name).map(|parse| parse(attrs, store))
    }
}
