//! Tests on whatever adapter this machine has. Without one they say so and pass, unless the environment variable `SATURA_REQUIRE_GPU` is `1`.
#![allow(clippy::print_stdout, reason = "a skipped test prints why")]

mod common;
mod devices;
mod executor;
mod operations;
mod plans;
