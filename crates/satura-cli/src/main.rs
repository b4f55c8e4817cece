//! The `satura` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    satura_cli::run(std::env::args_os(), &[], satura::ir::OpRegistry::default())
}
