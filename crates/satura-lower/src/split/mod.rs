//! Tensors beyond the device's limit for one binding, computed and read in parts.
//!
//! Before fusion the graph is rewritten: each value that is too big becomes parts, runs of its row-major elements that a binding can hold, and each op that makes or reads one is done for each
//! part. What a part needs of an operand is a slice, put together from the operand's own parts; such slices are index maps like any others and fuse. Inputs, constants, outputs and what the host
//! makes or reads keep one buffer, in which parts are *views*: the rewritten graph then has slices and concatenations that are no computation, only another way to bind the same memory.
//!
//! Must hold: after the rewrite no value that a kernel touches is beyond the limit. An op whose operands cannot be cut (a scan along one huge axis, say) gives [`LowerError::Beyond`].
//! Concatenations of more operands than a kernel can bind become trees on the way.

mod nests;
mod read;
mod rules;

use crate::LowerError;
use crate::error::node_name;
use crate::regions::host_reason;
use satura_ir::ops::{Concat, Reshape, Slice};
use satura_ir::{Emit, Graph, NodeId, Op, PrimOp, ValueId};
use satura_kernel::{DeviceProfile, storage_for};
use satura_tensor::{DType, Dim, Shape, contiguous_strides};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// A range of each axis, together a box of elements.
type Ranges = Vec<Range<usize>>;

/// Parts of a value that a rewrite may make, so that a limit which is absurdly small ends in an error.
const MAX_PARTS: usize = 1 << 16;

/// A graph with parts.
pub(crate) struct Split {
    pub(crate) graph: Graph,
    /// Values that lie inside another one's buffer: that value, and the first element's position in it.
    pub(crate) views: HashMap<ValueId, (ValueId, usize)>,
    /// Nodes that only relate views to their buffers.
    pub(crate) relations: BTreeSet<NodeId>,
}

/// The graph in parts; `None` if everything fits as it is.
pub(crate) fn split(
    graph: &Graph,
    order: &[NodeId],
    profile: &DeviceProfile,
) -> Result<Option<Split>, LowerError> {
    let mut splitter = Splitter {
        source: graph,
        profile,
        out: Graph::new(&graph.name),
        whole: HashMap::new(),
        parts: HashMap::new(),
        transposed: HashMap::new(),
        views: HashMap::new(),
        relations: BTreeSet::new(),
        slabs: HashMap::new(),
        label: None,
        made: 0,
    };
    let wide = |id: &NodeId| {
        let node = graph.node(*id);
        matches!(node.op.prim(), Some(PrimOp::Concat(_)))
            && node.inputs.len() >= profile.max_bindings as usize
    };
    let values = graph.inputs().iter().chain(order.iter().flat_map(|id| &graph.node(*id).outputs));
    if !values.clone().any(|v| splitter.is_big(*v)) && !order.iter().any(wide) {
        return Ok(None);
    }
    for input in graph.inputs() {
        let name = graph.value(*input).name.clone().unwrap_or_default();
        let made = splitter.out.add_input(&name, graph.ty(*input).clone());
        splitter.whole.insert(*input, made);
    }
    for id in order {
        splitter.node(*id)?;
    }
    for output in graph.outputs() {
        let value = splitter.whole(output.value)?;
        splitter.out.add_output(&output.name, value);
    }
    splitter.remove_unused();
    Ok(Some(Split { graph: splitter.out, views: splitter.views, relations: splitter.relations }))
}

/// What a rule says about a part of an op's result.
enum Step {
    /// It is this value.
    Done(ValueId),
    /// The operands do not fit: compute it in two parts, below and from this position of an axis on.
    Cut(usize, usize),
}

struct Splitter<'a> {
    source: &'a Graph,
    profile: &'a DeviceProfile,
    out: Graph,
    /// By value of the source: the same in the new graph, where it exists whole.
    whole: HashMap<ValueId, ValueId>,
    /// By big value of the source: its parts, in row-major order.
    parts: HashMap<ValueId, Vec<(Ranges, ValueId)>>,
    /// Big values that are another one with its axes in another order: that value, and the order. They have parts only where somebody needs them in memory.
    transposed: HashMap<ValueId, (ValueId, Vec<usize>)>,
    views: HashMap<ValueId, (ValueId, usize)>,
    relations: BTreeSet<NodeId>,
    slabs: HashMap<(ValueId, Vec<(usize, usize)>), ValueId>,
    /// The label of the node being rewritten.
    label: Option<Arc<str>>,
    made: usize,
}

