//! `satura bench`: how long a model takes.

use super::{load, note_fallbacks, open};
use crate::args::BenchArgs;
use crate::inputs::values;
use crate::progress::{spin, steps};
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::Session;
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) fn run(cx: &Context, args: &BenchArgs) -> Result<Outcome, Failure> {
    let model = load(cx, &args.model)?;
    // Without any input file, random inputs are what is meant.
    let random = args.inputs.random.or(args.inputs.sizes.inputs.is_empty().then_some(0));
    let (inputs, dims) = values(&args.inputs.sizes, random, &model.graph)?;
    let device = open(cx, args.device)?;
    let mut session = Session::new(&model, &device, dims);
    let compiled = spin(&format!("compiling for {}", device.name()), || session.compile(&inputs))?;
    let ordered = compiled.order(&inputs)?;
    spin("first run", || compiled.run(&ordered))?;
    let bar = steps("timing", u64::from(args.runs));
    let mut times = Vec::new();
    for _ in 0..args.runs {
        let start = Instant::now();
        compiled.run(&ordered)?;
        times.push(start.elapsed());
        bar.inc(1);
    }
    bar.finish_and_clear();
    times.sort();
    let report = compiled.report();
    note_fallbacks(&report);
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let result = json!({
        "device": device.name(),
        "runs": args.runs,
        "median_ms": ms(times[times.len() / 2]),
        "min_ms": ms(times[0]),
        "load_ms": ms(model.load_time),
        "compile_ms": ms(compiled.compile_time),
        "first_run_ms": ms(compiled.first_run.unwrap_or_default()),
        "kernels": report.kernels,
        "peak_bytes": report.peak_bytes,
        "pipelines_built": report.built,
        "pipelines_cached": report.cached,
        "host_ops": report.fallbacks.len(),
    });
    if args.json {
        return Ok(Outcome::done(format!("{result:#}\n")));
    }
    let text = [
        "device",
        "runs",
        "median_ms",
        "min_ms",
        "load_ms",
        "compile_ms",
        "first_run_ms",
        "kernels",
        "peak_bytes",
        "pipelines_built",
        "pipelines_cached",
        "host_ops",
    ]
    .iter()
    .map(|key| {
        format!("{key:<17} {}\n", result[key].as_str().map_or_else(|| result[key].to_string(), str::to_owned))
    });
    Ok(Outcome::done(text.collect()))
}
