//! Whole graphs through the executor, against the reference evaluator.

use crate::common::reference;
use satura_ir::{Executor, OpRegistry, Runnable, evaluate, parse_module};
use satura_kernel::DeviceProfile;
use satura_lower::{LowerOptions, lower};
use satura_tensor::{Tensor, compare, tolerances};
use satura_wgpu::{CompiledPlan, GpuExecutor, PlanOptions, test_gpu};

fn floats(shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| (i as f32 * 0.7).sin() * 3.0).collect(), shape)
}

/// Runs a graph of one function on the device, guarded and not, and on the reference evaluator.
#[track_caller]
fn check(text: &str, inputs: &[Tensor]) {
    let Some(gpu) = test_gpu() else { return };
    let mut module = parse_module(text, &Default::default(), &OpRegistry::default()).expect("a valid text");
    let graph = &mut module.graphs[0];
    let expected = evaluate(graph, inputs).expect("the reference runs");
    for checked in [true, false] {
        let options = PlanOptions { checked, warm_up: !checked };
        let executor = GpuExecutor::new(gpu.clone()).with_host(reference()).with_options(options);
        satura_ir::legalize(graph, &|op| executor.keeps(op)).expect("composites decompose");
        let mut compiled = executor.compile_plan(graph).expect("the graph compiles");
        let actual = compiled.run(inputs).expect("the graph runs");
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(&expected) {
            let comparison = compare(a, e, tolerances::ROUNDING);
            assert!(comparison.agrees(), "{comparison:?}");
        }
        assert_eq!(compiled.report().fallbacks, []);
    }
}

#[test]
fn elementwise_and_broadcast() {
    let text =
        "graph @f(%x: f32[3, 40], %y: f32[40]) { %0 = add %x, %y %1 = exp %0 %2 = mul %1, %x return %2, %0 }";
    check(text, &[floats(&[3, 40]), floats(&[40])]);
}

#[test]
fn matrix_product_with_an_epilogue() {
    let text = "graph @f(%x: f32[17, 33], %w: f32[33, 21], %b: f32[21]) { %0 = matmul %x, %w %1 = add %0, %b %2 = relu %1 return %2 }";
    check(text, &[floats(&[17, 33]), floats(&[33, 21]), floats(&[21])]);
}

#[test]
fn softmax_of_rows() {
    check("graph @f(%x: f32[5, 77]) { %0 = softmax{axis=-1} %x return %0 }", &[floats(&[5, 77])]);
}

#[test]
fn a_graph_without_nodes() {
    check("graph @f(%x: f32[5], %y: f32[2]) { return %y, %x }", &[floats(&[5]), floats(&[2])]);
}

/// Windows of one device buffer: inputs, weights, temporaries of the host's and outputs that no single binding holds.
#[test]
fn tensors_beyond_the_binding_limit() {
    let Some(gpu) = test_gpu() else { return };
    let text = "graph @f(%x: f32[37, 100], %y: f32[100, 51]) {
        %0 = neg %x
        %1 = matmul %0, %y
        %2 = cast{to=f64} %1
        %3 = cast{to=f32} %2
        %4 = softmax{axis=1} %3
        return %4, %1, %0
    }";
    let mut module = parse_module(text, &Default::default(), &OpRegistry::default()).expect("a valid text");
    let graph = &mut module.graphs[0];
    let inputs = [floats(&[37, 100]), floats(&[100, 51])];
    let expected = evaluate(graph, &inputs).expect("the reference runs");
    satura_ir::legalize(graph, &|_| false).expect("composites decompose");
    let profile = DeviceProfile { max_binding_bytes: 4096, ..gpu.profile() };
    let plan = lower(graph, &profile, &LowerOptions::default()).expect("it can be cut into parts");
    let mut compiled =
        CompiledPlan::new(&gpu, plan, &reference(), &PlanOptions::default()).expect("the plan compiles");
    for (a, e) in compiled.run(&inputs).expect("the plan runs").iter().zip(&expected) {
        let comparison = compare(a, e, tolerances::ROUNDING);
        assert!(comparison.agrees(), "{comparison:?}");
    }
}
