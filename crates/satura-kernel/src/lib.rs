//! Scheduled compute kernels as data.
//!
//! - [`Kernel`] is a structured program for one workgroup of invocations: typed registers in SSA form, mutable variables, loads and stores
//!   with explicit element indices, loops, barriers and subgroup operations.
//! - [`Builder`] makes kernels; it folds constants and shares equal instructions.
//! - [`Index`] is integer index arithmetic in a normal form that knows ranges, so that composed index maps simplify.
//! - [`Schedule`] holds the choices that change speed but never results; [`DeviceProfile`] is what a schedule is chosen by.
//! - [`Plan`] is a whole graph as kernels, buffers and dispatches.
//! - [`verify()`] states what a kernel must satisfy; [`interpret()`] runs kernels and plans without any GPU: the oracle for every schedule.
//! - [`encode()`] and [`decode`] carry tensors to device memory and back.
//!
//! Invariants: this crate knows no shading language and no device API. Index arithmetic is integer only, so a data type can never leak into an address.

mod builder;
mod encode;
mod index;
mod interpret;
mod ir;
mod kernel_error;
mod plan;
mod profile;
mod schedule;
mod verify;

pub use builder::Builder;
pub use encode::{EncodeError, decode, encode, storage_for};
pub use index::{Index, IndexVar};
pub use interpret::{AccessFault, InterpretError, interpret, interpret_plan};
pub use ir::{
    Access, BinaryOp, Buffer, BufferId, Inst, Kernel, Reg, Scalar, Shared, SharedId, Stmt, Storage,
    SubgroupOp, Ty, UnaryOp, VarId,
};
pub use kernel_error::{KernelError, KernelFault};
pub use plan::{Binding, BufferKind, Dispatch, HostStep, Plan, PlanBuffer, PlanBufferId, Step};
pub use profile::{DeviceClass, DeviceProfile};
pub use schedule::{ContractionSchedule, RowSchedule, Schedule};
pub use verify::{fits, verify};
