//! From a graph of primitives with constant shapes to a [`Plan`]: kernels, buffers and dispatches for one device profile.
//!
//! Fusion decides which values pass through memory; the element emitter computes all others in place; `choose` picks a schedule for each kernel; the
//! memory plan lays temporaries into arenas.
//!
//! Invariants: the same graph, profile and options give the same plan. Nothing here knows a shading language or a device API. Whatever the device cannot run becomes a host
//! step with its reason, never silently.

mod choose;
mod describe;
mod emit;
mod error;
mod kernels;
mod memory;
mod plan;
mod regions;
mod rewrite;
mod support;

pub use describe::describe;
pub use error::LowerError;
pub use plan::{LowerOptions, lower};
