//! Putting the plan together.

use crate::error::{LowerError, node_name};
use crate::kernels::{Built, Target, build};
use crate::memory::plan_memory;
use crate::regions::{Unit, fuse, host_reason};
use crate::split::split;
use satura_ir::{Def, Graph, NodeId, ValueId};
use satura_kernel::{
    Binding, BufferKind, ContractionSchedule, DeviceProfile, Dispatch, HostStep, Kernel, Plan, PlanBuffer,
    PlanBufferId, RowSchedule, Step, Storage, storage_for,
};
use satura_tensor::DType;
use std::collections::{BTreeMap, HashMap};

/// Choices that override the compiler's own, for tuning, tests and comparisons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LowerOptions {
    /// The schedule of every contraction, instead of the chosen one.
    pub contraction: Option<ContractionSchedule>,
    /// The schedule of every row program, instead of the chosen one.
    pub rows: Option<RowSchedule>,
}

/// Lowers a graph of primitives whose shapes are all constant. Composites that were not decomposed run on the host.
pub fn lower(graph: &Graph, profile: &DeviceProfile, options: &LowerOptions) -> Result<Plan, LowerError> {
    let graph = &crate::rewrite::prepare(graph)?;
    let order = graph.order().map_err(|_| LowerError::internal("the graph has a cycle"))?;
    for value in graph.inputs().iter().chain(order.iter().flat_map(|id| &graph.node(*id).outputs)) {
        if graph.ty(*value).sizes().is_none() {
            let name = graph.value(*value).name.as_deref().unwrap_or("a value");
            return Err(LowerError::NotStatic(format!("{name:?} of type {}", graph.ty(*value))));
        }
    }
    if let Some(value) = (0..graph.value_count())
        .map(|v| ValueId(v as u32))
        .find(|v| !matches!(graph.value(*v).def, Def::Removed) && graph.ty(*v).dtype() == Some(DType::String))
    {
        return Err(LowerError::Beyond(format!(
            "strings ({}) have no place in device memory",
            graph.ty(value)
        )));
    }
    let parts = split(graph, &order, profile)?;
    let (graph, order) = match &parts {
        None => (graph, order),
        Some(parts) => {
            let order = parts.graph.order().map_err(|_| LowerError::internal("parts wait for each other"))?;
            (&parts.graph, order)
        }
    };
    let relation = |id: NodeId| parts.as_ref().is_some_and(|parts| parts.relations.contains(&id));
    let view = |value: ValueId| parts.as_ref().and_then(|parts| parts.views.get(&value)).copied();
    let storages = |value: ValueId| graph.ty(value).dtype().and_then(|dtype| storage_for(dtype, profile));
    let hosts: BTreeMap<NodeId, String> = order
        .iter()
        .filter(|id| !relation(**id))
        .filter_map(|id| host_reason(graph, *id, &|v| storages(v).is_some()).map(|reason| (*id, reason)))
        .collect();
    let fusion =
        fuse(graph, &order, &|id| hosts.contains_key(&id) || relation(id), profile.max_bindings as usize);
    let in_memory = |value: ValueId| fusion.in_memory[value.0 as usize];
    let place = |value: ValueId| view(value).map(|(_, at)| Place::of(at, storages(value), profile));
    let skews = |value: ValueId| place(value).map_or(0, |place| place.skew);
    let target =
        Target { graph, in_memory: &in_memory, storages: &storages, skews: &skews, profile, options };

    let mut lowering = Lowering {
        graph,
        profile,
        view: &|value| Some((view(value)?.0, place(value)?.offset)),
        plan: Plan::default(),
        buffers: HashMap::new(),
        kernels: HashMap::new(),
    };
    lowering.plan.inputs = graph.inputs().iter().map(|_| None).collect();
    for unit in &fusion.units {
        match unit {
            Unit::Host(id) if relation(*id) => {}
            Unit::Host(id) => lowering.host(*id, &hosts[id])?,
            Unit::Kernel(region) => {
                if target.sizes(region.root).contains(&0) {
                    lowering.buffer(region.root)?;
                    continue;
                }
                let built = build(&target, region)?;
                lowering.dispatch(region.root, built)?;
            }
        }
    }
    for output in graph.outputs() {
        let buffer = lowering.buffer(output.value)?;
        lowering.plan.outputs.push(buffer);
    }
    let mut plan = lowering.plan;
    plan_memory(&mut plan, profile.binding_alignment, profile.max_binding_bytes);
    Ok(plan)
}

/// Where a value that lies inside another one's buffer is bound.
#[derive(Clone, Copy)]
struct Place {
    /// In bytes, aligned for a binding.
    offset: u64,
    /// Elements from there to the value's first.
    skew: usize,
}

impl Place {
    /// The place of the element at `position`.
    fn of(position: usize, storage: Option<Storage>, profile: &DeviceProfile) -> Place {
        let each = storage.map_or(4, |s| s.byte_len(4) / 4) as u64;
        let byte = position as u64 * each;
        let past = byte % profile.binding_alignment;
        Place { offset: byte - past, skew: (past / each) as usize }
    }
}

