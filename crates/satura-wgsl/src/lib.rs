//! Kernels as WGSL text, and through naga as SPIR-V, MSL, HLSL and GLSL.
//!
//! - [`to_wgsl`] prints a verified [`Kernel`]: the same kernel and options always give the same text.
//! - [`generate`] gives the file of any [`Target`]; [`validate`] checks text with naga.
//! - [`grid`] says how many workgroups a dispatch starts; printed kernels count on it.
//!
//! Invariants: workgroups are one-dimensional; buffer `i` of the kernel is binding `i` of group 0, and a uniform buffer of parameters, if asked for, comes after them; every operation is
//! as exact and as defined as the kernel IR says, by helper functions where the language's own are not. Text is not simplified beyond what keeps it short: compilers do that.

mod analysis;
mod error;
mod expr;
mod helpers;
mod memory;
mod options;
mod print;
mod target;
#[cfg(feature = "validate")]
mod validate;

pub use error::WgslError;
pub use options::{Dialect, MAX_IMMEDIATE_PARAMS, ParamSpace, WgslOptions, grid};
pub use target::{Target, generate};
#[cfg(feature = "validate")]
pub use validate::validate;

use satura_kernel::Kernel;

/// The WGSL text of a kernel that passes [`satura_kernel::verify()`]. Its entry point is `main`.
pub fn to_wgsl(kernel: &Kernel, options: &WgslOptions) -> String {
    print::Printer::new(kernel, options).print()
}
