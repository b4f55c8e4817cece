//! Patches: what a rule wants changed, as data.

use satura_ir::{Emit, Graph, Node, NodeId, Op, OpError, SymTensor, Type, Value, ValueId, infer_op};
use satura_tensor::Tensor;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// Why a rule leaves a node alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The node is not what the rule looks for.
    NoMatch,
    /// The rule fits, but the node is as the rule would make it.
    NoEffect,
    /// The pattern fits and a side condition does not: which one.
    CheckFailed(&'static str),
    /// The new nodes could not be built. Where a value is not known, a limit is reached or a combination is not implemented, the node is left as it is;
    /// any other kind is an error of the pass.
    Failed(OpError),
}

impl From<OpError> for Skip {
    fn from(error: OpError) -> Self {
        Skip::Failed(error)
    }
}

/// What a rule sees: the graph, and how often each value is read.
#[derive(Clone, Copy)]
pub struct View<'g> {
    graph: &'g Graph,
    uses: &'g [u32],
}

impl Deref for View<'_> {
    type Target = Graph;
    fn deref(&self) -> &Graph {
        self.graph
    }
}

impl<'g> View<'g> {
    pub(crate) fn new(graph: &'g Graph, uses: &'g [u32]) -> Self {
        View { graph, uses }
    }

    /// How often a value is read, as input of nodes and as output of the graph.
    pub fn use_count(&self, value: ValueId) -> u32 {
        self.uses.get(value.0 as usize).copied().unwrap_or(0)
    }

    /// An empty patch for a rule at node `at`, whose label the new nodes take.
    pub fn patch(&self, at: NodeId) -> PatchBuilder<'g> {
        PatchBuilder {
            graph: self.graph,
            values: Vec::new(),
            patch: Patch { base: self.graph.value_count(), nodes: Vec::new(), replaced: Vec::new() },
            label: self.graph.get_node(at).and_then(|node| node.label.clone()),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct NewNode {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) regions: Vec<Graph>,
    pub(crate) types: Vec<Type>,
    pub(crate) known: Option<SymTensor>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) names: Vec<Option<Arc<str>>>,
}

/// A change of one graph: nodes to add and values to replace.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The value count of the graph it was made for: the id of the first new value.
    pub(crate) base: usize,
    pub(crate) nodes: Vec<NewNode>,
    pub(crate) replaced: Vec<(ValueId, ValueId)>,
}

struct NewValue {
    ty: Type,
    known: Option<SymTensor>,
    /// The producer's position among the new nodes, and which of its outputs this is.
    producer: (usize, usize),
}

/// A patch being built against a graph that is only read. New nodes go in through [`emit`](Self::emit).
pub struct PatchBuilder<'g> {
    graph: &'g Graph,
    values: Vec<NewValue>,
    patch: Patch,
    label: Option<Arc<str>>,
}

impl PatchBuilder<'_> {
    /// The means to add nodes.
    pub fn emit(&mut self) -> &mut dyn Emit {
        self
    }

    /// Makes every present reader of `old` read `new` instead. New nodes that read `old` go on doing so.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        self.patch.replaced.push((old, new));
    }

    /// Replaces values pairwise.
    pub fn replace_all(&mut self, old: &[ValueId], new: &[ValueId]) {
        old.iter().zip(new).for_each(|(old, new)| self.replace(*old, *new));
    }

    /// Copies the nodes of `body` into the patch, with `inputs` for its inputs, and gives the values of its outputs. Labels, names and the more
    /// precise of the recorded and the inferred types are kept.
    pub fn inline(&mut self, body: &Graph, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let mut map: BTreeMap<ValueId, ValueId> =
            body.inputs().iter().copied().zip(inputs.iter().copied()).collect();
        let lookup = |map: &BTreeMap<ValueId, ValueId>, v: &ValueId| {
            map.get(v)
                .copied()
                .ok_or_else(|| OpError::value("the region reads a value that it does not define"))
        };
        let order = body.order().map_err(|_| OpError::value("the region has a cycle"))?;
        for id in order {
            let Node { op, inputs, outputs, regions, label } = body.node(id);
            let arguments = inputs.iter().map(|v| lookup(&map, v)).collect::<Result<Vec<_>, _>>()?;
            let label = label.clone().or_else(|| self.label.clone());
            let names = outputs.iter().map(|v| body.value(*v).name.clone()).collect();
            let new = self.add(op.clone(), &arguments, regions.clone(), label, names)?;
            for (old, new) in outputs.iter().zip(&new) {
                let entry = &mut self.values[new.0 as usize - self.patch.base];
                entry.ty = entry.ty.refined_by(body.ty(*old));
                map.insert(*old, *new);
            }
        }
        body.outputs().iter().map(|o| lookup(&map, &o.value)).collect()
    }

    /// The patch.
    pub fn finish(mut self) -> Patch {
        for NewValue { ty, producer: (node, output), .. } in self.values {
            self.patch.nodes[node].types[output] = ty;
        }
        self.patch
    }

    fn new_value(&self, value: ValueId) -> Option<&NewValue> {
        (value.0 as usize).checked_sub(self.patch.base).and_then(|i| self.values.get(i))
    }

    fn old_value(&self, value: ValueId) -> &Value {
        self.graph.value(value)
    }

    fn add(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        regions: Vec<Graph>,
        label: Option<Arc<str>>,
        names: Vec<Option<Arc<str>>>,
    ) -> Result<Vec<ValueId>, OpError> {
        let described = inputs.iter().map(|v| (self.type_of(*v), self.known(*v))).collect();
        let (types, known) = infer_op(&op, described, &regions)?;
        let first = self.patch.base + self.values.len();
        let mut first_known = known.clone();
        for (output, ty) in types.iter().enumerate() {
            let producer = (self.patch.nodes.len(), output);
            self.values.push(NewValue { ty: ty.clone(), known: first_known.take(), producer });
        }
        let ids = (first..first + types.len()).map(|i| ValueId(i as u32)).collect();
        self.patch.nodes.push(NewNode { op, inputs: inputs.to_vec(), regions, types, known, label, names });
        Ok(ids)
    }
}

impl Emit for PatchBuilder<'_> {
    fn emit_region_op(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        regions: Vec<Graph>,
    ) -> Result<Vec<ValueId>, OpError> {
        let (label, names) = (self.label.clone(), vec![None; op.outputs()]);
        self.add(op, inputs, regions, label, names)
    }

    fn type_of(&self, value: ValueId) -> &Type {
        self.new_value(value).map_or_else(|| &self.old_value(value).ty, |new| &new.ty)
    }

    fn known(&self, value: ValueId) -> Option<&SymTensor> {
        match self.new_value(value) {
            Some(new) => new.known.as_ref(),
            None => self.old_value(value).known.as_ref(),
        }
    }

    fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        match self.new_value(value) {
            Some(new) => match &self.patch.nodes[new.producer.0].op {
                Op::Const(constant) => Some(&constant.value),
                _ => None,
            },
            None => self.graph.constant(value),
        }
    }
}
