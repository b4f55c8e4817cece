//! From a graph of constant shapes to steps: folds what is constant, forms elementwise regions, and lowers nodes in topological order.

use crate::assemble::{Assembler, Item};
use crate::element::{self, in_storage};
use crate::lower;
use crate::memory::{HostId, Kernel, StorageId, View};
use crate::program::{Destination, Elementwise, MAX_AXES, MAX_OPERANDS, Program};
use crate::regions::Regions;
use satura_ir::{EvalCx, ExecError, Fallback, Graph, NodeId, Op, OpError, Type, ValueId};
use satura_tensor::{DType, Tensor};
use std::collections::BTreeMap;

/// What a storage is.
pub(crate) enum StorageKind {
    /// A constant, read where it lies if it is f32 and aligned.
    Constant(Tensor),
    /// The graph input of that position.
    Input(usize),
    /// That many elements of the arena.
    Arena(usize),
    /// That many elements that become the tensor of a graph output.
    Output(usize),
}

/// A kernel with the storages it reads and writes.
pub(crate) struct Step {
    pub(crate) kernel: Box<dyn Kernel>,
    pub(crate) name: &'static str,
    /// The node it computes, or the last of several.
    pub(crate) node: Option<NodeId>,
    pub(crate) reads: Vec<StorageId>,
    pub(crate) writes: Vec<StorageId>,
    /// Storages whose memory the output may take over.
    pub(crate) overwrites: Vec<StorageId>,
}

/// Where a value lies.
#[derive(Clone, Debug)]
pub(crate) enum Binding {
    Stored(View),
    Host(HostId),
}

/// How a graph output is made after the last step.
pub(crate) enum Delivery {
    /// The storage is the tensor's data.
    Take(StorageId, Vec<usize>),
    /// Elements of a view, as f32 or bool.
    Copy(View, DType),
    Host(HostId),
}

/// A compiled graph before its memory is laid out.
pub(crate) struct Compiled {
    pub(crate) storages: Vec<StorageKind>,
    pub(crate) host: Vec<Option<Tensor>>,
    /// Per graph input: the host slot of an input that is not in a storage.
    pub(crate) host_inputs: Vec<Option<HostId>>,
    pub(crate) steps: Vec<Step>,
    pub(crate) results: Vec<Delivery>,
    /// Nodes that run through their own evaluation.
    pub(crate) plain: Vec<Fallback>,
}

/// The state of compiling one graph.
pub(crate) struct Compiler<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) threads: usize,
    bindings: Vec<Option<Binding>>,
    constants: BTreeMap<ValueId, Tensor>,
    storages: Vec<StorageKind>,
    host: Vec<Option<Tensor>>,
    steps: Vec<Step>,
    pub(crate) plain: Vec<Fallback>,
    /// The node that is being lowered.
    current: Option<NodeId>,
}

/// Results of folding beyond this many elements are computed in each run instead of kept.
const FOLD_LIMIT: usize = 1 << 24;

pub(crate) fn compile(graph: &Graph, threads: usize) -> Result<Compiled, ExecError> {
    let order = graph.order().map_err(|_| ExecError::internal("the graph has a cycle"))?;
    let order = reachable(graph, order);
    check_shapes(graph, &order)?;
    let mut compiler = Compiler {
        graph,
        threads,
        bindings: vec![None; graph.value_count()],
        constants: BTreeMap::new(),
        storages: Vec::new(),
        host: Vec::new(),
        steps: Vec::new(),
        plain: Vec::new(),
        current: None,
    };
    let mut host_inputs = Vec::new();
    for (i, input) in graph.inputs().iter().enumerate() {
        let sizes = compiler.sizes(*input)?;
        if compiler.dtype(*input).is_some_and(in_storage) {
            let storage = compiler.storage(StorageKind::Input(i));
            compiler.bind(*input, Binding::Stored(View::dense(storage, &sizes)));
            host_inputs.push(None);
        } else {
            let id = compiler.host_slot(None);
            compiler.bind(*input, Binding::Host(id));
            host_inputs.push(Some(id));
        }
    }
    compiler.nodes(&order)?;
    let results = compiler.results()?;
    let Compiler { storages, host, steps, plain, .. } = compiler;
    Ok(Compiled { storages, host, host_inputs, steps, results, plain })
}

