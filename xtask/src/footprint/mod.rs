//! `cargo xtask footprint`: what reading a model with a gibibyte of weights takes, beside the same graph with small weights.
//!
//! The files are made anew and removed afterwards: once the weights are in the model, once in a file beside it. Each is read in a process of its own, which says how long
//! reading took and what memory it has come to use. Weights are to be mapped: neither copied nor looked at.

mod model;
mod wire;

use crate::cmd::{build_satura, command, output, target};
use crate::flags::Flags;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Features of the model with a gibibyte of weights.
const LARGE: usize = 724;
/// Features of the model with small weights; enough for its file to be mapped, too.
const SMALL: usize = 32;

/// Memory, relative to that of the graph with small weights. Mapped pages of files come on top.
const MOST_MEMORY: f64 = 1.2;
/// Milliseconds of reading.
const MOST_TIME: f64 = 1000.0;
/// Mapped pages of files, relative to the weights: more would mean that something looks at them all.
const MOST_TOUCHED: f64 = 0.1;

pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let binary = flags.value("satura")?.map(PathBuf::from);
    flags.finish()?;
    let satura = binary.map_or_else(|| build_satura(true), Ok)?;
    measure(&satura)
}

/// Measures and judges; whatever comes out, no files are left.
pub(crate) fn measure(satura: &Path) -> Result<()> {
    let folder = target().join("footprint");
    std::fs::create_dir_all(&folder)?;
    let judged = [Weights::Inside, Weights::Beside].map(|weights| compare(satura, &folder, weights));
    std::fs::remove_dir_all(&folder)?;
    judged.into_iter().collect()
}

/// Where the weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weights {
    Inside,
    Beside,
}

/// What reading took.
struct Took {
    /// Bytes of all weights.
    weights: u64,
    nodes: u64,
    milliseconds: f64,
    /// `None` where the system does not say.
    memory: Option<Memory>,
}

/// Bytes that came to the process while it read.
struct Memory {
    anonymous: f64,
    /// Pages of files that are mapped and were touched.
    of_files: f64,
    /// The most of both together, at any time.
    peak: f64,
}

fn compare(satura: &Path, folder: &Path, weights: Weights) -> Result<()> {
    let [small, large] = [SMALL, LARGE].map(|width| take(satura, folder, weights, width));
    let (small, large) = (small?, large?);
    for took in [&small, &large] {
        println!("{}", shown(weights, took));
    }
    ensure!(large.nodes == small.nodes, "the two graphs differ");
    let mut over = Vec::new();
    let mut limit = |what: &str, value: f64, most: f64, unit: &str| {
        println!("  {what}: {value:.2} {unit}, at most {most:.2}");
        if value > most {
            over.push(what.to_owned());
        }
    };
    limit("time", large.milliseconds, MOST_TIME, "ms");
    match large.memory.zip(small.memory) {
        Some((large_memory, small_memory)) => {
            let graph = small_memory.anonymous * MOST_MEMORY;
            limit("anonymous memory", mib(large_memory.anonymous), mib(graph), "MiB");
            let graph = (small_memory.peak - small_memory.of_files) * MOST_MEMORY;
            limit(
                "peak without pages of files",
                mib(large_memory.peak - large_memory.of_files),
                mib(graph),
                "MiB",
            );
            limit(
                "pages of files",
                mib(large_memory.of_files),
                mib(large.weights as f64 * MOST_TOUCHED),
                "MiB",
            );
        }
        None => println!("  this system does not say what memory a process has: only the time is judged"),
    }
    ensure!(over.is_empty(), "reading takes too much with the weights {weights:?}: {}", over.join(", "));
    Ok(())
}

/// Makes the files and has them read by a process of its own.
fn take(satura: &Path, folder: &Path, weights: Weights, width: usize) -> Result<Took> {
    let (path, bytes) = model::write(folder, weights, width)?;
    let text = output(command(satura, &["footprint"]).arg(&path))?;
    let report: Value = serde_json::from_str(&text).context("`satura footprint` printed no JSON")?;
    let memory = |when: &str, what: &str| report[when][what].as_f64();
    let grown = |what: &str| Some(memory("after", what)? - memory("before", what)?);
    let start = memory("before", "anonymous").zip(memory("before", "of_files")).map(|(a, b)| a + b);
    let peak = memory("after", "peak").zip(start).map(|(peak, start)| peak - start);
    Ok(Took {
        weights: bytes,
        nodes: report["nodes"].as_u64().context("no count of nodes")?,
        milliseconds: report["read_ms"].as_f64().context("no time")?,
        memory: grown("anonymous")
            .zip(grown("of_files"))
            .zip(peak)
            .map(|((anonymous, of_files), peak)| Memory { anonymous, of_files, peak }),
    })
}

fn shown(weights: Weights, took: &Took) -> String {
    let memory = took.memory.as_ref().map(|memory| {
        let Memory { anonymous, of_files, peak } = memory;
        format!(
            ", {:.2} MiB anonymous, {:.2} MiB of files, peak {:.2} MiB",
            mib(*anonymous),
            mib(*of_files),
            mib(*peak)
        )
    });
    let place = match weights {
        Weights::Inside => "in the model",
        Weights::Beside => "in a file beside it",
    };
    format!(
        "{:.1} MiB of weights {place}, {} nodes: {:.0} ms{}",
        mib(took.weights as f64),
        took.nodes,
        took.milliseconds,
        memory.unwrap_or_default()
    )
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
