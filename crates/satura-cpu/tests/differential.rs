//! The CPU against the reference evaluator: random graphs, and one graph for each kernel's special cases.

use satura_cpu::CpuExecutor;
use satura_ir::{ConstStore, Executor, Graph, OpRegistry, evaluate, legalize, parse_module};
use satura_tensor::{Tensor, Tolerance, tolerances};
use satura_testing::{GraphConfig, Rng, Values, check_close, random_graph, random_inputs};

/// Runs a graph on both; the CPU twice, as its memory is used again.
#[track_caller]
fn check_graph(graph: &Graph, inputs: &[Tensor], tolerance: Tolerance) {
    let expected = evaluate(graph, inputs).expect("the reference evaluator runs it");
    let cpu = CpuExecutor::with_threads(2).expect("threads");
    let mut kept = graph.clone();
    legalize(&mut kept, &|op| cpu.keeps(op)).expect("decomposes");
    let mut run = cpu.compile(&kept).expect("compiles");
    for round in 0..2 {
        let actual = run.run(inputs).expect("runs");
        assert_eq!(actual.len(), expected.len());
        for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
            if let Err(error) = check_close(a, e, tolerance) {
                panic!("round {round}, output {i}: {error}\n{}", satura_ir::print_graph(graph));
            }
        }
    }
}

/// Checks `body`, which defines `%y` from the inputs, on random inputs.
#[track_caller]
fn check(inputs: &str, body: &str, values: Values, tolerance: Tolerance) {
    let lines: String = body.split(';').map(|line| format!("  {}\n", line.trim())).collect();
    let text = format!("graph @g({inputs}) {{\n{lines}  return %y\n}}\n");
    let module = parse_module(&text, &ConstStore::default(), &OpRegistry::default());
    let module = module.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let graph = &module.graphs[0];
    let tensors = random_inputs(graph, &mut Rng::new(7), values).expect("known sizes");
    check_graph(graph, &tensors, tolerance);
}

#[test]
fn random_graphs() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng, GraphConfig { steps: 24, extent: 5, contractions: true });
        let inputs = random_inputs(&graph, &mut rng, Values::Plain).expect("known sizes");
        check_graph(&graph, &inputs, tolerances::ROUNDING);
    }
}

#[test]
fn large_random_graphs() {
    for seed in 0..12 {
        let mut rng = Rng::new(1000 + seed);
        let graph = random_graph(&mut rng, GraphConfig { steps: 16, extent: 40, contractions: false });
        let inputs = random_inputs(&graph, &mut rng, Values::Plain).expect("known sizes");
        check_graph(&graph, &inputs, tolerances::ROUNDING);
    }
}

#[test]
fn unary_functions() {
    for op in [
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "exp",
        "log",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sigmoid",
        "erf",
        "relu",
        "silu",
        "softplus",
        "hard_swish",
        "elu{alpha=1.5}",
        "leaky_relu{alpha=0.1}",
        "hard_sigmoid{alpha=0.2, beta=0.5}",
        "gelu{approximate=false}",
        "gelu{approximate=true}",
    ] {
        check("%x: f32[3, 700]", &format!("%y = {op} %x"), Values::Plain, tolerances::F32_OP);
    }
    // The edges: what is exact must be so for them too.
    for op in [
        "neg", "abs", "sign", "floor", "ceil", "round", "exp", "log", "sqrt", "tanh", "sigmoid", "erf",
        "relu",
    ] {
        check("%x: f32[700]", &format!("%y = {op} %x"), Values::Nasty, tolerances::F32_OP);
    }
    check("%x: f32[700]", "%y = is_nan %x", Values::Nasty, tolerances::EXACT);
    check("%x: bool[700]", "%y = not %x", Values::Plain, tolerances::EXACT);
}