/// The nodes that the outputs need, in order.
fn reachable(graph: &Graph, order: Vec<NodeId>) -> Vec<NodeId> {
    let mut needed = vec![false; graph.value_count()];
    graph.outputs().iter().for_each(|o| needed[o.value.0 as usize] = true);
    let mut kept: Vec<NodeId> = order
        .into_iter()
        .rev()
        .filter(|id| {
            let node = graph.node(*id);
            let live = node.outputs.iter().any(|v| needed[v.0 as usize]);
            if live {
                node.inputs.iter().for_each(|v| needed[v.0 as usize] = true);
            }
            live
        })
        .collect();
    kept.reverse();
    kept
}

fn check_shapes(graph: &Graph, order: &[NodeId]) -> Result<(), ExecError> {
    let check = |value: ValueId, what: String| match graph.ty(value) {
        Type::Tensor(_) if graph.ty(value).sizes().is_some_and(|s| s.len() > MAX_AXES) => {
            Err(ExecError::Unsupported(format!("{what} has more than {MAX_AXES} axes")))
        }
        Type::Tensor(_) if graph.ty(value).sizes().is_some() => Ok(()),
        Type::Tensor(_) => Err(ExecError::Unsupported(format!(
            "{what} has type {}; the CPU needs every shape constant",
            graph.ty(value)
        ))),
        Type::Sequence(_) | Type::Optional(_) | Type::Map(..) => {
            Err(ExecError::Unsupported(format!("{what} is a {}, not a tensor", graph.ty(value))))
        }
    };
    for input in graph.inputs() {
        check(*input, format!("input {:?}", graph.value(*input).name.as_deref().unwrap_or("?")))?;
    }
    for id in order {
        let node = graph.node(*id);
        for output in &node.outputs {
            let label = node.label.as_deref().unwrap_or("");
            check(*output, format!("a result of `{}` {label}", node.op.name()))?;
        }
    }
    Ok(())
}

