//! Runs plans: arenas as bytes, so that overlapping temporaries show, dispatches by the machine, steps on the host by the reference evaluator.

use super::memory::Bound;
use super::{InterpretError, machine};
use crate::encode::{decode, encode};
use crate::ir::Access;
use crate::plan::{BufferKind, Dispatch, HostStep, Plan, PlanBufferId, Step};
use crate::verify::verify;
use satura_ir::evaluate;
use satura_tensor::Tensor;

/// What fresh memory holds: as floats it is NaN, so that reading it shows.
const FRESH: u8 = 0xff;

/// Runs a plan on the graph's inputs and gives the graph's outputs.
///
/// # Errors
/// See [`InterpretError`].
pub fn interpret_plan(plan: &Plan, inputs: &[Tensor]) -> Result<Vec<Tensor>, InterpretError> {
    if inputs.len() != plan.inputs.len() {
        let message = format!("the plan has {} inputs, {} were given", plan.inputs.len(), inputs.len());
        return Err(InterpretError::Arguments(message));
    }
    for kernel in &plan.kernels {
        verify(kernel).map_err(InterpretError::Invalid)?;
    }
    let mut run = Run::new(plan)?;
    for (id, buffer) in plan.buffers.iter().enumerate() {
        let id = PlanBufferId(id as u32);
        match &buffer.kind {
            BufferKind::Weight(tensor) => run.write(id, tensor)?,
            BufferKind::Input(i) => {
                let tensor = inputs
                    .get(*i)
                    .ok_or_else(|| wrong(format!("buffer {} is input {i}, which is none", id.0)))?;
                run.write(id, tensor)?;
            }
            BufferKind::Output(_) | BufferKind::Temporary => {}
        }
    }
    for step in &plan.steps {
        match step {
            Step::Dispatch(dispatch) => run.dispatch(dispatch)?,
            Step::Host(host) => run.host(host)?,
        }
    }
    plan.outputs.iter().map(|id| run.read(*id)).collect()
}

fn wrong(message: String) -> InterpretError {
    InterpretError::Plan(message)
}

struct Run<'a> {
    plan: &'a Plan,
    /// The arenas, then the memory of each buffer outside them.
    stores: Vec<Vec<u8>>,
    places: Vec<Bound>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> Result<Self, InterpretError> {
        let size =
            |bytes: u64| usize::try_from(bytes).map_err(|_| wrong(format!("{bytes} bytes are too many")));
        let mut stores = Vec::new();
        for bytes in &plan.arenas {
            stores.push(vec![FRESH; size(*bytes)?]);
        }
        let mut places = Vec::new();
        for buffer in &plan.buffers {
            let (start, bytes) = (size(buffer.offset)?, size(buffer.bytes)?);
            let store = match buffer.arena {
                Some(arena) => arena as usize,
                None => {
                    stores.push(vec![FRESH; start.saturating_add(bytes)]);
                    stores.len() - 1
                }
            };
            let held = stores.get(store).map_or(0, Vec::len);
            if start.checked_add(bytes).is_none_or(|end| end > held) {
                return Err(wrong(format!("buffer `{}` reaches beyond its arena", buffer.name)));
            }
            places.push(Bound { store, start, bytes });
        }
        Ok(Run { plan, stores, places })
    }

    fn place(&self, id: PlanBufferId) -> Result<Bound, InterpretError> {
        self.places.get(id.0 as usize).copied().ok_or_else(|| wrong(format!("there is no buffer {}", id.0)))
    }

    fn write(&mut self, id: PlanBufferId, tensor: &Tensor) -> Result<(), InterpretError> {
        let place = self.place(id)?;
        let buffer = self.plan.buffer(id);
        if tensor.dtype() != buffer.dtype || tensor.shape() != buffer.shape {
            let message = format!(
                "buffer `{}` is {} {:?}, the tensor is {} {:?}",
                buffer.name,
                buffer.dtype,
                buffer.shape,
                tensor.dtype(),
                tensor.shape()
            );
            return Err(InterpretError::Arguments(message));
        }
        let bytes = encode(tensor, buffer.storage)
            .map_err(|error| InterpretError::Encode(buffer.name.clone(), error))?;
        // The tensor's own bytes have to fit; of the padding, as much as the buffer has.
        let length = bytes.len().min(place.bytes);
        // Dtypes that stay on the host are raw bytes, which may be fewer than a word an element.
        if length < buffer.storage.byte_len(tensor.elements()).min(bytes.len()) {
            return Err(wrong(format!("buffer `{}` is too short for its tensor", buffer.name)));
        }
        self.stores[place.store][place.start..place.start + length].copy_from_slice(&bytes[..length]);
        Ok(())
    }

    fn read(&self, id: PlanBufferId) -> Result<Tensor, InterpretError> {
        let place = self.place(id)?;
        let buffer = self.plan.buffer(id);
        let bytes = &self.stores[place.store][place.start..place.start + place.bytes];
        decode(bytes, buffer.dtype, &buffer.shape, buffer.storage)
            .map_err(|error| InterpretError::Encode(buffer.name.clone(), error))
    }

    fn dispatch(&mut self, dispatch: &Dispatch) -> Result<(), InterpretError> {
        let label = &dispatch.label;
        let kernel = self
            .plan
            .kernels
            .get(dispatch.kernel)
            .ok_or_else(|| wrong(format!("{label}: there is no kernel {}", dispatch.kernel)))?;
        if dispatch.bindings.len() != kernel.buffers.len() {
            return Err(wrong(format!(
                "{label}: {} bindings for {} buffers",
                dispatch.bindings.len(),
                kernel.buffers.len()
            )));
        }
        let mut bound = Vec::new();
        for (binding, buffer) in dispatch.bindings.iter().zip(&kernel.buffers) {
            let place = self.place(binding.buffer)?;
            let (offset, bytes) = (binding.offset as usize, binding.bytes as usize);
            if offset.checked_add(bytes).is_none_or(|end| end > place.bytes) {
                return Err(wrong(format!(
                    "{label}: the binding of `{}` reaches beyond its buffer",
                    buffer.name
                )));
            }
            bound.push(Bound { store: place.store, start: place.start + offset, bytes });
        }
        for (i, (one, buffer)) in bound.iter().zip(&kernel.buffers).enumerate() {
            for (j, other) in
                bound.iter().enumerate().filter(|(j, other)| *j != i && other.store == one.store)
            {
                let written = buffer.access == Access::ReadWrite;
                let apart = one.start + one.bytes <= other.start || other.start + other.bytes <= one.start;
                if written && (kernel.buffers[j].access == Access::Read || !apart) {
                    let message = format!(
                        "{label}: `{}` is written and `{}` lies in the same device buffer",
                        buffer.name, kernel.buffers[j].name
                    );
                    return Err(wrong(message));
                }
            }
        }
        machine::run(kernel, &dispatch.params, &mut self.stores, &bound)
    }

    fn host(&mut self, host: &HostStep) -> Result<(), InterpretError> {
        let inputs: Vec<Tensor> = host.reads.iter().map(|id| self.read(*id)).collect::<Result<_, _>>()?;
        let step = format!("{} `{}`", host.op, host.node);
        let outputs =
            evaluate(&host.graph, &inputs).map_err(|error| InterpretError::Host(step.clone(), error))?;
        if outputs.len() != host.writes.len() {
            return Err(wrong(format!(
                "{step}: {} outputs for {} buffers",
                outputs.len(),
                host.writes.len()
            )));
        }
        host.writes.iter().zip(&outputs).try_for_each(|(id, tensor)| self.write(*id, tensor))
    }
}
