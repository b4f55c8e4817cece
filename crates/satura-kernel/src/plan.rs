//! A whole graph as kernels, buffers and dispatches.

use crate::{Kernel, Schedule, Storage};
use satura_ir::Graph;
use satura_tensor::{DType, Tensor};

/// A buffer of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanBufferId(pub u32);

/// What a plan's buffer holds.
#[derive(Clone, Debug, PartialEq)]
pub enum BufferKind {
    /// A constant, uploaded once.
    Weight(Tensor),
    /// The graph's input of that position, written before each run.
    Input(usize),
    /// The graph's output of that position, read after each run.
    Output(usize),
    /// A value that lives between two steps.
    Temporary,
}

/// A buffer: a tensor in device memory.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanBuffer {
    /// What it holds.
    pub kind: BufferKind,
    /// The dtype of the tensor it stands for.
    pub dtype: DType,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// How the elements lie in memory.
    pub storage: Storage,
    /// Bytes, padded to whole words; at least 4, a multiple of 16.
    pub bytes: u64,
    /// The arena that a temporary lies in. A temporary that a step writes lies in another arena than those it reads, so that no dispatch
    /// binds one device buffer for reading and for writing. Weights, inputs and outputs have device buffers of their own.
    pub arena: Option<u32>,
    /// Byte offset in its arena, aligned for a binding; 0 without one.
    pub offset: u64,
    /// The name in the source model, for people.
    pub name: String,
}

/// A part of a buffer bound to a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The buffer.
    pub buffer: PlanBufferId,
    /// Byte offset in the buffer, aligned for a binding.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// One start of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Index in [`Plan::kernels`].
    pub kernel: usize,
    /// One per buffer of the kernel.
    pub bindings: Vec<Binding>,
    /// The kernel's parameters.
    pub params: Vec<u32>,
    /// The ops it computes, for people.
    pub label: String,
    /// The schedule that the kernel was built by, for people; `None` for one written by hand.
    pub schedule: Option<Schedule>,
}

/// Something that runs on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostStep {
    /// What is run: its inputs are `reads`, its outputs `writes`.
    pub graph: Graph,
    /// The buffers read.
    pub reads: Vec<PlanBufferId>,
    /// The buffers written.
    pub writes: Vec<PlanBufferId>,
    /// The op.
    pub op: String,
    /// The node's name in the source model.
    pub node: String,
    /// Why the device cannot run it.
    pub reason: String,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// On the device.
    Dispatch(Dispatch),
    /// On the host.
    Host(Box<HostStep>),
}

/// A graph compiled for one device profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The kernels, each once.
    pub kernels: Vec<Kernel>,
    /// The buffers.
    pub buffers: Vec<PlanBuffer>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Bytes of each arena.
    pub arenas: Vec<u64>,
    /// For each graph output, its buffer. Several outputs may share one, and an output may be an input's or a weight's buffer.
    pub outputs: Vec<PlanBufferId>,
    /// For each graph input, its buffer; `None` if nothing reads it.
    pub inputs: Vec<Option<PlanBufferId>>,
}

impl Plan {
    /// Device memory that the plan needs at once, in bytes: arenas and weights.
    pub fn peak_bytes(&self) -> u64 {
        let weights: u64 = self.buffers.iter().filter(|b| b.arena.is_none()).map(|b| b.bytes).sum();
        weights + self.arenas.iter().sum::<u64>()
    }

    /// A buffer.
    pub fn buffer(&self, id: PlanBufferId) -> &PlanBuffer {
        &self.buffers[id.0 as usize]
    }
}