#[test]
fn binary_functions() {
    for op in ["add", "sub", "mul", "div", "max", "min", "equal", "less", "less_equal", "rem{kind=trunc}"] {
        let body = format!("%y = {op} %a, %b");
        for inputs in [
            "%a: f32[600], %b: f32[600]",
            "%a: f32[600], %b: f32[]",
            "%a: f32[], %b: f32[600]",
            "%a: f32[5, 1, 7], %b: f32[3, 1]",
            "%a: f32[2, 3, 1], %b: f32[600]",
            "%a: f32[0, 4], %b: f32[4]",
        ] {
            check(inputs, &body, Values::Nasty, tolerances::F32_OP);
        }
        for dtype in ["f64", "f16", "bf16", "i64", "i32", "u8"] {
            if !op.starts_with("rem") && (op != "div" || dtype.starts_with(['f', 'b'])) {
                check(&format!("%a: {dtype}[5], %b: {dtype}[3, 1]"), &body, Values::Plain, tolerances::EXACT);
            }
        }
    }
    for op in ["and", "or", "xor", "max", "min", "equal"] {
        check(
            "%a: bool[5, 1], %b: bool[130]",
            &format!("%y = {op} %a, %b"),
            Values::Plain,
            tolerances::EXACT,
        );
    }
    check(
        "%c: bool[7, 1], %a: f32[300], %b: f32[7, 300]",
        "%y = select %c, %a, %b",
        Values::Nasty,
        tolerances::EXACT,
    );
    check("%c: bool[1], %a: f32[], %b: f32[]", "%y = select %c, %a, %b", Values::Plain, tolerances::EXACT);
    check("%a: f32[40], %b: f32[40]", "%0 = abs %a; %y = pow %0, %b", Values::Plain, tolerances::F32_OP);
}

#[test]
fn casts_between_storages_and_tensors() {
    for (from, to) in [
        ("f32", "bool"),
        ("bool", "f32"),
        ("f32", "i64"),
        ("i64", "f32"),
        ("bool", "i32"),
        ("f16", "f32"),
        ("f32", "f64"),
    ] {
        check(
            &format!("%x: {from}[6]"),
            &format!("%y = cast{{to={to}}} %x"),
            Values::Plain,
            tolerances::EXACT,
        );
    }
}

#[test]
fn movement() {
    for body in [
        "%y = transpose{perm=[2, 0, 1]} %x",
        "%0 = transpose{perm=[2, 0, 1]} %x; %y = reshape{shape=[20, 6]} %0",
        "%0 = transpose{perm=[1, 0, 2]} %x; %y = exp %0",
        "%y = slice{starts=[3, 0, 4], sizes=[2, 3, 2], steps=[-2, 2, -3]} %x",
        "%0 = slice{starts=[0, 1, 0], sizes=[4, 3, 5], steps=[1, 1, 1]} %x; %y = add %0, %0",
        "%0 = slice{starts=[0, 1, 0], sizes=[4, 0, 5], steps=[1, 1, 1]} %x; %y = neg %0",
        "%y = broadcast{shape=[2, 4, 6, 5]} %x",
        "%0 = reduce{kind=sum, axes=[1], keep=true} %x; %y = broadcast{shape=[4, 6, 5]} %0",
        "%0 = transpose{perm=[1, 0, 2]} %x; %1 = transpose{perm=[1, 0, 2]} %0; %y = concat{axis=1} %x, %1, %x",
        "%v = const{value=f32[](2.5)}; %y = pad{low=[1, 0, 2], high=[0, 3, 1]} %x, %v",
        "%v = const{value=f32[](2.5)}; %0 = transpose{perm=[0, 2, 1]} %x; %y = pad{low=[1, 0, 2], high=[0, 3, 1]} %0, %v",
        "%i = const{value=i64[2, 2](0, -1, 3, 3)}; %y = gather{axis=1} %x, %i",
        "%i = const{value=i32[](2)}; %y = gather{axis=-1} %x, %i",
    ] {
        check("%x: f32[4, 6, 5]", body, Values::Plain, tolerances::ROUNDING);
        check("%x: f32[4, 6, 5]", body, Values::Nasty, Tolerance::new(2e-6, 1e-6));
        if !body.contains(['v', 'e']) {
            check("%x: i32[4, 6, 5]", body, Values::Plain, tolerances::EXACT);
        }
    }
}

#[test]
fn reductions() {
    for kind in ["sum", "prod", "max", "min"] {
        for axes in ["none", "[0]", "[1]", "[2]", "[0, 2]", "[1, 2]", "[0, 1]", "[]"] {
            for keep in ["true", "false"] {
                let reduce = format!("reduce{{kind={kind}, axes={axes}, keep={keep}}}");
                check(
                    "%x: f32[3, 40, 70]",
                    &format!("%y = {reduce} %x"),
                    Values::Plain,
                    tolerances::ROUNDING,
                );
                check("%x: f32[3, 0, 2]", &format!("%y = {reduce} %x"), Values::Plain, tolerances::EXACT);
                let moved = format!("%0 = transpose{{perm=[2, 0, 1]}} %x; %y = {reduce} %0");
                check("%x: f32[3, 40, 7]", &moved, Values::Plain, tolerances::ROUNDING);
            }
        }
    }
    for kind in ["max", "min"] {
        check(
            "%x: f32[9, 50]",
            &format!("%y = reduce{{kind={kind}, axes=[1], keep=false}} %x"),
            Values::Nasty,
            tolerances::EXACT,
        );
        check(
            "%x: bool[9, 5]",
            &format!("%y = reduce{{kind={kind}, axes=[0], keep=false}} %x"),
            Values::Plain,
            tolerances::EXACT,
        );
    }
    check(
        "%x: f32[3, 40, 7]",
        "%y = reduce_mean{axes=[1], keep=true} %x",
        Values::Plain,
        tolerances::ROUNDING,
    );
}