fn volume(range: &[Range<usize>]) -> usize {
    range.iter().map(Range::len).product()
}

fn full(sizes: &[usize]) -> Ranges {
    sizes.iter().map(|size| 0..*size).collect()
}

/// The sizes of a box.
fn extents(range: &[Range<usize>]) -> Vec<usize> {
    range.iter().map(Range::len).collect()
}

impl Splitter<'_> {
    fn sizes(&self, value: ValueId) -> Vec<usize> {
        self.source.ty(value).sizes().unwrap_or_default()
    }

    fn dtype(&self, value: ValueId) -> DType {
        self.source.ty(value).dtype().unwrap_or(DType::F32)
    }

    /// Elements of a part: any storage has at most 4 bytes an element, and a binding starts up to one alignment before its first.
    fn most_elements(&self) -> usize {
        (self.profile.max_binding_bytes.saturating_sub(self.profile.binding_alignment) / 4).max(1) as usize
    }

    fn is_big(&self, value: ValueId) -> bool {
        let Some(storage) = storage_for(self.dtype(value), self.profile) else { return false };
        let elements = self.sizes(value).iter().product();
        (storage.byte_len(elements) as u64).next_multiple_of(16) > self.profile.max_binding_bytes
    }

    /// The parts of a tensor of these sizes: ranges of the outermost axis, and of the next one inside where even one of its slices is too much.
    fn geometry(&self, sizes: &[usize]) -> Result<Vec<Ranges>, LowerError> {
        let most = self.most_elements();
        if sizes.iter().product::<usize>() <= most {
            return Ok(vec![full(sizes)]);
        }
        let axis = sizes.iter().position(|s| *s > 1).unwrap_or(0);
        let rest = &sizes[axis + 1..];
        let row: usize = rest.iter().product();
        let outer = full(&sizes[..axis]);
        let mut boxes = Vec::new();
        if row > most {
            let inner = self.geometry(rest)?;
            if inner.len().saturating_mul(sizes[axis]) > MAX_PARTS {
                return Err(LowerError::Beyond(format!("a tensor of sizes {sizes:?} has too many parts")));
            }
            for i in 0..sizes[axis] {
                boxes.extend(
                    inner.iter().map(|b| [&outer[..], std::slice::from_ref(&(i..i + 1)), b].concat()),
                );
            }
            return Ok(boxes);
        }
        // Parts that start at an aligned address need no offset in their kernels, which are then the same for all.
        let mut step = most / row;
        for unit in [64, 4] {
            let multiple = unit / gcd(row, unit);
            if step >= multiple {
                step -= step % multiple;
                break;
            }
        }
        let mut start = 0;
        while start < sizes[axis] {
            let end = (start + step).min(sizes[axis]);
            boxes.push([&outer[..], std::slice::from_ref(&(start..end)), &full(rest)].concat());
            start = end;
        }
        Ok(boxes)
    }

    /// Adds a node to the new graph.
    fn emit(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, LowerError> {
        self.made += 1;
        if self.made > 16 * MAX_PARTS {
            return Err(LowerError::Beyond(
                "the graph has too many parts for the device's binding limit".to_owned(),
            ));
        }
        let emit: &mut dyn Emit = &mut self.out;
        let value = emit.one(op, inputs).map_err(|error| LowerError::internal(&error.message))?;
        if let Some((id, _)) = self.out.producer(value) {
            self.out.node_mut(id).label = self.label.clone();
        }
        Ok(value)
    }

    fn scalar(&mut self, dtype: DType, value: f64) -> Result<ValueId, LowerError> {
        let emit: &mut dyn Emit = &mut self.out;
        emit.scalar(dtype, value).map_err(|error| LowerError::internal(&error.message))
    }

    fn reshape(&mut self, value: ValueId, sizes: &[usize]) -> Result<ValueId, LowerError> {
        if self.out.ty(value).sizes().as_deref() == Some(sizes) {
            return Ok(value);
        }
        self.emit(Reshape { shape: Shape::of(sizes) }, &[value])
    }

    /// A part of a value of the new graph.
    fn slice(&mut self, value: ValueId, range: &[Range<usize>]) -> Result<ValueId, LowerError> {
        if self.out.ty(value).sizes().as_deref() == Some(&extents(range)[..]) {
            return Ok(value);
        }
        let op = Slice {
            starts: range.iter().map(|r| Dim::from(r.start)).collect(),
            sizes: range.iter().map(|r| Dim::from(r.len())).collect(),
            steps: vec![1; range.len()],
        };
        self.emit(op, &[value])
    }

    /// A concatenation, as a tree where it has more operands than a kernel can bind.
    fn concat(&mut self, axis: usize, parts: &[ValueId]) -> Result<ValueId, LowerError> {
        let most = (self.profile.max_bindings as usize).saturating_sub(1).max(2);
        let mut parts = parts.to_vec();
        while parts.len() > most {
            let next = parts.chunks(most).map(|chunk| self.concat(axis, chunk));
            parts = next.collect::<Result<_, _>>()?;
        }
        match parts[..] {
            [part] => Ok(part),
            _ => self.emit(Concat { axis: axis as i64 }, &parts),
        }
    }

    fn node(&mut self, id: NodeId) -> Result<(), LowerError> {
        let node = self.source.node(id);
        self.label = Some(Arc::from(node_name(self.source, id)));
        let on_host =
            host_reason(self.source, id, &|v| storage_for(self.dtype(v), self.profile).is_some()).is_some();
        let is_constant = matches!(node.op.prim(), Some(PrimOp::Const(_)));
        let any_big = node.inputs.iter().chain(&node.outputs).any(|v| self.is_big(*v));
        let wide = matches!(node.op.prim(), Some(PrimOp::Concat(_)))
            && node.inputs.len() >= self.profile.max_bindings as usize;
        // What has no elements is no kernel.
        let empty = node.outputs.iter().any(|v| self.sizes(*v).contains(&0));
        if on_host || is_constant || empty || !(any_big || wide) {
            let inputs = node.inputs.iter().map(|v| self.whole(*v)).collect::<Result<Vec<_>, _>>()?;
            let types = node.outputs.iter().map(|v| self.source.ty(*v).clone()).collect();
            let made =
                self.out.add_node_unchecked(node.op.clone(), inputs, node.regions.clone(), types, None);
            for (old, new) in node.outputs.iter().zip(made) {
                self.out.value_mut(new).name = self.source.value(*old).name.clone();
                if let Some((id, _)) = self.out.producer(new) {
                    self.out.node_mut(id).label = node.label.clone();
                }
                self.whole.insert(*old, new);
            }
            return Ok(());
        }
        let value = node.outputs[0];
        let sizes = self.sizes(value);
        if self.is_big(value) {
            if let Some(PrimOp::Transpose(op)) = node.op.prim() {
                self.transposed.insert(value, (node.inputs[0], op.perm.clone()));
            } else {
                self.compute_parts(id, value)?;
            }
        } else {
            let made = self.compute(id, &full(&sizes))?;
            self.whole.insert(value, made);
        }
        Ok(())
    }

    fn compute_parts(&mut self, id: NodeId, value: ValueId) -> Result<Vec<(Ranges, ValueId)>, LowerError> {
        let mut parts = Vec::new();
        for range in self.geometry(&self.sizes(value))? {
            let part = self.compute(id, &range)?;
            parts.push((range, part));
        }
        self.parts.insert(value, parts.clone());
        Ok(parts)
    }

    /// A part of a node's result, in as many pieces as its operands ask for.
    fn compute(&mut self, id: NodeId, range: &[Range<usize>]) -> Result<ValueId, LowerError> {
        let (axis, at) = match self.rule(id, range)? {
            Step::Done(value) => return Ok(value),
            Step::Cut(axis, at) => (axis, at),
        };
        let (mut low, mut high) = (range.to_vec(), range.to_vec());
        (low[axis].end, high[axis].start) = (at, at);
        let pieces = [self.compute(id, &low)?, self.compute(id, &high)?];
        self.concat(axis, &pieces)
    }

    /// The parts of a big value. Of one that lies in memory whole they are views, made when first asked for.
    fn parts(&mut self, value: ValueId) -> Result<Vec<(Ranges, ValueId)>, LowerError> {
        if let Some(parts) = self.parts.get(&value) {
            return Ok(parts.clone());
        }
        if self.transposed.contains_key(&value)
            && let Some((id, _)) = self.source.producer(value)
        {
            return self.compute_parts(id, value);
        }
        let sizes = self.sizes(value);
        let whole = self.whole(value)?;
        let strides = contiguous_strides(&sizes);
        let mut parts = Vec::new();
        for range in self.geometry(&sizes)? {
            let part = self.slice(whole, &range)?;
            self.relate(part);
            let position = range.iter().zip(&strides).map(|(r, s)| r.start * s).sum();
            self.views.insert(part, (whole, position));
            parts.push((range, part));
        }
        self.parts.insert(value, parts.clone());
        Ok(parts)
    }

    fn relate(&mut self, value: ValueId) {
        if let Some((id, _)) = self.out.producer(value) {
            self.relations.insert(id);
        }
    }

    /// A value of the source in one buffer.
    fn whole(&mut self, value: ValueId) -> Result<ValueId, LowerError> {
        if let Some(whole) = self.whole.get(&value) {
            return Ok(*whole);
        }
        if !self.parts.contains_key(&value) && !self.transposed.contains_key(&value) {
            return Err(LowerError::internal("a value is read before it is made"));
        }
        let parts = self.parts(value)?;
        let sizes = self.sizes(value);
        let strides = contiguous_strides(&sizes);
        let words = storage_for(self.dtype(value), self.profile).map_or(1, |s| s.per_word());
        let mut counts: HashMap<ValueId, usize> = HashMap::new();
        parts.iter().for_each(|(_, part)| *counts.entry(*part).or_default() += 1);
        let others = self.parts.iter().filter(|(v, _)| **v != value).flat_map(|(_, parts)| parts);
        let slabs = self.slabs.iter().filter(|((v, _), _)| *v != value).map(|(_, slab)| slab);
        let known = self.views.keys().chain(self.whole.values()).chain(slabs);
        let shared: HashSet<ValueId> = known.chain(others.map(|(_, part)| part)).copied().collect();
        let mut flat = Vec::new();
        let mut places = Vec::new();
        for (range, part) in parts {
            let position: usize = range.iter().zip(&strides).map(|(r, s)| r.start * s).sum();
            if position % words != 0 {
                let message = format!("parts of a {} would share words", self.source.ty(value));
                return Err(LowerError::Beyond(message));
            }
            // What is also something else is copied, because a kernel that makes another part might read it: no kernel reads and writes one buffer.
            let part = match shared.contains(&part) || counts[&part] > 1 {
                true => self.emit(Reshape { shape: Shape::of(&extents(&range)) }, &[part])?,
                false => part,
            };
            places.push((part, position));
            let line = self.emit(Reshape { shape: Shape::of(&[volume(&range)]) }, &[part])?;
            self.relate(line);
            flat.push(line);
        }
        let joined = self.emit(Concat { axis: 0 }, &flat)?;
        self.relate(joined);
        let whole = self.emit(Reshape { shape: Shape::of(&sizes) }, &[joined])?;
        self.relate(whole);
        self.out.value_mut(whole).name = self.source.value(value).name.clone();
        for (part, position) in places {
            self.views.insert(part, (whole, position));
        }
        self.whole.insert(value, whole);
        Ok(whole)
    }

    /// Nodes that nothing needs: slices and parts that were tried in vain.
    fn remove_unused(&mut self) {
        let mut needed: HashSet<ValueId> = self.out.outputs().iter().map(|o| o.value).collect();
        let ids: Vec<NodeId> = self.out.nodes().map(|(id, _)| id).collect();
        let mut unused = Vec::new();
        for id in ids.into_iter().rev() {
            let node = self.out.node(id);
            if node.outputs.iter().any(|v| needed.contains(v)) {
                needed.extend(&node.inputs);
            } else {
                unused.push(id);
            }
        }
        for id in unused {
            self.relations.remove(&id);
            self.out.remove_node(id);
        }
        self.views.retain(|value, _| needed.contains(value));
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
