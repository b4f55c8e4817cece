//! Tensors beyond the limit for one binding: computed in parts, with the results of the reference evaluator, and no binding beyond the limit.

use satura_ir::{ConstStore, Graph, OpRegistry, evaluate, legalize, parse_module};
use satura_kernel::{DeviceProfile, Plan, Step, interpret_plan};
use satura_lower::{LowerError, LowerOptions, describe, lower};
use satura_tensor::{DType, Elements, Tensor, tolerances};
use satura_testing::{Rng, Values, check_close, random_inputs};

fn graph(inputs: &str, body: &str) -> Graph {
    let lines: String = body.split(';').map(|line| format!("  {}\n", line.trim())).collect();
    let text = format!("graph @test({inputs}) {{\n{lines}}}\n");
    let mut module = parse_module(&text, &ConstStore::default(), &OpRegistry::default())
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut graph = module.graphs.remove(0);
    legalize(&mut graph, &|_| false).expect("the composites have decompositions");
    graph
}

/// Profiles with room for 1024 words in a binding.
fn profiles() -> [(&'static str, DeviceProfile); 2] {
    let tight = |profile| DeviceProfile { max_binding_bytes: 4096, ..profile };
    [("web", tight(DeviceProfile::web())), ("lavapipe8", tight(DeviceProfile::lavapipe8()))]
}

fn check_limits(plan: &Plan, profile: &DeviceProfile) {
    for step in &plan.steps {
        let Step::Dispatch(dispatch) = step else { continue };
        assert!(dispatch.bindings.len() <= profile.max_bindings as usize, "{}", dispatch.label);
        for binding in &dispatch.bindings {
            assert!(binding.bytes <= profile.max_binding_bytes, "{}: {binding:?}", dispatch.label);
            assert_eq!(binding.offset % profile.binding_alignment, 0, "{}: {binding:?}", dispatch.label);
        }
    }
}

#[track_caller]
fn check_with(graph: &Graph, inputs: &[Tensor]) {
    let expected = evaluate(graph, inputs).expect("the reference evaluator runs it");
    for (name, profile) in profiles() {
        let plan = lower(graph, &profile, &LowerOptions::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        check_limits(&plan, &profile);
        let actual = interpret_plan(&plan, inputs)
            .unwrap_or_else(|error| panic!("{name}: {error}\n{}", describe(&plan)));
        for (a, e) in actual.iter().zip(&expected) {
            let tolerance = if e.dtype() == DType::F16 { tolerances::F16_OP } else { tolerances::ROUNDING };
            check_close(a, e, tolerance)
                .unwrap_or_else(|error| panic!("{name}: {error}\n{}", describe(&plan)));
        }
    }
}

#[track_caller]
fn check(inputs: &str, body: &str) {
    let graph = graph(inputs, body);
    let inputs = random_inputs(&graph, &mut Rng::new(3), Values::Plain).expect("the shapes are constant");
    check_with(&graph, &inputs);
}

#[test]
fn elementwise() {
    check("%x: f32[64, 64]", "%0 = neg %x; %1 = sigmoid %0; return %1");
    // Rows whose addresses are not aligned, and a broadcast operand.
    check("%x: f32[37, 51], %y: f32[51]", "%0 = add %x, %y; %1 = relu %0; return %1");
    // One row is too much.
    check("%x: f32[3, 2500]", "%0 = exp %x; return %0");
    check("%x: f32[5000]", "%0 = abs %x; return %0");
    // Two outputs, one also an operand of the other, and an input given back.
    check("%x: f32[40, 40]", "%0 = exp %x; %1 = neg %0; return %0, %1, %x, %1");
    // Different element sizes.
    check("%x: f32[40, 40], %y: f32[40, 40]", "%0 = less %x, %y; %1 = select %0, %x, %y; return %1, %0");
    check("%x: u8[70, 70]", "%0 = cast{to=f32} %x; return %0");
    check("%x: f32[70, 72]", "%0 = cast{to=u8} %x; return %0");
    check("%x: f16[70, 72]", "%0 = neg %x; return %0");
}

#[test]
fn movement() {
    check("%x: f32[40, 60]", "%0 = transpose{perm=[1, 0]} %x; return %0");
    check("%x: f32[40, 60]", "%0 = reshape{shape=[30, 80]} %x; %1 = neg %0; return %1");
    check("%x: f32[40, 60]", "%0 = reshape{shape=[1, 40, 60]} %x; return %0");
    check("%x: f32[7]", "%0 = broadcast{shape=[400, 7]} %x; return %0");
    check("%x: f32[50, 41]", "%0 = slice{starts=[48, 1], sizes=[24, 20], steps=[-2, 2]} %x; return %0");
    check(
        "%x: f32[40, 41], %y: f32[40, 30], %z: f32[2, 40, 3]",
        "%0 = transpose{perm=[1, 0, 2]} %z; %1 = reshape{shape=[40, 6]} %0; %2 = concat{axis=1} %x, %y, %1; return %2",
    );
    check("%x: f32[40, 40], %y: f32[9, 40]", "%0 = concat{axis=0} %x, %y, %x; return %0");
    check("%x: f32[40, 40], %v: f32[]", "%0 = pad{low=[7, 1], high=[30, 2]} %x, %v; return %0");
    check("%y: f32[41]", "%0 = iota{dtype=f32, shape=[50, 41], axis=0}; %1 = add %0, %y; return %1");
}

/// The same elements twice in one result.
#[test]
fn repeated_parts() {
    check("%x: f32[40, 40]", "%0 = tanh %x; %1 = concat{axis=0} %0, %0; return %1, %0");
}

#[test]
fn reductions() {
    check("%x: f32[64, 64]", "%0 = reduce{kind=sum, axes=[1], keep=false} %x; return %0");
    check("%x: f32[64, 64]", "%0 = reduce{kind=max, axes=[0], keep=true} %x; return %0");
    check("%x: f32[4, 30, 50]", "%0 = reduce{kind=sum, axes=[0, 2], keep=false} %x; return %0");
    check("%x: f32[6000]", "%0 = reduce{kind=min, axes=none, keep=false} %x; return %0");
    check("%x: f32[64, 64]", "%0 = softmax{axis=1} %x; return %0");
    check(
        "%x: f32[30, 100], %s: f32[100], %b: f32[100]",
        "%0 = layer_norm{axis=1, epsilon=1e-05} %x, %s, %b; return %0",
    );
    check("%x: f32[50, 40]", "%0 = arg_reduce{kind=max, axis=1, keep=false, last=false} %x; return %0");
    check("%x: f32[50, 40]", "%0 = scan{kind=sum, axis=1, exclusive=false, reverse=false} %x; return %0");
}

#[test]
fn matrix_products() {
    // A big result, big weights in both directions, a big left operand, big batches.
    check("%x: f32[60, 5], %y: f32[5, 60]", "%0 = matmul %x, %y; return %0");
    check(
        "%x: f32[3, 100], %y: f32[100, 40], %b: f32[40]",
        "%0 = matmul %x, %y; %1 = add %0, %b; %2 = relu %1; return %2",
    );
    check("%x: f32[3, 8], %y: f32[8, 600]", "%0 = matmul %x, %y; return %0");
    check("%x: f32[3, 3], %y: f32[3, 2500]", "%0 = matmul %x, %y; return %0");
    check("%x: f32[100, 30], %y: f32[30, 4]", "%0 = matmul %x, %y; return %0");
    check("%x: f32[6, 20, 30], %y: f32[6, 30, 20]", "%0 = matmul %x, %y; return %0");
    check("%x: f32[1, 30, 50], %y: f32[5, 50, 20]", "%0 = matmul %x, %y; return %0");
    check("%x: f32[2, 50], %y: f32[45, 50]", "%0 = transpose{perm=[1, 0]} %y; %1 = matmul %x, %0; return %1");
    // Weights that are read the other way round are cut as they lie, without a copy.
    let tied = graph(
        "%x: f32[2, 50], %y: f32[45, 50]",
        "%0 = transpose{perm=[1, 0]} %y; %1 = matmul %x, %0; return %1",
    );
    let plan = lower(&tied, &profiles()[0].1, &LowerOptions::default()).expect("it can be cut");
    assert!(plan.kernels.iter().all(|k| k.name != "transpose"), "{}", describe(&plan));
    assert_eq!(plan.steps.len(), 4, "{}", describe(&plan));
    check(
        "%x: f32[40, 60]",
        "%0 = transpose{perm=[1, 0]} %x; %1 = transpose{perm=[1, 0]} %0; %2 = reduce{kind=sum, axes=[1], keep=true} %0; %3 = neg %1; return %0, %2, %3",
    );
    check("%x: f32[1, 2000], %y: f32[2000, 1]", "%0 = matmul %x, %y; return %0");
}

#[test]
fn convolutions() {
    let same = "strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1]";
    // Big images, big weights, both; groups; one channel that is too much.
    check(
        "%x: f32[2, 3, 24, 24], %w: f32[4, 3, 3, 3]",
        &format!("%0 = conv{{{same}, groups=1}} %x, %w; return %0"),
    );
    check(
        "%x: f32[1, 16, 5, 5], %w: f32[20, 16, 3, 3]",
        &format!("%0 = conv{{{same}, groups=1}} %x, %w; %1 = relu %0; return %1"),
    );
    check(
        "%x: f32[1, 40, 6, 6], %w: f32[3, 40, 3, 3]",
        &format!("%0 = conv{{{same}, groups=1}} %x, %w; return %0"),
    );
    check(
        "%x: f32[1, 12, 12, 12], %w: f32[12, 1, 3, 3]",
        &format!("%0 = conv{{{same}, groups=12}} %x, %w; return %0"),
    );
    check(
        "%x: f32[2, 8, 12, 12], %w: f32[6, 4, 3, 3]",
        &format!("%0 = conv{{{same}, groups=2}} %x, %w; return %0"),
    );
    check(
        "%x: f32[1, 1, 50, 50], %w: f32[2, 1, 3, 3]",
        &format!("%0 = conv{{{same}, groups=1}} %x, %w; return %0"),
    );
    check(
        "%x: f32[1, 2, 61, 40], %w: f32[3, 2, 3, 2]",
        "%0 = conv{strides=[2, 1], pads_low=[2, 0], pads_high=[1, 1], dilations=[2, 1], groups=1} %x, %w; return %0",
    );
    let double = "strides=[2, 2], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], output_padding=[0, 0]";
    check(
        "%x: f32[2, 6, 10, 10], %w: f32[6, 5, 2, 2]",
        &format!("%0 = conv_transpose{{{double}, groups=1}} %x, %w; return %0"),
    );
    check(
        "%x: f32[1, 12, 10, 10], %w: f32[12, 2, 2, 2]",
        &format!("%0 = conv_transpose{{{double}, groups=3}} %x, %w; return %0"),
    );
    check(
        "%x: f32[2, 5, 20, 20]",
        "%0 = max_pool{kernel=[2, 2], strides=[2, 2], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], ceil=false} %x; return %0",
    );
}

#[test]
fn lookups() {
    let table = graph("%x: f32[200, 12], %i: i64[2, 5]", "%0 = gather{axis=0} %x, %i; return %0");
    let rows = random_inputs(&table, &mut Rng::new(1), Values::Plain).expect("the shapes are constant");
    let ids = Elements::Int(vec![0, 199, 84, 85, -1, -200, 42, 150, 3, 100]);
    check_with(&table, &[rows[0].clone(), Tensor::from_elements(DType::I64, &[2, 5], ids.clone())]);
    let columns = graph("%x: f32[12, 200], %i: i64[2, 5]", "%0 = gather{axis=1} %x, %i; return %0");
    let rows = random_inputs(&columns, &mut Rng::new(1), Values::Plain).expect("the shapes are constant");
    check_with(&columns, &[rows[0].clone(), Tensor::from_elements(DType::I64, &[2, 5], ids)]);
    // Many rows of a small table.
    check("%x: f32[16, 9], %i: u8[300]", "%0 = cast{to=i32} %i; %1 = gather{axis=0} %x, %0; return %1");
    check(
        "%x: f32[8, 300], %i: u8[8, 200]",
        "%0 = cast{to=i32} %i; %1 = gather_elements{axis=1} %x, %0; return %1",
    );
}

/// What the host computes lies in one buffer, of which kernels see parts.
#[test]
fn host_steps() {
    check(
        "%x: f32[40, 40]",
        "%0 = neg %x; %1 = cast{to=f64} %0; %2 = sqrt %1; %3 = cast{to=f32} %1; %4 = exp %3; return %4, %2",
    );
}

#[test]
fn many_operands() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let inputs: Vec<String> = names.iter().map(|n| format!("%{n}: f32[3, 4]")).collect();
    let operands: Vec<String> = names.iter().map(|n| format!("%{n}")).collect();
    check(
        &inputs.join(", "),
        &format!("%0 = concat{{axis=1}} {}; %1 = neg %0; return %1", operands.join(", ")),
    );
}

#[test]
fn what_cannot_be_cut() {
    let profile = DeviceProfile { max_binding_bytes: 4096, ..DeviceProfile::web() };
    let refused = |inputs: &str, body: &str, op: &str| {
        let error = lower(&graph(inputs, body), &profile, &LowerOptions::default());
        let message = match error {
            Err(LowerError::Beyond(message)) => message,
            other => panic!("{op}: {:?}", other.map(|plan| describe(&plan))),
        };
        assert!(message.contains(op) && message.contains("4096"), "{message}");
    };
    refused(
        "%x: f32[3000]",
        "%0 = scan{kind=sum, axis=0, exclusive=false, reverse=false} %x; return %0",
        "scan",
    );
    refused(
        "%x: f32[3000], %i: i64[2], %u: f32[2]",
        "%0 = scatter_elements{axis=0, combine=add} %x, %i, %u; return %0",
        "scatter_elements",
    );
}
