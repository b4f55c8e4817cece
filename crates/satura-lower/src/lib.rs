//! From a graph of primitives with constant shapes to a [`Plan`](satura_kernel::Plan): kernels, buffers and dispatches for one device profile.
//!
//! Tensors beyond the device's limit for one binding are first rewritten into parts (`split`). Fusion decides which values pass through memory; the element emitter computes all others in
//! place; `choose` picks a schedule for each kernel; the memory plan lays temporaries into arenas. [`describe`] prints the result.
//!
//! Invariants: the same graph, profile and options give the same plan. Nothing here knows a shading language or a device API. Whatever the device cannot run becomes a host
//! step with its reason, never silently.
//!
//! ```
//! use satura_ir::{ConstStore, OpRegistry, parse_module};
//! use satura_kernel::{DeviceProfile, interpret_plan};
//! use satura_lower::{LowerOptions, describe, lower};
//! use satura_tensor::Tensor;
//!
//! let text = "graph @layer(%x: f32[2, 3], %w: f32[3, 2], %b: f32[2]) {
//!   %0 = matmul %x, %w
//!   %1 = add %0, %b
//!   %2 = tanh %1
//!   return %2
//! }";
//! let module = parse_module(text, &ConstStore::default(), &OpRegistry::default())?;
//! let plan = lower(&module.graphs[0], &DeviceProfile::web(), &LowerOptions::default())?;
//!
//! // One kernel computes all three.
//! assert_eq!(plan.kernels.len(), 1);
//! assert!(describe(&plan).contains("-> out0 f32[2, 2] as F32"));
//!
//! // Without a device, the kernel interpreter runs the plan.
//! let x = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0], &[2, 3]);
//! let w = Tensor::from_vec(vec![0.5f32, 0.0, 0.0, 0.5, 9.0, 9.0], &[3, 2]);
//! let b = Tensor::from_vec(vec![-0.5f32, 0.0], &[2]);
//! let outputs = interpret_plan(&plan, &[x, w, b])?;
//! let y = outputs[0].as_slice::<f32>().expect("the output is f32");
//! assert!((y[3] - 0.5f32.tanh()).abs() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod choose;
mod describe;
mod emit;
mod error;
mod kernels;
mod memory;
mod plan;
mod regions;
mod rewrite;
mod split;
mod support;

pub use describe::describe;
pub use error::LowerError;
pub use plan::{LowerOptions, lower};
