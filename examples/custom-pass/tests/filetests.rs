//! The filetests of this crate, with its op and its pass beside Satura's own.

use satura_filetests::{Config, Required, run_tests};

fn main() -> std::process::ExitCode {
    let config = Config {
        passes: [custom_pass::passes(), satura_opt::all()].concat(),
        registry: custom_pass::registry(),
        required: Required {
            ops: vec![custom_pass::ScaleShift::NAME.to_owned()],
            passes: custom_pass::passes().iter().map(|pass| pass.name.to_owned()).collect(),
            commands: false,
        },
        ..Config::default()
    };
    run_tests(concat!(env!("CARGO_MANIFEST_DIR"), "/filetests"), config)
}
