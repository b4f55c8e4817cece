//! The commands: one file each, and the one list.

mod infer;
mod legalize;
mod lower;
mod pass;
mod roundtrip;
mod run;
mod verify;
mod wgsl;

use crate::{Config, Skips, TestFile};

pub(crate) use pass::pass_text;

/// A test command.
#[derive(Clone, Copy)]
pub struct Command {
    /// The value of the header's `test`.
    pub name: &'static str,
    /// What it checks, in one sentence.
    pub summary: &'static str,
    /// Judges one file.
    pub run: fn(&TestFile, &Config, &Skips) -> Result<(), String>,
}

/// Every command, in the order of a model's way through the compiler.
pub fn commands() -> &'static [Command] {
    &[
        Command { name: "roundtrip", summary: "The file is what its graphs print as.", run: roundtrip::run },
        Command {
            name: "verify",
            summary: "Each graph is refused, at the line and with the message given.",
            run: verify::run,
        },
        Command { name: "infer", summary: "Types and known values after inference.", run: infer::run },
        Command {
            name: "legalize",
            summary: "The graphs after decomposition of composites.",
            run: legalize::run,
        },
        Command { name: "pass", summary: "The graphs after passes, and the same numbers.", run: pass::run },
        Command {
            name: "lower",
            summary: "Kernels, buffers and steps on the host for a device profile.",
            run: lower::run,
        },
        Command { name: "wgsl", summary: "The kernels' text for a device profile, checked.", run: wgsl::run },
        Command { name: "run", summary: "Results on every evaluator and device.", run: run::run },
    ]
}