struct Lowering<'a> {
    graph: &'a Graph,
    profile: &'a DeviceProfile,
    /// For a value inside another one's buffer: that value, and the binding's offset in bytes.
    view: &'a dyn Fn(ValueId) -> Option<(ValueId, u64)>,
    plan: Plan,
    buffers: HashMap<ValueId, PlanBufferId>,
    kernels: HashMap<Kernel, usize>,
}

impl Lowering<'_> {
    /// The buffer of a value that is in memory.
    fn buffer(&mut self, value: ValueId) -> Result<PlanBufferId, LowerError> {
        if let Some(id) = self.buffers.get(&value) {
            return Ok(*id);
        }
        let ty = self.graph.ty(value);
        let (Some(dtype), Some(shape)) = (ty.dtype(), ty.sizes()) else {
            return Err(LowerError::internal("a value in memory is no tensor"));
        };
        let input = self.graph.inputs().iter().position(|v| *v == value);
        let output = self.graph.outputs().iter().position(|o| o.value == value);
        let kind = match (self.graph.constant(value), input, output) {
            (Some(tensor), ..) => BufferKind::Weight(tensor.clone()),
            (None, Some(at), _) => BufferKind::Input(at),
            (None, None, Some(at)) => BufferKind::Output(at),
            (None, None, None) => BufferKind::Temporary,
        };
        // Dtypes that the device lacks pass between host steps as raw words.
        let storage = storage_for(dtype, self.profile).unwrap_or(Storage::U32);
        let elements: usize = shape.iter().product();
        let bytes = storage.byte_len(elements).max(dtype.byte_len(elements).unwrap_or(0));
        let id = PlanBufferId(self.plan.buffers.len() as u32);
        if let Some(at) = input {
            self.plan.inputs[at] = Some(id);
        }
        self.plan.buffers.push(PlanBuffer {
            kind,
            dtype,
            shape,
            storage,
            bytes: (bytes as u64).next_multiple_of(16).max(16),
            arena: None,
            offset: 0,
            name: self.graph.value(value).name.as_deref().unwrap_or("").to_owned(),
        });
        self.buffers.insert(value, id);
        Ok(id)
    }

    fn dispatch(&mut self, root: ValueId, built: Built) -> Result<(), LowerError> {
        let Built { mut kernel, bound, schedule } = built;
        let mut bindings = Vec::with_capacity(bound.len());
        for value in &bound {
            let (holder, offset) = (self.view)(*value).unwrap_or((*value, 0));
            let buffer = self.buffer(holder)?;
            let all = self.plan.buffer(buffer).bytes;
            let bytes = match bindings.len() {
                _ if holder == *value => all,
                // What a kernel sees of a view is the view alone, in whole granules of the buffer.
                at => {
                    let seen = &kernel.buffers[at];
                    (seen.storage.byte_len(seen.elements) as u64).next_multiple_of(16).min(all - offset)
                }
            };
            if bytes > self.profile.max_binding_bytes {
                return Err(LowerError::Beyond(format!(
                    "a tensor of {bytes} bytes ({}) is beyond the device's binding limit of {} bytes",
                    self.graph.ty(*value),
                    self.profile.max_binding_bytes
                )));
            }
            bindings.push(Binding { buffer, offset, bytes });
        }
        let label = match self.graph.producer(root) {
            Some((id, node)) => {
                format!("{} {}", kernel.name, node.label.as_deref().unwrap_or(&id.to_string()))
            }
            None => kernel.name.clone(),
        };
        // The name of the ops is kept; equal programs with equal names are one kernel.
        kernel.name = kernel.name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let next = self.plan.kernels.len();
        let index = *self.kernels.entry(kernel.clone()).or_insert(next);
        if index == next {
            self.plan.kernels.push(kernel);
        }
        self.plan.steps.push(Step::Dispatch(Dispatch {
            kernel: index,
            bindings,
            params: Vec::new(),
            label,
            schedule: Some(schedule),
        }));
        Ok(())
    }

    fn host(&mut self, id: NodeId, reason: &str) -> Result<(), LowerError> {
        let node = self.graph.node(id);
        let mut step = Graph::new(node.op.name());
        let mut map: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        let mut reads = Vec::new();
        for input in &node.inputs {
            if map.contains_key(input) {
                continue;
            }
            let inner = step.add_input(&format!("x{}", map.len()), self.graph.ty(*input).clone());
            map.insert(*input, inner);
            reads.push(self.buffer(*input)?);
        }
        let inputs = node.inputs.iter().map(|v| map[v]).collect();
        let types = node.outputs.iter().map(|v| self.graph.ty(*v).clone()).collect();
        let outputs = step.add_node_unchecked(node.op.clone(), inputs, node.regions.clone(), types, None);
        let mut writes = Vec::new();
        for (i, (inner, outer)) in outputs.into_iter().zip(&node.outputs).enumerate() {
            step.add_output(&format!("y{i}"), inner);
            writes.push(self.buffer(*outer)?);
        }
        self.plan.steps.push(Step::Host(Box::new(HostStep {
            graph: step,
            reads,
            writes,
            op: node.op.name().to_owned(),
            node: node_name(self.graph, id),
            reason: reason.to_owned(),
        })));
        Ok(())
    }
}
