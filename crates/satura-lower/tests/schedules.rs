//! Every schedule of contractions and rows computes what the reference evaluator does, on shapes that do not fit the tiles.

use satura_ir::{ConstStore, Graph, OpRegistry, evaluate, legalize, parse_module};
use satura_kernel::{ContractionSchedule, DeviceProfile, RowSchedule, interpret_plan};
use satura_lower::{LowerOptions, lower};
use satura_tensor::{DType, Tolerance, tolerances};
use satura_testing::{Rng, Values, check_close, random_inputs};

/// A graph of one `graph @name(..) { .. }` text, decomposed.
fn graph(inputs: &str, body: &str) -> Graph {
    let lines: String = body.split(';').map(|line| format!("  {}\n", line.trim())).collect();
    let text = format!("graph @test({inputs}) {{\n{lines}}}\n");
    let mut module = parse_module(&text, &ConstStore::default(), &OpRegistry::default())
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut graph = module.graphs.remove(0);
    legalize(&mut graph, &|_| false).expect("the composites have decompositions");
    graph
}

fn tolerance(dtype: DType) -> Tolerance {
    match dtype {
        DType::F32 => tolerances::ROUNDING,
        DType::F16 => tolerances::F16_OP,
        _ => tolerances::EXACT,
    }
}

/// What differs between the plan of a graph and the reference evaluator, if anything does.
fn difference(graph: &Graph, profile: &DeviceProfile, options: &LowerOptions) -> Option<String> {
    let inputs = random_inputs(graph, &mut Rng::new(7), Values::Plain).expect("the shapes are constant");
    let expected = evaluate(graph, &inputs).expect("the reference evaluator runs it");
    let plan = match lower(graph, profile, options) {
        Ok(plan) => plan,
        Err(error) => return Some(error.to_string()),
    };
    let actual = match interpret_plan(&plan, &inputs) {
        Ok(actual) => actual,
        Err(error) => return Some(error.to_string()),
    };
    actual.iter().zip(&expected).find_map(|(a, e)| check_close(a, e, tolerance(e.dtype())).err())
}

/// Lowers a graph with each of the schedules on each profile that has what it needs, and reports all that fail.
#[track_caller]
fn check(inputs: &str, body: &str, schedules: &[(LowerOptions, bool)]) {
    let graph = graph(inputs, body);
    let mut failures = Vec::new();
    for (options, subgroups) in schedules {
        let profiles = [
            ("web", DeviceProfile::web()),
            ("lavapipe8", DeviceProfile::lavapipe8()),
            ("nvidia32", DeviceProfile::nvidia32()),
        ];
        for (name, profile) in &profiles {
            // What needs no subgroups is the same on all devices, but for half floats.
            let fits = if *subgroups { profile.subgroup_size.is_some() } else { *name != "nvidia32" };
            if fits && let Some(failure) = difference(&graph, profile, options) {
                failures.push(format!("{name}, {options:?}: {failure}"));
            }
        }
    }
    assert!(failures.is_empty(), "({inputs}) {body}\n{}", failures.join("\n"));
}

fn contractions() -> Vec<(LowerOptions, bool)> {
    let mut all = vec![(ContractionSchedule::Naive { workgroup: 64 }, false)];
    for rows in [1, 2, 4, 8] {
        all.push((ContractionSchedule::Register { rows, vectors: 1, workgroup: 64 }, false));
    }
    all.push((ContractionSchedule::Register { rows: 4, vectors: 2, workgroup: 32 }, false));
    for rows in [1, 2, 4, 8, 16] {
        all.push((ContractionSchedule::Subgroup { rows, subgroups: 1 }, true));
    }
    all.push((ContractionSchedule::Subgroup { rows: 4, subgroups: 3 }, true));
    for side in [32, 64] {
        let thread = side / 16;
        all.push((
            ContractionSchedule::Shared {
                rows: side,
                columns: side,
                inner: 16,
                thread_rows: thread,
                thread_columns: thread,
            },
            false,
        ));
    }
    let uneven =
        ContractionSchedule::Shared { rows: 16, columns: 32, inner: 8, thread_rows: 4, thread_columns: 2 };
    all.push((uneven, false));
    all.into_iter()
        .map(|(schedule, subgroups)| {
            (LowerOptions { contraction: Some(schedule), ..LowerOptions::default() }, subgroups)
        })
        .collect()
}

fn row_programs() -> Vec<(LowerOptions, bool)> {
    let all = [
        (RowSchedule::Serial { workgroup: 64 }, false),
        (RowSchedule::Serial { workgroup: 1 }, false),
        (RowSchedule::Subgroup { subgroups: 1 }, true),
        (RowSchedule::Subgroup { subgroups: 4 }, true),
        (RowSchedule::Shared { workgroup: 16 }, false),
        (RowSchedule::Shared { workgroup: 64 }, false),
    ];
    all.into_iter()
        .map(|(schedule, subgroups)| {
            (LowerOptions { rows: Some(schedule), ..LowerOptions::default() }, subgroups)
        })
        .collect()
}