#[test]
fn rows() {
    for axis in ["0", "1", "-1"] {
        check(
            "%x: f32[5, 33, 70]",
            &format!("%y = softmax{{axis={axis}}} %x"),
            Values::Plain,
            tolerances::ROUNDING,
        );
    }
    check("%x: f32[9, 37]", "%y = softmax{axis=1} %x", Values::Nasty, tolerances::ROUNDING);
    check("%x: f32[2, 0, 3]", "%y = softmax{axis=1} %x", Values::Plain, tolerances::EXACT);
    let body = "%y = layer_norm{axis=1, epsilon=0.001} %x, %s, %b";
    check("%x: f32[40, 6, 20], %s: f32[6, 20], %b: f32[20]", body, Values::Plain, tolerances::ROUNDING);
    check("%x: f32[40, 6, 20], %s: f32[], %b: f32[6, 1]", body, Values::Plain, tolerances::ROUNDING);
}

#[test]
fn products() {
    let body = "%y = matmul %a, %b";
    for inputs in [
        "%a: f32[1, 30], %b: f32[30, 200]",
        "%a: f32[150, 70], %b: f32[70, 130]",
        "%a: f32[3, 4, 20], %b: f32[20, 7]",
        "%a: f32[2, 3, 4, 20], %b: f32[3, 20, 7]",
        "%a: f32[4, 20], %b: f32[5, 20, 1]",
        "%a: f32[4, 0], %b: f32[0, 3]",
        "%a: f32[0, 4], %b: f32[4, 3]",
        "%a: f32[2, 1, 4, 5], %b: f32[0, 5, 3]",
        "%a: i32[2, 3], %b: i32[3, 4]",
        "%a: f64[2, 3], %b: f64[3, 4]",
    ] {
        check(inputs, body, Values::Plain, tolerances::ROUNDING);
    }
    for body in [
        "%0 = transpose{perm=[0, 2, 1]} %b; %y = matmul %a, %0",
        "%0 = transpose{perm=[0, 2, 1]} %a; %1 = transpose{perm=[0, 2, 1]} %b; %2 = matmul %1, %a; %y = matmul %2, %0",
        "%0 = matmul %a, %a; %c = const{value=f32[](0.5)}; %1 = mul %0, %c; %2 = add %1, %b; %y = relu %2",
        "%0 = matmul %a, %a; %1 = sigmoid %0; %y = mul %1, %0",
        "%0 = matmul %a, %a; %1 = matmul %b, %b; %y = add %0, %1",
    ] {
        check("%a: f32[3, 60, 60], %b: f32[3, 60, 60]", body, Values::Plain, tolerances::ROUNDING);
    }
}

