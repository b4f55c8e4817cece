//! Runs a graph fast on the CPU: the device that is always there.
//!
//! [`CpuExecutor`] compiles a graph of constant shapes into a list of steps. f32 and bool tensors live in one arena planned by lifetime; reshapes, transposes, broadcasts and slices are strided
//! views; chains of elementwise ops are one program over blocks that stay in the nearest cache, and run on the tiles of a convolution or matrix product while these are hot. Weights
//! are read where they lie.
//!
//! Invariants: every primitive is matched by name (`lower`), so a new one does not compile until it has an answer. What has no fast kernel, or another dtype, runs through the op's own
//! evaluation and is counted in the report. Results agree with the reference evaluator to the rounding of f32, and are
//! the same bits in every run with the same number of threads on the same kind of machine.
//!
//! ```
//! use satura_cpu::CpuExecutor;
//! use satura_ir::{ConstStore, Executor, OpRegistry, parse_module};
//! use satura_tensor::Tensor;
//!
//! let text = "graph @square(%x: f32[2, 2]) {
//!   %y = matmul %x, %x
//!   return %y
//! }";
//! let module = parse_module(text, &ConstStore::default(), &OpRegistry::default()).expect("a graph");
//! let mut run = CpuExecutor::new().compile(&module.graphs[0]).expect("constant shapes");
//! let out = run.run(&[Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], &[2, 2])]).expect("runs");
//! assert_eq!(out[0].as_slice::<f32>().as_deref(), Some(&[7.0f32, 10.0, 15.0, 22.0][..]));
//! ```

mod assemble;
mod compile;
mod element;
mod executor;
mod kernels;
mod lanes;
mod layout;
mod lower;
mod math;
mod memory;
mod parallel;
mod program;
mod regions;
mod simd;

pub use executor::CpuExecutor;
