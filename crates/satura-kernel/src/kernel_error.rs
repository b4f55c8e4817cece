//! Why the verifier refuses a kernel: the statement, and the fault.

use crate::ir::{BufferId, Reg, Ty};
use std::fmt;

/// Why a kernel is not valid, or not for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// The kernel's name.
    pub kernel: String,
    /// The statement: positions in nested blocks, outermost first. Empty for the kernel as a whole.
    pub place: Vec<usize>,
    /// The fault.
    pub fault: KernelFault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelFault {
    /// A register is read where it is not defined.
    Undefined(Reg),
    /// A register is defined a second time.
    DefinedTwice(Reg),
    /// A variable, buffer, shared array or parameter does not exist here: what, and its number.
    Unknown(&'static str, u32),
    /// A register or variable has another type than it must have.
    Type {
        /// What.
        what: String,
        /// Its type.
        found: Ty,
        /// What is needed, in words.
        needed: String,
    },
    /// A number in the kernel is out of range.
    Value {
        /// What.
        what: &'static str,
        /// The number.
        value: u64,
        /// What is needed, in words.
        needed: &'static str,
    },
    /// A store to a buffer that is declared as read only.
    ReadOnly(BufferId),
    /// A barrier or subgroup operation where invocations may have gone different ways.
    NotUniform(&'static str),
    /// A subgroup operation or `Lane` without a subgroup size.
    NoSubgroupSize,
    /// More than the device grants.
    Limit {
        /// Of what.
        what: &'static str,
        /// What the kernel has.
        needs: u64,
        /// What the device grants.
        limit: u64,
    },
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel `{}`", self.kernel)?;
        if !self.place.is_empty() {
            let place: Vec<String> = self.place.iter().map(usize::to_string).collect();
            write!(f, ", statement {}", place.join("."))?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl fmt::Display for KernelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KernelFault::Undefined(reg) => write!(f, "register {} is read where it is not defined", reg.0),
            KernelFault::DefinedTwice(reg) => write!(f, "register {} is defined twice", reg.0),
            KernelFault::Unknown(what, id) => write!(f, "there is no {what} {id} here"),
            KernelFault::Type { what, found, needed } => {
                write!(f, "{what} is {:?} x {}, but must be {needed}", found.scalar, found.width)
            }
            KernelFault::Value { what, value, needed } => {
                write!(f, "{what} is {value}, but must be {needed}")
            }
            KernelFault::ReadOnly(buffer) => write!(f, "store to the read-only buffer {}", buffer.0),
            KernelFault::NotUniform(what) => write!(f, "{what} in control flow that is not uniform"),
            KernelFault::NoSubgroupSize => {
                f.write_str("subgroups are used, but the kernel has no subgroup size")
            }
            KernelFault::Limit { what, needs, limit } => {
                write!(f, "{needs} {what}, but the device grants {limit}")
            }
        }
    }
}

impl std::error::Error for KernelError {}
