//! The `satura` command line as a library, so that a crate outside can make its own binary with its own passes and ops.
//!
//! ```no_run
//! # const MY_PASSES: &[satura::pass::PassInfo] = &[];
//! fn main() -> std::process::ExitCode {
//!     satura_cli::run(std::env::args_os(), MY_PASSES, satura::ir::OpRegistry::default())
//! }
//! ```
//!
//! Each command is one file in `commands/`. Exit codes: 0 done; 1 a comparison ran and failed; 2 everything else that went wrong: usage, model, inputs, device, files.
//! Results go to standard output, everything else to standard error. Files are written only once everything is computed, each by a temporary file and a rename.

mod args;
mod commands;
mod files;
mod inputs;
mod progress;
mod report;

use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use report::Failure;
use satura::ir::OpRegistry;
use satura::pass::PassInfo;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// What every command may use.
pub(crate) struct Context {
    /// `--adapter`.
    pub(crate) adapter: Option<String>,
    /// The passes that pipelines may name: the compiler's own and those from outside.
    pub(crate) passes: Vec<PassInfo>,
    /// The ops that texts may name besides the compiler's own.
    pub(crate) registry: OpRegistry,
}

/// What a command that ran to its end has to say.
pub(crate) struct Outcome {
    /// For standard output.
    pub(crate) text: String,
    /// Whether what was to be shown is so; `false` makes the exit code 1.
    pub(crate) holds: bool,
}

impl Outcome {
    /// A command that is done.
    pub(crate) fn done(text: String) -> Self {
        Outcome { text, holds: true }
    }
}

/// Runs a command line, program name first, and gives the exit code. `extra_passes` may be named in pipelines, the ops of `registry` in texts.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    extra_passes: &[PassInfo],
    registry: OpRegistry,
) -> ExitCode {
    let passes = [satura::opt::all(), extra_passes].concat();
    let parsed =
        Cli::command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let cx = Context { adapter: cli.adapter, passes, registry };
    match dispatch(&cx, cli.command) {
        Ok(outcome) => {
            // A reader that closed the pipe early has what it wanted.
            match std::io::stdout().lock().write_all(outcome.text.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Failure::new("io", format!("cannot write to standard output: {error}")).show();
                    ExitCode::from(2)
                }
                _ if outcome.holds => ExitCode::SUCCESS,
                _ => ExitCode::from(1),
            }
        }
        Err(failure) => {
            failure.show();
            ExitCode::from(2)
        }
    }
}

fn dispatch(cx: &Context, command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Inspect(args) => commands::inspect::run(cx, &args),
        Command::Run(args) => commands::run::run(cx, &args),
        Command::Bench(args) => commands::bench::run(cx, &args),
        Command::Verify(args) => commands::verify::run(cx, &args),
        Command::Convert(args) => commands::convert::run(cx, &args),
        Command::Compile(args) => commands::compile::run(cx, &args),
        Command::Opt(args) => commands::opt::run(cx, &args),
        Command::Passes => Ok(commands::opt::list(cx)),
        Command::Devices(args) => Ok(commands::devices::run(&args)),
        Command::Conformance(args) => commands::conformance::run(cx, &args),
        Command::Roundtrip(args) => commands::roundtrip::run(cx, &args),
        Command::Footprint(args) => commands::footprint::run(&args),
    }
}
