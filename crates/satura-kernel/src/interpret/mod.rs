//! Runs kernels without a device: the oracle for every schedule.
//!
//! All invocations of a workgroup go through the program together, statement by statement, so barriers, shared memory and subgroup operations are exact. What a device would leave undefined is
//! an error here: access out of bounds, shared memory that nobody wrote, and two invocations that meet in one place without a barrier between them.

mod machine;
mod memory;
mod ops;
mod plan;

pub use plan::interpret_plan;

use crate::encode::EncodeError;
use crate::ir::Kernel;
use crate::kernel_error::KernelError;
use crate::verify::verify;
use memory::Bound;
use satura_ir::ExecError;
use std::fmt;

/// Why a run stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum InterpretError {
    /// The kernel does not pass the verifier.
    Invalid(KernelError),
    /// The buffers, parameters or tensors given are not those that the kernel or plan needs.
    Arguments(String),
    /// An invocation did what no device allows.
    Access {
        /// The kernel.
        kernel: String,
        /// The buffer, or `shared` and its number.
        place: String,
        /// The element.
        index: u64,
        /// The workgroup.
        group: u32,
        /// The invocation in it.
        invocation: u32,
        /// What it did.
        fault: AccessFault,
    },
    /// A plan breaks its own rules.
    Plan(String),
    /// A step on the host failed: its op and node, and why.
    Host(String, ExecError),
    /// A tensor does not fit its buffer: which, and why.
    Encode(String, EncodeError),
}

/// What an invocation may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessFault {
    /// The element is beyond the end; the length is given.
    OutOfBounds(usize),
    /// A store to a packed buffer does not start at a whole word.
    Misaligned,
    /// A read of shared memory that no invocation of the workgroup wrote.
    Uninitialised,
    /// Another invocation wrote, or in shared memory read, the element, and no barrier came between.
    Race,
}

impl fmt::Display for AccessFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessFault::OutOfBounds(length) => write!(f, "is out of bounds: there are {length} elements"),
            AccessFault::Misaligned => f.write_str("is not the start of a word"),
            AccessFault::Uninitialised => f.write_str("was never written"),
            AccessFault::Race => f.write_str("is touched by another invocation at the same time"),
        }
    }
}

impl fmt::Display for InterpretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterpretError::Invalid(error) => error.fmt(f),
            InterpretError::Arguments(message) => f.write_str(message),
            InterpretError::Access { kernel, place, index, group, invocation, fault } => write!(
                f,
                "kernel `{kernel}`, workgroup {group}, invocation {invocation}: element {index} of {place} {fault}"
            ),
            InterpretError::Plan(message) => write!(f, "the plan is wrong: {message}"),
            InterpretError::Host(step, error) => write!(f, "{step}: {error}"),
            InterpretError::Encode(buffer, error) => write!(f, "{buffer}: {error}"),
        }
    }
}

impl std::error::Error for InterpretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InterpretError::Invalid(error) => Some(error),
            InterpretError::Host(_, error) => Some(error),
            InterpretError::Encode(_, error) => Some(error),
            InterpretError::Arguments(_) | InterpretError::Access { .. } | InterpretError::Plan(_) => None,
        }
    }
}

/// Runs all workgroups of a kernel. `buffers` are the kernel's, in order, as bytes laid out as their storage says; `params` are the numbers given at dispatch.
///
/// # Errors
/// See [`InterpretError`]. The buffers then hold what was written before.
pub fn interpret(kernel: &Kernel, params: &[u32], buffers: &mut [Vec<u8>]) -> Result<(), InterpretError> {
    verify(kernel).map_err(InterpretError::Invalid)?;
    if buffers.len() != kernel.buffers.len() {
        let message = format!(
            "kernel `{}` has {} buffers, {} were given",
            kernel.name,
            kernel.buffers.len(),
            buffers.len()
        );
        return Err(InterpretError::Arguments(message));
    }
    let bound: Vec<Bound> =
        buffers.iter().enumerate().map(|(i, b)| Bound { store: i, start: 0, bytes: b.len() }).collect();
    machine::run(kernel, params, buffers, &bound)
}
