//! Satura's own filetests: every op, pass and command has one.

use satura_filetests::{Config, Required, run_tests};
use satura_ir::Op;

fn main() -> std::process::ExitCode {
    let required = Required {
        ops: Op::NAMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        passes: satura_opt::all().iter().map(|pass| pass.name.to_owned()).collect(),
        commands: true,
    };
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/filetests");
    run_tests(dir, Config { required, ..Config::default() })
}
