//! `cargo xtask fuzz TARGET`: libFuzzer on the ONNX reader: any bytes, external data, shape inference.
//!
//! The targets are a workspace of their own (`crates/satura-onnx/fuzz`), built with the coverage instrumentation that the stable compiler has; debug assertions and overflow
//! checks are on. The corpus grows in `target/fuzz/TARGET/corpus`; a finding is written to `target/fuzz/TARGET/findings` and fails the command.

use crate::cmd::{at, command, output, run as start, target};
use crate::conformance::suite;
use crate::flags::Flags;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

const FUZZ: &str = "crates/satura-onnx/fuzz";
const TARGETS: [&str; 3] = ["bytes", "external", "shapes"];

/// What libFuzzer needs to see: edges, their table, and the operands of comparisons.
const INSTRUMENTATION: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Seeds of more bytes teach little and cost much.
const SEED_BYTES: u64 = 16 << 10;

pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let wanted = flags.value("target")?;
    let seconds = flags.value("seconds")?.unwrap_or_else(|| "60".to_owned());
    let seconds: u64 = seconds.parse().context("--seconds takes a number")?;
    flags.finish()?;
    if let Some(other) = wanted.as_deref().filter(|name| !TARGETS.contains(name)) {
        bail!("there is no target {other:?}; the targets are {}", TARGETS.join(", "));
    }
    let version = output(&mut command("rustc", &["-vV"]))?;
    // With a target given, build scripts and macros are not instrumented.
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let build = ["build", "--release", "--locked", "--target", host, "--manifest-path"];
    let folder = target().join("fuzz");
    start(
        command("cargo", &build)
            .arg(at(FUZZ).join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", folder.join("build"))
            .env("RUSTFLAGS", INSTRUMENTATION),
    )?;
    for name in TARGETS.into_iter().filter(|name| wanted.as_deref().is_none_or(|wanted| wanted == *name)) {
        let binary = folder.join("build").join(host).join("release").join(name);
        fuzz(&binary, &folder.join(name), name, seconds)?;
    }
    Ok(())
}

fn fuzz(binary: &Path, folder: &Path, name: &str, seconds: u64) -> Result<()> {
    let (corpus, findings) = (folder.join("corpus"), folder.join("findings"));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&findings)?;
    let mut fuzzer =
        command(binary, &["-timeout=30", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1"]);
    fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", findings.display()));
    fuzzer.arg(&corpus);
    if name == "bytes" {
        fuzzer.arg(seeds(folder)?);
    }
    start(&mut fuzzer).with_context(|| format!("target {name}: the input is in {}", findings.display()))
}

/// A folder of small models: the fixtures, and the backend suite where it can be had.
fn seeds(folder: &Path) -> Result<PathBuf> {
    let seeds = folder.join("seeds");
    std::fs::create_dir_all(&seeds)?;
    let mut from = vec![at("fixtures")];
    from.extend(suite::ready()?.ok());
    let mut count = 0;
    while let Some(dir) = from.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                from.push(path);
            } else if path.extension().is_some_and(|e| e == "onnx") && path.metadata()?.len() <= SEED_BYTES {
                std::fs::copy(&path, seeds.join(format!("{count}.onnx")))?;
                count += 1;
            }
        }
    }
    Ok(seeds)
}
