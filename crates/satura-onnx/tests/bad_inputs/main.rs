//! Malformed models: each must give an error with a stable code, never a panic, and nothing outside the model's folder may be read.
//!
//! Models are built in memory from the messages of the format, then broken in one way each.

mod common;
mod external;
mod files;
mod functions;
mod graph;
mod layers;
mod microsoft;
mod nodes;
mod tensors;
mod wire;