impl Compiler<'_> {
    pub(crate) fn sizes(&self, value: ValueId) -> Result<Vec<usize>, ExecError> {
        self.graph.ty(value).sizes().ok_or_else(|| {
            ExecError::Unsupported(format!(
                "a value of type {}; the CPU needs every shape constant",
                self.graph.ty(value)
            ))
        })
    }

    pub(crate) fn dtype(&self, value: ValueId) -> Option<DType> {
        self.graph.ty(value).dtype()
    }

    pub(crate) fn storage(&mut self, kind: StorageKind) -> StorageId {
        self.storages.push(kind);
        StorageId(self.storages.len() - 1)
    }

    /// A new storage of the arena for a tensor of these sizes.
    pub(crate) fn new_view(&mut self, sizes: &[usize]) -> View {
        let storage = self.storage(StorageKind::Arena(sizes.iter().product()));
        View::dense(storage, sizes)
    }

    pub(crate) fn host_slot(&mut self, tensor: Option<Tensor>) -> HostId {
        self.host.push(tensor);
        HostId(self.host.len() - 1)
    }

    pub(crate) fn bind(&mut self, value: ValueId, binding: Binding) {
        self.bindings[value.0 as usize] = Some(binding);
    }

    pub(crate) fn push(
        &mut self,
        name: &'static str,
        kernel: impl Kernel + 'static,
        reads: Vec<StorageId>,
        writes: Vec<StorageId>,
    ) {
        self.steps.push(Step {
            kernel: Box::new(kernel),
            name,
            node: self.current,
            reads,
            writes,
            overwrites: Vec::new(),
        });
    }

    /// Where a value lies. Constants get a place when first read.
    pub(crate) fn binding(&mut self, value: ValueId) -> Result<Binding, ExecError> {
        if let Some(binding) = &self.bindings[value.0 as usize] {
            return Ok(binding.clone());
        }
        let constant = self.constants.get(&value).cloned();
        let constant =
            constant.ok_or_else(|| ExecError::internal("a value was read before its definition"))?;
        let binding = if in_storage(constant.dtype()) {
            let shape = constant.shape().to_vec();
            Binding::Stored(View::dense(self.storage(StorageKind::Constant(constant)), &shape))
        } else {
            Binding::Host(self.host_slot(Some(constant)))
        };
        self.bind(value, binding.clone());
        Ok(binding)
    }

    /// The view of a value that lives in a storage.
    pub(crate) fn view(&mut self, value: ValueId) -> Result<View, ExecError> {
        match self.binding(value)? {
            Binding::Stored(view) => Ok(view),
            Binding::Host(_) => Err(ExecError::internal("a value of another dtype was read as f32")),
        }
    }

    /// The view of a value, copied if its elements do not lie row-major. The copy serves later readers too.
    pub(crate) fn dense(&mut self, value: ValueId) -> Result<View, ExecError> {
        let view = self.view(value)?;
        if view.is_dense() {
            return Ok(view);
        }
        let copy = self.copied(&view);
        self.bind(value, Binding::Stored(copy.clone()));
        Ok(copy)
    }

    /// A row-major copy of a view.
    pub(crate) fn copied(&mut self, view: &View) -> View {
        let to = self.new_view(&view.shape);
        self.copy_into(
            view,
            Destination {
                storage: to.storage,
                offset: 0,
                outer: Vec::new(),
                strides: Vec::new(),
                row: view.elements(),
            },
        );
        to
    }

    /// A step that copies a view's elements to a destination.
    pub(crate) fn copy_into(&mut self, view: &View, to: Destination) {
        let mut assembler = Assembler::default();
        let item = assembler.operand(view);
        let program = assembler.finish(item, &view.shape);
        self.elementwise("copy", program, to);
    }

    fn elementwise(&mut self, name: &'static str, program: Program, to: Destination) {
        let reads = program.operands.iter().map(|o| o.storage).collect();
        // Over a dense operand at offset 0 the program may write in place, if no other operand reads that storage otherwise.
        let overwrites = program
            .operands
            .iter()
            .filter(|o| o.dense && o.offset == 0 && to.outer.is_empty() && to.offset == 0)
            .filter(|o| program.operands.iter().all(|p| p.storage != o.storage || p == *o))
            .map(|o| o.storage)
            .collect();
        let writes = vec![to.storage];
        let kernel = Box::new(Elementwise { program, to, threads: self.threads });
        self.steps.push(Step { kernel, name, node: self.current, reads, writes, overwrites });
    }

    fn nodes(&mut self, order: &[NodeId]) -> Result<(), ExecError> {
        let mut rest = Vec::new();
        for id in order {
            if !self.fold(*id)? {
                rest.push(*id);
            }
        }
        let regions = Regions::form(self.graph, &rest);
        for id in rest {
            self.current = Some(id);
            match regions.root.get(&id) {
                Some(root) if *root == id => {
                    let producer = regions.producer.get(&id).copied();
                    self.region(id, &regions.members[&id], producer)?;
                }
                Some(_) => {}
                None if regions.taken.contains(&id) => {}
                None => lower::lower(self, id, None)?,
            }
        }
        Ok(())
    }

    /// Evaluates a node whose result is known now; gives whether it was.
    fn fold(&mut self, id: NodeId) -> Result<bool, ExecError> {
        let node = self.graph.node(id);
        if let Op::Const(constant) = &node.op {
            self.constants.insert(node.outputs[0], constant.value.clone());
            return Ok(true);
        }
        if let [output] = node.outputs[..]
            && let (Some(known), Some(dtype)) = (&self.graph.value(output).known, self.dtype(output))
            && let Some(tensor) = known.to_tensor(dtype)
            && Some(tensor.shape().to_vec()) == self.graph.ty(output).sizes()
        {
            self.constants.insert(output, tensor);
            return Ok(true);
        }
        let small = |v: &ValueId| {
            self.graph
                .ty(*v)
                .sizes()
                .and_then(|s| s.iter().try_fold(1usize, |p, n| p.checked_mul(*n)))
                .is_some_and(|n| n <= FOLD_LIMIT)
        };
        if !node.inputs.iter().all(|v| self.constants.contains_key(v)) || !node.outputs.iter().all(small) {
            return Ok(false);
        }
        // A constant moved about stays a view of itself.
        if !node.inputs.is_empty()
            && matches!(node.op, Op::Transpose(_) | Op::Broadcast(_))
            && self.dtype(node.outputs[0]).is_some_and(in_storage)
        {
            return Ok(false);
        }
        let inputs: Vec<Tensor> = node.inputs.iter().map(|v| self.constants[v].clone()).collect();
        let outputs = node
            .op
            .eval(&inputs, &EvalCx::with_regions(&node.regions))
            .map_err(|error| ExecError::node(self.graph, id, error))?;
        for (value, tensor) in node.outputs.iter().zip(outputs) {
            self.constants.insert(*value, tensor);
        }
        Ok(true)
    }

    /// Emits an elementwise region, as a step or as the epilogue of the node that produces one of its inputs.
    fn region(
        &mut self,
        root: NodeId,
        members: &[NodeId],
        producer: Option<NodeId>,
    ) -> Result<(), ExecError> {
        let output = self.graph.node(root).outputs[0];
        let sizes = self.sizes(output)?;
        let to = self.new_view(&sizes);
        if let Some(producer) = producer {
            // The producer writes its own result there, and the program goes over it in place.
            self.bind(self.graph.node(producer).outputs[0], Binding::Stored(to.clone()));
        }
        let mut assembler = Assembler::default();
        let mut items: BTreeMap<ValueId, Item> = BTreeMap::new();
        for id in members {
            let node = self.graph.node(*id);
            let mut inputs = Vec::new();
            for value in &node.inputs {
                let item = match items.get(value) {
                    Some(item) => *item,
                    None => self.item(*value, &mut assembler)?,
                };
                items.insert(*value, item);
                inputs.push(item);
            }
            let element = element::element(self.graph, node)
                .ok_or_else(|| ExecError::internal("a region of elementwise nodes"))?;
            let result = element.assemble(&mut assembler, &inputs);
            items.insert(node.outputs[0], result);
        }
        if assembler.operand_count() > MAX_OPERANDS {
            return Err(ExecError::internal("a region has too many operands"));
        }
        let program = assembler.finish(items[&output], &sizes);
        self.bind(output, Binding::Stored(to.clone()));
        match producer {
            Some(producer) => lower::lower(self, producer, Some(program)),
            None => {
                let row = to.elements();
                self.elementwise(
                    "elementwise",
                    program,
                    Destination {
                        storage: to.storage,
                        offset: 0,
                        outer: Vec::new(),
                        strides: Vec::new(),
                        row,
                    },
                );
                Ok(())
            }
        }
    }

    fn item(&mut self, value: ValueId, assembler: &mut Assembler) -> Result<Item, ExecError> {
        if let Some(constant) = self.constants.get(&value)
            && constant.elements() == 1
        {
            let number = match constant.as_slice::<f32>() {
                Some(slice) => slice[0],
                None => f32::from(u8::from(constant.bytes()[0] != 0)),
            };
            return Ok(Item::Number(number));
        }
        let view = self.view(value)?;
        Ok(assembler.operand(&view))
    }

    fn results(&mut self) -> Result<Vec<Delivery>, ExecError> {
        let mut results = Vec::new();
        for output in self.graph.outputs() {
            let dtype = self.dtype(output.value);
            results.push(match self.binding(output.value)? {
                Binding::Host(id) => Delivery::Host(id),
                Binding::Stored(view) => {
                    let whole = match &self.storages[view.storage.0] {
                        StorageKind::Arena(len) => {
                            *len == view.elements() && view.offset == 0 && view.is_dense()
                        }
                        StorageKind::Constant(_) | StorageKind::Input(_) | StorageKind::Output(_) => false,
                    };
                    if whole && dtype == Some(DType::F32) {
                        self.storages[view.storage.0] = StorageKind::Output(view.elements());
                        Delivery::Take(view.storage, view.shape)
                    } else {
                        Delivery::Copy(view, dtype.unwrap_or(DType::F32))
                    }
                }
            });
        }
        Ok(results)
    }

    /// The error of a node.
    pub(crate) fn error(&self, id: NodeId, message: &str) -> ExecError {
        ExecError::node(self.graph, id, OpError::unsupported(message))
    }
}
