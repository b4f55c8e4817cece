//! What tests share: seeded random tensors and graphs, and comparison under named tolerances.
//!
//! Invariants: everything follows from a seed, the same on every machine; nothing here reads a clock, a file or an environment variable.

mod compare;
mod graphs;
mod rng;
mod tensors;

pub use compare::{check_close, check_same_bits, check_same_results, tolerance_for};
pub use graphs::{GraphConfig, random_graph};
pub use rng::Rng;
pub use tensors::{Values, bind_symbols, random_inputs, random_tensor};
