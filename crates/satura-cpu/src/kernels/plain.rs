//! The op's own evaluation, for what has no fast kernel; and moving tensors in and out of storages.

use crate::compile::{Binding, Compiler};
use crate::element::in_storage;
use crate::memory::{Kernel, Memory, StorageId, View};
use satura_ir::{EvalCx, ExecError, Fallback, NodeId, Op, OpError};
use satura_tensor::{DType, Tensor};

/// A value read or written by a step on tensors.
pub(crate) struct Port {
    binding: Binding,
    dtype: DType,
    shape: Vec<usize>,
}

impl Port {
    /// What the port reads or writes, if it is a storage.
    pub(crate) fn storage(&self) -> Option<StorageId> {
        match &self.binding {
            Binding::Stored(view) => Some(view.storage),
            Binding::Host(_) => None,
        }
    }

    /// The port of a value that an earlier step defines.
    pub(crate) fn input(cx: &mut Compiler<'_>, value: satura_ir::ValueId) -> Result<Port, ExecError> {
        let dtype = cx.dtype(value).ok_or_else(|| ExecError::internal("a value is not a tensor"))?;
        Ok(Port { shape: cx.sizes(value)?, dtype, binding: cx.binding(value)? })
    }

    /// The port of a value that this step defines.
    pub(crate) fn output(cx: &mut Compiler<'_>, value: satura_ir::ValueId) -> Result<Port, ExecError> {
        let dtype = cx.dtype(value).ok_or_else(|| ExecError::internal("a value is not a tensor"))?;
        let shape = cx.sizes(value)?;
        let binding = if in_storage(dtype) {
            Binding::Stored(cx.new_view(&shape))
        } else {
            Binding::Host(cx.host_slot(None))
        };
        cx.bind(value, binding.clone());
        Ok(Port { binding, dtype, shape })
    }

    /// The value as a tensor.
    pub(crate) fn read(&self, memory: &Memory<'_>) -> Result<Tensor, OpError> {
        match &self.binding {
            Binding::Host(id) => memory.tensor(*id).cloned(),
            Binding::Stored(view) => Ok(tensor_of(memory, view, self.dtype)),
        }
    }

    /// Puts a tensor into its place.
    pub(crate) fn write(&self, memory: &mut Memory<'_>, tensor: Tensor) -> Result<(), OpError> {
        if tensor.dtype() != self.dtype || tensor.shape() != self.shape {
            return Err(OpError::shape(format!(
                "the result is {}{:?}, {}{:?} was inferred",
                tensor.dtype(),
                tensor.shape(),
                self.dtype,
                self.shape
            )));
        }
        match &self.binding {
            Binding::Host(id) => memory.host[id.0] = Some(tensor),
            Binding::Stored(view) => {
                let span = memory.span(view.storage);
                // SAFETY: the result has a storage of its own, and nothing else runs during the step.
                let to = unsafe { span.slice_mut(0..view.elements()) };
                store(&tensor, to);
            }
        }
        Ok(())
    }
}

/// The elements of a view as a tensor of f32 or bool.
pub(crate) fn tensor_of(memory: &Memory<'_>, view: &View, dtype: DType) -> Tensor {
    let span = memory.span(view.storage);
    // SAFETY: nothing else runs while tensors are read.
    let all = unsafe { span.slice(0..span.len()) };
    let elements: Vec<f32> = if view.is_dense() {
        all[view.offset.min(all.len())..][..view.elements()].to_vec()
    } else {
        view.positions().into_iter().map(|at| all[at]).collect()
    };
    match dtype {
        DType::Bool => {
            Tensor::from_bools(&elements.iter().map(|x| *x != 0.0).collect::<Vec<_>>(), &view.shape)
        }
        _ => Tensor::from_vec(elements, &view.shape),
    }
}

/// Writes the elements of an f32 or bool tensor as f32.
pub(crate) fn store(tensor: &Tensor, to: &mut [f32]) {
    match tensor.as_slice::<f32>() {
        Some(elements) => to.copy_from_slice(&elements),
        None => {
            to.iter_mut().zip(tensor.bytes()).for_each(|(to, byte)| *to = f32::from(u8::from(*byte != 0)))
        }
    }
}

struct Plain {
    op: Op,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

pub(crate) fn emit(cx: &mut Compiler<'_>, id: NodeId) -> Result<(), ExecError> {
    let node = cx.graph.node(id);
    let inputs = node.inputs.iter().map(|v| Port::input(cx, *v)).collect::<Result<Vec<_>, _>>()?;
    let outputs = node.outputs.iter().map(|v| Port::output(cx, *v)).collect::<Result<Vec<_>, _>>()?;
    let storages = |ports: &[Port]| ports.iter().filter_map(Port::storage).collect::<Vec<_>>();
    let (reads, writes) = (storages(&inputs), storages(&outputs));
    let name = node.label.as_deref().map_or_else(|| id.to_string(), str::to_owned);
    let reason = "no fast kernel for this op and dtype".to_owned();
    cx.plain.push(Fallback { op: node.op.name().to_owned(), node: name, reason });
    cx.push("plain", Plain { op: node.op.clone(), inputs, outputs }, reads, writes);
    Ok(())
}

impl Kernel for Plain {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let inputs = self.inputs.iter().map(|p| p.read(memory)).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.op.eval(&inputs, &EvalCx::new())?;
        self.outputs.iter().zip(outputs).try_for_each(|(port, tensor)| port.write(memory, tensor))
    }
}
