//! Tests of the built binary.

mod bad_models;
mod commands;
mod common;
mod convert;
mod onnx;
