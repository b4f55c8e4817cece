//! The command line: names, flags and their help.

use clap::{Args, Parser, Subcommand, ValueEnum};
use satura::DeviceKind;
use std::path::PathBuf;

/// Inspect, run, compare and compile deep-learning models.
#[derive(Debug, Parser)]
#[command(name = "satura", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Part of the name of the GPU adapter to use (default: the variable SATURA_ADAPTER, else the best one)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) adapter: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a model consists of
    Inspect(InspectArgs),
    /// Run a model once and show or write its outputs
    Run(RunArgs),
    /// Time a model
    Bench(BenchArgs),
    /// Compare two models, or one model on two devices
    Verify(VerifyArgs),
    /// Write a model's kernels and the plan of buffers and dispatches
    Compile(CompileArgs),
    /// Run passes on a graph in text form
    Opt(OptArgs),
    /// List the passes and pipelines that `opt` knows
    Passes,
    /// List the devices of this machine
    Devices(DevicesArgs),
    /// Run the ONNX backend suite from a folder and print the outcomes as JSON
    #[command(hide = true)]
    Conformance(ConformanceArgs),
}

/// Sizes of inputs, fixed by files or by numbers.
#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// An input from a .npy file; its sizes fix the symbols it mentions
    #[arg(long = "input", value_name = "NAME=FILE.npy")]
    pub(crate) inputs: Vec<String>,
    /// The value of a symbol
    #[arg(long = "dim", value_name = "NAME=N")]
    pub(crate) dims: Vec<String>,
    /// The sizes of an input, separated by commas; none for a scalar
    #[arg(long = "shape", value_name = "NAME=N,N,..")]
    pub(crate) shapes: Vec<String>,
}

/// Sizes, and values for inputs without a file.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
    /// Make every input that no file gives from this seed; symbols that nothing fixes are 1
    #[arg(long, value_name = "SEED")]
    pub(crate) random: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The model
    pub(crate) model: PathBuf,
    /// Print JSON: inputs, outputs, ops, nodes, parameters, flops, symbols
    #[arg(long)]
    pub(crate) json: bool,
    /// Also print name and type of every value that the model names
    #[arg(long)]
    pub(crate) values: bool,
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The model
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// Where to run: auto (a GPU if there is one, else the CPU), gpu, cpu or reference
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: DeviceKind,
    /// Write each output to DIR/NAME.npy (`/` and `:` in names become `_`)
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The model
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// Where to run: auto, gpu, cpu or reference
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: DeviceKind,
    /// Timed runs after the first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub(crate) runs: u32,
    /// Print JSON: median_ms, min_ms, load_ms, compile_ms, first_run_ms, kernels, peak_bytes, pipelines_built, pipelines_cached, device
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Model A
    pub(crate) a: PathBuf,
    /// Model B, the expected one (default: A)
    pub(crate) b: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// Where A runs
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device_a: DeviceKind,
    /// Where B runs
    #[arg(long, default_value = "reference", value_name = "DEVICE")]
    pub(crate) device_b: DeviceKind,
    /// Tolerance relative to the expected element
    #[arg(long, default_value_t = satura::tensor::tolerances::MODEL.relative, value_name = "X")]
    pub(crate) rtol: f64,
    /// Tolerance in the unit of the elements
    #[arg(long, default_value_t = satura::tensor::tolerances::MODEL.absolute, value_name = "X")]
    pub(crate) atol: f64,
}

/// The language of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetArg {
    Wgsl,
    Spirv,
    Msl,
    Hlsl,
    Glsl,
}

/// The device that schedules are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// The adapter of this machine; `web` without one
    Auto,
    /// WebGPU's default limits: any browser
    Web,
    /// Mesa's software Vulkan driver
    Lavapipe,
    /// A desktop GPU with subgroups of 32
    Desktop,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The model
    pub(crate) model: PathBuf,
    /// The language of the kernels
    #[arg(long, value_enum)]
    pub(crate) target: TargetArg,
    /// The folder to write: one file per kernel, and plan.json
    #[arg(short, long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The device that schedules are chosen for
    #[arg(long, value_enum, default_value_t = ProfileArg::Auto)]
    pub(crate) profile: ProfileArg,
    /// Say for each kernel which ops it computes, and for each op on the host why
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OptArgs {
    /// A graph in text form
    pub(crate) file: PathBuf,
    /// The pipeline: passes with options, such as "fold,decompose{keep=[softmax]}"
    #[arg(long, value_name = "PIPELINE")]
    pub(crate) passes: String,
    /// Show the graph after each pass, on standard error
    #[arg(long)]
    pub(crate) print_after_all: bool,
    /// Stop after so many patches
    #[arg(long, value_name = "N")]
    pub(crate) stop_after: Option<u64>,
    /// Show what each pass did, on standard error
    #[arg(long)]
    pub(crate) stats: bool,
    /// Write to this file instead of standard output
    #[arg(short, long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// The suite: KIND/CASE/model.onnx and KIND/CASE/test_data_set_N
    pub(crate) suite: PathBuf,
    /// Where to run
    #[arg(long, default_value = "reference", value_name = "DEVICE")]
    pub(crate) device: DeviceKind,
    /// Only cases whose name fits; `*` stands for any text
    #[arg(long, value_name = "GLOB")]
    pub(crate) filter: Option<String>,
}
