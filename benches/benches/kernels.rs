//! Kernels on a GPU adapter: the schedules that the compiler chooses, as ratios to the naive ones, and wall times.
#![expect(clippy::print_stdout, reason = "ratios are shown to people")]

use criterion::{BenchmarkId, Criterion};
use satura_ir::{ConstStore, Graph, OpRegistry, Runnable, parse_module};
use satura_kernel::{ContractionSchedule, RowSchedule};
use satura_lower::LowerOptions;
use satura_tensor::{Bindings, Tensor};
use satura_wgpu::{AdapterChoice, CompiledPlan, Gpu, GpuExecutor};
use std::error::Error;
use std::time::Duration;

/// Rounds of a ratio. Their median counts.
const ROUNDS: usize = 9;
/// Invocations in a workgroup of the naive schedules.
const NAIVE_WORKGROUP: u32 = 64;

/// A graph, and how its naive form is asked for.
struct Case {
    name: &'static str,
    text: &'static str,
    naive: Option<fn() -> LowerOptions>,
}

fn naive_contraction() -> LowerOptions {
    LowerOptions {
        contraction: Some(ContractionSchedule::Naive { workgroup: NAIVE_WORKGROUP }),
        ..LowerOptions::default()
    }
}

fn naive_rows() -> LowerOptions {
    LowerOptions { rows: Some(RowSchedule::Serial { workgroup: NAIVE_WORKGROUP }), ..LowerOptions::default() }
}

const CASES: &[Case] = &[
    Case {
        name: "matmul-512",
        text: "graph @f(%x: f32[512, 512], %w: f32[512, 512]) { %0 = matmul %x, %w  return %0 }",
        naive: Some(naive_contraction),
    },
    Case {
        name: "conv3x3-64-56",
        text: "graph @f(%x: f32[1, 64, 56, 56]) {
            %w = const{value=f32[64, 64, 3, 3]~1}
            %0 = conv{strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1], groups=1} %x, %w
            return %0
        }",
        naive: Some(naive_contraction),
    },
    Case {
        name: "softmax-1024",
        text: "graph @f(%x: f32[1024, 1024]) { %0 = softmax{axis=1} %x  return %0 }",
        naive: Some(naive_rows),
    },
    Case {
        name: "elementwise-1m",
        text: "graph @f(%x: f32[1024, 1024], %y: f32[1024, 1024]) {
            %0 = mul %x, %y
            %1 = add %0, %x
            %2 = max %1, %y
            %3 = sub %2, %x
            return %3
        }",
        naive: None,
    },
];

/// A tensor whose elements differ and are in -1 to 1.
fn input(graph: &Graph, position: usize) -> Option<Tensor> {
    let sizes = graph.ty(graph.inputs()[position]).sizes()?;
    let count: usize = sizes.iter().product();
    let element = |i: usize| ((i * 7919 + position) % 2003) as f32 / 1001.5 - 1.0;
    Some(Tensor::from_vec((0..count).map(element).collect(), &sizes))
}

fn compile(gpu: &Gpu, graph: &Graph, options: LowerOptions) -> Result<CompiledPlan, Box<dyn Error>> {
    Ok(GpuExecutor::new(gpu.clone()).with_lowering(options).compile_plan(graph)?)
}

/// Time of all dispatches of one run, by the device's clock; by the host's where the device has none.
fn device_time(plan: &mut CompiledPlan, inputs: &[Tensor]) -> Result<Duration, Box<dyn Error>> {
    match plan.profile(inputs) {
        Ok(times) => Ok(Duration::from_nanos(times.iter().map(|t| t.nanoseconds as u64).sum())),
        Err(satura_ir::ExecError::Unsupported(_)) => Ok(plan.time(inputs, 1)?.into_iter().sum()),
        Err(error) => Err(error.into()),
    }
}

fn print_ratio(
    name: &str,
    chosen: &mut CompiledPlan,
    naive: &mut CompiledPlan,
    inputs: &[Tensor],
) -> Result<(), Box<dyn Error>> {
    let mut rounds = Vec::new();
    device_time(chosen, inputs)?;
    device_time(naive, inputs)?;
    for _ in 0..ROUNDS {
        let (slow, fast) = (device_time(naive, inputs)?, device_time(chosen, inputs)?);
        rounds.push((slow.as_secs_f64() / fast.as_secs_f64(), slow, fast));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, slow, fast) = rounds[ROUNDS / 2];
    println!(
        "{name}: {ratio:.1} x as fast as the naive schedule (rounds {:.1} to {:.1}; {:.3} ms against {:.3} ms)",
        rounds[0].0,
        rounds[ROUNDS - 1].0,
        fast.as_secs_f64() * 1e3,
        slow.as_secs_f64() * 1e3
    );
    Ok(())
}

fn run(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::open(&AdapterChoice::from_env())?;
    println!("adapter: {}", gpu.info());
    for case in CASES {
        let module = parse_module(case.text, &ConstStore::default(), &OpRegistry::default())?;
        let graph = satura_opt::prepare(&module.graphs[0], &Bindings::new(), &|_| false)?;
        let inputs: Vec<Tensor> = (0..graph.inputs().len()).filter_map(|i| input(&graph, i)).collect();
        let mut chosen = compile(&gpu, &graph, LowerOptions::default())?;
        let mut group = criterion.benchmark_group(case.name);
        if let Some(options) = case.naive {
            let mut naive = compile(&gpu, &graph, options())?;
            print_ratio(case.name, &mut chosen, &mut naive, &inputs)?;
            measure(&mut group, "naive", &mut naive, &inputs);
        }
        measure(&mut group, "chosen", &mut chosen, &inputs);
        group.finish();
    }
    Ok(())
}

fn measure(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    plan: &mut CompiledPlan,
    inputs: &[Tensor],
) {
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter(|| plan.run(inputs).expect("it ran when the ratio was measured"));
    });
}

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` only wants to know that this builds.
    if std::env::args().any(|arg| arg == "--test") || !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    run(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