#[test]
fn matrix_products() {
    let product = |m: usize, k: usize, n: usize| {
        check(
            &format!("%x: f32[{m}, {k}], %y: f32[{k}, {n}]"),
            "%0 = matmul %x, %y; return %0",
            &contractions(),
        );
    };
    // Rows, depths and columns that are multiples of the tiles, and ones that are not.
    product(16, 16, 32);
    product(4, 4, 4);
    product(5, 7, 6);
    product(17, 9, 33);
    product(33, 18, 70);
    product(9, 12, 40);
    // Single vectors of columns, full and overlapping.
    product(8, 5, 5);
    product(3, 8, 7);
    product(2, 3, 4);
    // Too few columns for vectors.
    product(6, 20, 1);
    product(6, 20, 3);
    product(1, 1, 1);
    // One row.
    product(1, 19, 36);
}

#[test]
fn matrix_product_operands() {
    let c = contractions();
    check("%x: f32[2, 1, 5, 8], %y: f32[3, 8, 6]", "%0 = matmul %x, %y; return %0", &c);
    check("%x: f32[3, 7], %y: f32[2, 7, 9]", "%0 = matmul %x, %y; return %0", &c);
    check(
        "%x: f32[8, 6], %y: f32[12, 8]",
        "%0 = transpose{perm=[1, 0]} %x; %1 = transpose{perm=[1, 0]} %y; %2 = matmul %0, %1; return %2",
        &c,
    );
    check(
        "%x: f32[2, 5, 3, 4], %y: f32[2, 5, 3, 4]",
        "%0 = transpose{perm=[0, 2, 1, 3]} %x; %1 = transpose{perm=[0, 2, 3, 1]} %y; %2 = matmul %0, %1; return %2",
        &c,
    );
    check("%x: i32[5, 6], %y: i32[6, 9]", "%0 = matmul %x, %y; return %0", &c);
    check("%x: f32[4, 0], %y: f32[0, 8]", "%0 = matmul %x, %y; return %0", &c);
}

#[test]
fn matrix_product_epilogues() {
    let c = contractions();
    check(
        "%x: f32[6, 9], %y: f32[9, 10], %b: f32[10], %r: f32[6, 10]",
        "%0 = matmul %x, %y; %1 = add %0, %b; %2 = relu %1; %3 = add %2, %r; return %3",
        &c,
    );
    check(
        "%x: f32[6, 8], %y: f32[8, 12], %b: f32[6, 1]",
        "%0 = matmul %x, %y; %1 = add %0, %b; %2 = reshape{shape=[3, 2, 4, 3]} %1; %3 = tanh %2; return %3",
        &c,
    );
    // Words of several elements.
    check("%x: f32[6, 8], %y: f32[8, 12]", "%0 = matmul %x, %y; %1 = cast{to=i8} %0; return %1", &c);
    check("%x: f32[5, 3], %y: f32[3, 7]", "%0 = matmul %x, %y; %1 = cast{to=i8} %0; return %1", &c);
    check("%x: f16[5, 3], %y: f16[3, 7]", "%0 = matmul %x, %y; return %0", &c);
    check("%x: f16[6, 8], %y: f16[8, 12]", "%0 = matmul %x, %y; return %0", &c);
    check("%x: i8[5, 3], %y: i8[3, 6]", "%0 = matmul %x, %y; return %0", &c);
}

#[test]
fn convolutions() {
    let c = contractions();
    let conv = |x: &str, w: &str, attributes: &str| {
        check(
            &format!("%x: f32{x}, %w: f32{w}"),
            &format!("%0 = conv{{{attributes}}} %x, %w; return %0"),
            &c,
        );
    };
    conv(
        "[1, 3, 6, 6]",
        "[8, 3, 3, 3]",
        "strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1], groups=1",
    );
    conv(
        "[2, 2, 7, 5]",
        "[5, 2, 3, 2]",
        "strides=[2, 1], pads_low=[0, 1], pads_high=[1, 0], dilations=[1, 2], groups=1",
    );
    conv(
        "[1, 4, 5, 5]",
        "[6, 2, 2, 2]",
        "strides=[1, 1], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], groups=2",
    );
    conv(
        "[2, 5, 4, 4]",
        "[5, 1, 3, 3]",
        "strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1], groups=5",
    );
    conv(
        "[2, 8, 3, 3]",
        "[10, 8, 1, 1]",
        "strides=[1, 1], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], groups=1",
    );
    conv("[1, 3, 11]", "[4, 3, 4]", "strides=[2], pads_low=[2], pads_high=[1], dilations=[1], groups=1");
    conv("[2, 2, 7]", "[3, 2, 3]", "strides=[1], pads_low=[0], pads_high=[0], dilations=[1], groups=1");
    conv(
        "[1, 2, 3, 4, 3]",
        "[3, 2, 2, 2, 2]",
        "strides=[1, 2, 1], pads_low=[1, 0, 0], pads_high=[0, 1, 1], dilations=[1, 1, 2], groups=1",
    );
    conv(
        "[1, 2, 4, 4]",
        "[3, 2, 4, 4]",
        "strides=[1, 1], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], groups=1",
    );
    check(
        "%x: f32[1, 3, 5, 6], %w: f32[7, 3, 3, 3], %b: f32[7, 1, 1], %r: f32[1, 7, 5, 6]",
        "%0 = conv{strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1], groups=1} %x, %w; \
         %1 = add %0, %b; %2 = add %1, %r; %3 = relu %2; return %3",
        &c,
    );
    check(
        "%x: f32[1, 3, 4, 4], %w: f32[4, 3, 1, 1]",
        "%0 = conv{strides=[1, 1], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], groups=1} %x, %w; \
         %1 = reshape{shape=[4, 16]} %0; %2 = neg %1; return %2",
        &c,
    );
}