#[test]
fn convolutions() {
    let conv = |strides: &str, low: &str, high: &str, dilations: &str, groups: usize| {
        format!(
            "%y = conv{{strides={strides}, pads_low={low}, pads_high={high}, dilations={dilations}, groups={groups}}} %x, %w"
        )
    };
    for (inputs, body) in [
        ("%x: f32[2, 8, 9, 13], %w: f32[6, 8, 1, 1]", conv("[1, 1]", "[0, 0]", "[0, 0]", "[1, 1]", 1)),
        ("%x: f32[1, 8, 9, 13], %w: f32[6, 8, 1, 1]", conv("[2, 2]", "[0, 0]", "[0, 0]", "[1, 1]", 1)),
        ("%x: f32[1, 16, 40, 60], %w: f32[32, 16, 3, 3]", conv("[1, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 1)),
        ("%x: f32[1, 16, 41, 60], %w: f32[32, 16, 3, 3]", conv("[2, 2]", "[1, 0]", "[1, 1]", "[1, 1]", 1)),
        ("%x: f32[2, 3, 11, 10], %w: f32[4, 3, 3, 2]", conv("[2, 3]", "[2, 1]", "[0, 4]", "[2, 3]", 1)),
        ("%x: f32[1, 6, 8, 7], %w: f32[9, 2, 3, 3]", conv("[1, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 3)),
        ("%x: f32[2, 5, 40], %w: f32[7, 5, 4]", conv("[3]", "[2]", "[1]", "[2]", 1)),
        (
            "%x: f32[1, 2, 5, 6, 7], %w: f32[3, 2, 3, 2, 3]",
            conv("[2, 1, 2]", "[1, 1, 0]", "[1, 0, 1]", "[1, 2, 1]", 1),
        ),
        (
            "%x: f32[1, 2, 3, 4, 3, 4], %w: f32[3, 2, 2, 2, 2, 2]",
            conv("[1, 1, 1, 1]", "[0, 0, 0, 0]", "[0, 0, 0, 0]", "[1, 1, 1, 1]", 1),
        ),
        ("%x: f32[0, 2, 5, 5], %w: f32[3, 2, 3, 3]", conv("[1, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 1)),
        ("%x: f64[1, 2, 5, 5], %w: f64[3, 2, 3, 3]", conv("[1, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 1)),
        // One channel a group.
        ("%x: f32[2, 40, 30, 37], %w: f32[40, 1, 3, 3]", conv("[1, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 40)),
        ("%x: f32[1, 6, 10, 10], %w: f32[6, 1, 5, 5]", conv("[1, 1]", "[2, 2]", "[2, 2]", "[1, 1]", 6)),
        ("%x: f32[1, 6, 11, 20], %w: f32[6, 1, 5, 5]", conv("[2, 2]", "[2, 1]", "[2, 3]", "[1, 1]", 6)),
        ("%x: f32[1, 6, 11, 21], %w: f32[12, 1, 3, 2]", conv("[1, 3]", "[0, 2]", "[1, 0]", "[2, 2]", 6)),
        ("%x: f32[1, 6, 11, 21], %w: f32[6, 1, 3, 3]", conv("[2, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 6)),
        ("%x: f32[1, 6, 50], %w: f32[6, 1, 7]", conv("[2]", "[3]", "[3]", "[1]", 6)),
    ] {
        check(inputs, &body, Values::Plain, tolerances::ROUNDING);
        let followed = body.replace("%y", "%0") + "; %1 = hard_swish %0; %y = mul %1, %1";
        if !inputs.contains("f64") {
            check(inputs, &followed, Values::Plain, tolerances::ROUNDING);
        }
    }
    let body = "%0 = conv{strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1], groups=1} %x, %w; %1 = add %0, %b; %2 = relu %1; %y = add %2, %r";
    check(
        "%x: f32[1, 8, 33, 40], %w: f32[24, 8, 3, 3], %b: f32[24, 1, 1], %r: f32[1, 24, 33, 40]",
        body,
        Values::Plain,
        tolerances::ROUNDING,
    );
}

#[test]
fn transposed_convolutions() {
    let conv = |strides: &str, low: &str, high: &str, dilations: &str, groups: usize, extra: &str| {
        format!(
            "%0 = conv_transpose{{strides={strides}, pads_low={low}, pads_high={high}, dilations={dilations}, groups={groups}, output_padding={extra}}} %x, %w; %y = sigmoid %0"
        )
    };
    for (inputs, body) in [
        (
            "%x: f32[1, 24, 40, 40], %w: f32[24, 6, 2, 2]",
            conv("[2, 2]", "[0, 0]", "[0, 0]", "[1, 1]", 1, "[0, 0]"),
        ),
        (
            "%x: f32[2, 4, 9, 7], %w: f32[4, 3, 3, 3]",
            conv("[2, 1]", "[1, 0]", "[1, 2]", "[1, 1]", 1, "[1, 0]"),
        ),
        (
            "%x: f32[1, 16, 50, 60], %w: f32[16, 8, 3, 3]",
            conv("[1, 1]", "[1, 1]", "[1, 1]", "[1, 1]", 1, "[0, 0]"),
        ),
        (
            "%x: f32[1, 6, 9, 7], %w: f32[6, 2, 3, 2]",
            conv("[3, 2]", "[0, 1]", "[1, 0]", "[2, 3]", 2, "[2, 0]"),
        ),
        ("%x: f32[1, 3, 20], %w: f32[3, 5, 4]", conv("[2]", "[1]", "[1]", "[1]", 1, "[0]")),
        (
            "%x: f32[1, 3, 4, 5, 6], %w: f32[3, 5, 2, 3, 2]",
            conv("[2, 1, 2]", "[0, 1, 0]", "[1, 1, 0]", "[1, 1, 1]", 1, "[0, 0, 1]"),
        ),
    ] {
        check(inputs, &body, Values::Plain, tolerances::ROUNDING);
    }
}

#[test]
fn pools() {
    for (inputs, attributes) in [
        (
            "%x: f32[2, 3, 9, 11]",
            "kernel=[2, 2], strides=[2, 2], pads_low=[0, 0], pads_high=[0, 0], dilations=[1, 1], ceil=true",
        ),
        (
            "%x: f32[2, 3, 9, 11]",
            "kernel=[3, 3], strides=[1, 2], pads_low=[1, 1], pads_high=[1, 0], dilations=[1, 1], ceil=false",
        ),
        (
            "%x: f32[1, 3, 19]",
            "kernel=[3], strides=[2], pads_low=[1], pads_high=[2], dilations=[2], ceil=true",
        ),
        (
            "%x: f32[1, 3, 5, 6, 7]",
            "kernel=[2, 3, 2], strides=[2, 1, 2], pads_low=[1, 1, 0], pads_high=[0, 1, 1], dilations=[1, 1, 1], ceil=false",
        ),
    ] {
        check(inputs, &format!("%y = max_pool{{{attributes}}} %x"), Values::Nasty, tolerances::EXACT);
        for count in ["true", "false"] {
            let body = format!("%y = avg_pool{{{attributes}, count_pad={count}}} %x");
            check(inputs, &body, Values::Plain, tolerances::ROUNDING);
        }
    }
}

#[test]
fn resampling() {
    for (mode, coord) in [
        ("nearest", "asymmetric"),
        ("nearest", "half_pixel"),
        ("linear", "half_pixel"),
        ("linear", "align_corners"),
        ("cubic", "pytorch_half_pixel"),
    ] {
        for (shape, scales) in
            [("[1, 3, 14, 22]", "[1.0, 1.0, 2.0, 2.0]"), ("[1, 3, 3, 15]", "[1.0, 1.0, 0.5, 1.4]")]
        {
            let body = format!(
                "%y = resize{{shape={shape}, scales={scales}, mode={mode}, coord={coord}, nearest=floor, cubic=-0.75, exclude_outside=false}} %x"
            );
            check("%x: f32[1, 3, 7, 11]", &body, Values::Plain, tolerances::ROUNDING);
        }
    }
}

#[test]
fn outputs_that_are_inputs_constants_or_views() {
    let text = "graph @g(%x: f32[2, 3], %i: i64[2], %b: bool[2]) {
  %c = const{value=f32[2](1.0, 2.0)}
  %t = transpose{perm=[1, 0]} %x
  %e = exp %x
  %u = transpose{perm=[1, 0]} %e
  %n = not %b
  return %x, %i, %b, %c, %t, %e, %e, %u, %n
}
";
    let module = parse_module(text, &ConstStore::default(), &OpRegistry::default()).expect("parses");
    let inputs = random_inputs(&module.graphs[0], &mut Rng::new(3), Values::Plain).expect("known sizes");
    check_graph(&module.graphs[0], &inputs, tolerances::F32_OP);
}

#[test]
fn symbolic_shapes_are_refused() {
    let text = "graph @g(%x: f32[N]) {\n  %y = exp %x\n  return %y\n}\n";
    let module = parse_module(text, &ConstStore::default(), &OpRegistry::default()).expect("parses");
    let error = CpuExecutor::new().compile(&module.graphs[0]).err().expect("no constant shape");
    assert!(error.to_string().contains("f32[N]"), "{error}");
}

#[test]
fn an_index_out_of_range_is_an_error_of_its_node() {
    let text = "graph @g(%x: f32[3], %i: i64[1]) {\n  %y = gather{axis=0} %x, %i\n  return %y\n}\n";
    let module = parse_module(text, &ConstStore::default(), &OpRegistry::default()).expect("parses");
    let mut run = CpuExecutor::new().compile(&module.graphs[0]).expect("compiles");
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0], &[3]);
    let error = run.run(&[x.clone(), Tensor::from_vec(vec![3i64], &[1])]).expect_err("3 is out of range");
    assert!(error.to_string().contains("gather") && error.to_string().contains("out of range"), "{error}");
    let out = run.run(&[x, Tensor::from_vec(vec![-1i64], &[1])]).expect("-1 is the last");
    assert_eq!(out[0].as_slice::<f32>().as_deref(), Some(&[3.0f32][..]));
}
