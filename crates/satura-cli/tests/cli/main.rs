//! Tests of the built binary.

mod commands;
mod common;