#[test]
fn softmax_and_norms() {
    let r = row_programs();
    for (shape, axis) in [
        ("[5, 64]", 1),
        ("[3, 7]", 1),
        ("[2, 1]", 1),
        ("[6, 5]", 0),
        ("[2, 9, 4]", 1),
        ("[1, 130]", 1),
        ("[3, 2, 20]", -1),
    ] {
        check(&format!("%x: f32{shape}"), &format!("%0 = softmax{{axis={axis}}} %x; return %0"), &r);
        check(&format!("%x: f32{shape}"), &format!("%0 = log_softmax{{axis={axis}}} %x; return %0"), &r);
    }
    check(
        "%x: f32[5, 36], %s: f32[36], %b: f32[36]",
        "%0 = layer_norm{axis=-1, epsilon=1e-05} %x, %s, %b; return %0",
        &r,
    );
    check(
        "%x: f32[2, 3, 5], %s: f32[3, 5], %b: f32[5]",
        "%0 = layer_norm{axis=1, epsilon=1e-05} %x, %s, %b; %1 = relu %0; return %1",
        &r,
    );
    check(
        "%x: f32[2, 3, 4, 5], %s: f32[3], %b: f32[3]",
        "%0 = instance_norm{epsilon=1e-05} %x, %s, %b; return %0",
        &r,
    );
    check("%x: f16[3, 12]", "%0 = softmax{axis=1} %x; return %0", &r);
    check("%x: f16[3, 7]", "%0 = softmax{axis=1} %x; return %0", &r);
}

#[test]
fn reductions() {
    let r = row_programs();
    for kind in ["sum", "prod", "max", "min"] {
        check(
            "%x: f32[7, 33]",
            &format!("%0 = reduce{{kind={kind}, axes=[1], keep=false}} %x; return %0"),
            &r,
        );
        check(
            "%x: i32[4, 24]",
            &format!("%0 = reduce{{kind={kind}, axes=[1], keep=true}} %x; return %0"),
            &r,
        );
    }
    check("%x: f32[6, 10]", "%0 = reduce{kind=sum, axes=[0], keep=false} %x; return %0", &r);
    check("%x: f32[3, 4, 5]", "%0 = reduce{kind=sum, axes=[0, 2], keep=true} %x; return %0", &r);
    check("%x: f32[3, 4, 8]", "%0 = reduce{kind=max, axes=none, keep=false} %x; return %0", &r);
    check("%x: f32[70]", "%0 = reduce{kind=sum, axes=[0], keep=false} %x; return %0", &r);
    check("%x: f32[3, 0]", "%0 = reduce{kind=sum, axes=[1], keep=false} %x; return %0", &r);
    check("%x: i8[5, 12]", "%0 = reduce{kind=sum, axes=[1], keep=false} %x; return %0", &r);
    check("%x: i8[3, 9]", "%0 = reduce{kind=max, axes=[0], keep=false} %x; return %0", &r);
    check("%x: bool[5, 20]", "%0 = reduce{kind=max, axes=[1], keep=false} %x; return %0", &r);
    check("%x: u8[2, 18]", "%0 = reduce{kind=min, axes=[1], keep=false} %x; return %0", &r);
    check("%x: f16[4, 18]", "%0 = reduce{kind=sum, axes=[1], keep=false} %x; return %0", &r);
    // Arithmetic before, between and after.
    check(
        "%x: f32[5, 24], %y: f32[5, 1]",
        "%0 = mul %x, %x; %1 = reduce{kind=sum, axes=[1], keep=true} %0; %2 = add %1, %y; %3 = sqrt %2; %4 = div %x, %3; return %4",
        &r,
    );
    check(
        "%x: f32[4, 6, 5]",
        "%0 = exp %x; %1 = reduce_mean{axes=[2], keep=false} %0; %2 = tanh %1; %3 = reshape{shape=[24]} %2; return %3",
        &r,
    );
}
