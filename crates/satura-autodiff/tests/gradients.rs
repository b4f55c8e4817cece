//! Every rule against differences of the function itself, in f64 on the reference evaluator; and what has no gradient.

use satura_autodiff::{GradientError, gradients};
use satura_ir::{ConstStore, Graph, OpRegistry, Type, ValueId, evaluate, parse_module, verify};
use satura_tensor::{DType, Elements, Shape, Tensor};

fn graph(inputs: &str, body: &str) -> Graph {
    let text = format!("graph @g({inputs}) {{\n{body}\n}}");
    let module = parse_module(&text, &ConstStore::default(), &OpRegistry::default());
    module.unwrap_or_else(|error| panic!("{error}\n{text}")).graphs.remove(0)
}

/// Numbers between -1.5 and 1.5, none of them twice, from a linear congruence.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 * 3.0 - 1.5
    };
    (0..count).map(|_| next()).collect()
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    match tensor.to_elements() {
        Elements::Float(values) => values,
        other => panic!("floats are expected, not {other:?}"),
    }
}

/// The weighted sum of the outputs of a graph of one output.
fn weighted(graph: &Graph, inputs: &[Tensor], weights: &[f64]) -> f64 {
    let outputs = evaluate(graph, inputs).unwrap_or_else(|error| panic!("{error}"));
    floats(&outputs[0]).iter().zip(weights).map(|(y, weight)| y * weight).sum()
}

/// Compares the gradients by all inputs, which are of f64, with central differences.
#[track_caller]
fn check_at(graph: &Graph, inputs: &[Tensor]) {
    let y = graph.outputs()[0].value;
    let shape = graph.ty(y).sizes().expect("constant sizes");
    let weights = numbers(shape.iter().product(), 77);
    let mut with = graph.clone();
    let seed = with.add_input("seed", graph.ty(y).clone());
    let xs: Vec<ValueId> = graph.inputs().to_vec();
    let found = gradients(&mut with, y, Some(seed), &xs).unwrap_or_else(|error| panic!("{error}"));
    for (x, gradient) in xs.iter().zip(&found) {
        assert_eq!(with.ty(*gradient), with.ty(*x));
        with.add_output(&format!("d{}", x.0), *gradient);
    }
    verify(&with).unwrap_or_else(|errors| panic!("{errors:?}"));
    let seed = Tensor::from_vec(weights.clone(), &shape);
    let all: Vec<Tensor> = inputs.iter().cloned().chain([seed]).collect();
    let outputs = evaluate(&with, &all).unwrap_or_else(|error| panic!("{error}"));
    for (i, input) in inputs.iter().enumerate() {
        let (values, derived) = (floats(input), floats(&outputs[1 + i]));
        for at in 0..values.len() {
            let step = 1e-5;
            let moved = |by: f64| {
                let mut values = values.clone();
                values[at] += by;
                let mut inputs = inputs.to_vec();
                inputs[i] = Tensor::from_vec(values, input.shape());
                weighted(graph, &inputs, &weights)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            let close = (slope - derived[at]).abs() <= 1e-7 + 1e-6 * slope.abs();
            assert!(close, "input {i}, element {at}: derived {}, measured {slope}", derived[at]);
        }
    }
}

#[track_caller]
fn check(inputs: &str, body: &str) {
    let graph = graph(inputs, body);
    let tensors: Vec<Tensor> = (graph.inputs().iter().enumerate())
        .map(|(i, x)| {
            let sizes = graph.ty(*x).sizes().expect("constant sizes");
            Tensor::from_vec(numbers(sizes.iter().product(), 1 + i as u64), &sizes)
        })
        .collect();
    check_at(&graph, &tensors);
}

#[track_caller]
fn check_all(inputs: &str, bodies: &[&str]) {
    bodies.iter().for_each(|body| check(inputs, body));
}

#[test]
fn of_one_input() {
    for op in
        ["neg", "abs", "exp", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "floor", "sign", "round", "ceil"]
    {
        check("%x: f64[5]", &format!("  %0 = {op} %x\n  return %0"));
    }
    for op in ["log", "sqrt"] {
        check("%x: f64[5]", &format!("  %0 = exp %x\n  %1 = {op} %0\n  return %1"));
    }
    check("%x: f64[3]", "  %0 = cast{to=f32} %x\n  %1 = cast{to=f64} %0\n  %2 = mul %x, %x\n  return %2");
}

#[test]
fn of_two_inputs_that_broadcast() {
    for op in ["add", "sub", "mul", "div", "max", "min", "rem{kind=floor}", "rem{kind=trunc}"] {
        check("%x: f64[2, 3], %y: f64[2, 3]", &format!("  %0 = {op} %x, %y\n  return %0"));
        check("%x: f64[2, 1], %y: f64[3]", &format!("  %0 = {op} %x, %y\n  return %0"));
        check("%x: f64[], %y: f64[1, 2]", &format!("  %0 = {op} %x, %y\n  return %0"));
    }
    check("%x: f64[4], %y: f64[4]", "  %0 = exp %x\n  %1 = pow %0, %y\n  return %1");
    check("%x: f64[4]", "  %0 = const{value=f64[](3.0)}\n  %1 = pow %x, %0\n  return %1");
    check("%x: f64[4]", "  %0 = mul %x, %x\n  %1 = add %0, %x\n  %2 = mul %1, %0\n  return %2");
    check(
        "%x: f64[2, 2], %y: f64[2]",
        "  %0 = const{value=bool[2, 2](true, false, false, true)}\n  %1 = select %0, %x, %y\n  return %1",
    );
}

#[test]
fn movement() {
    check_all(
        "%x: f64[3, 4]",
        &[
            "  %0 = reshape{shape=[2, 6]} %x\n  return %0",
            "  %0 = transpose{perm=[1, 0]} %x\n  return %0",
            "  %0 = broadcast{shape=[2, 3, 4]} %x\n  return %0",
            "  %0 = slice{starts=[1, 0], sizes=[2, 3], steps=[1, 1]} %x\n  return %0",
            "  %0 = slice{starts=[2, 1], sizes=[3, 2], steps=[-1, 2]} %x\n  return %0",
            "  %0 = concat{axis=-1} %x, %x\n  %1 = concat{axis=0} %0, %0\n  return %1",
            "  %0, %1 = split{axis=1, sizes=[1, 3]} %x\n  %2 = mul %0, %1\n  return %2",
            "  %0 = unsqueeze{axes=[1]} %x\n  %1 = squeeze{axes=none} %0\n  return %1",
        ],
    );
    check("%x: f64[2, 3], %y: f64[]", "  %0 = pad{low=[1, 0], high=[0, 2]} %x, %y\n  return %0");
    check("%x: f64[2, 1], %y: f64[2, 2]", "  %0 = concat{axis=1} %x, %y\n  return %0");
}

#[test]
fn reductions() {
    for kind in ["sum", "prod", "max", "min"] {
        for axes in ["none", "[1]", "[0, -1]", "[]"] {
            for keep in [true, false] {
                let body = format!("  %0 = reduce{{kind={kind}, axes={axes}, keep={keep}}} %x\n  return %0");
                check("%x: f64[2, 3, 2]", &body);
            }
        }
    }
    for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
        let scan = format!(
            "  %0 = scan{{kind=sum, axis=1, exclusive={exclusive}, reverse={reverse}}} %x\n  return %0"
        );
        check("%x: f64[2, 4]", &scan);
    }
    check("%x: f64[2, 3]", "  %0 = reduce_mean{axes=[0], keep=true} %x\n  return %0");
    // A product is right beside a factor of 0, too.
    let graph = graph("%x: f64[3]", "  %0 = reduce{kind=prod, axes=none, keep=false} %x\n  return %0");
    check_at(&graph, &[Tensor::from_vec(vec![2.0, 0.0, -3.0], &[3])]);
}

#[test]
fn matrix_products() {
    let product = "  %0 = matmul %x, %y\n  return %0";
    check("%x: f64[2, 3], %y: f64[3, 4]", product);
    check("%x: f64[2, 2, 3], %y: f64[3, 2]", product);
    check("%x: f64[2, 3], %y: f64[3, 2, 3, 1]", product);
    check("%x: f64[1, 2, 2, 3], %y: f64[3, 1, 3, 2]", product);
}

#[test]
fn indexing() {
    let index = "  %i = const{value=i64[2, 2](0, 2, -1, 0)}\n";
    check("%x: f64[3, 2]", &format!("{index}  %0 = gather{{axis=0}} %x, %i\n  return %0"));
    check("%x: f64[2, 3, 2]", &format!("{index}  %0 = gather{{axis=1}} %x, %i\n  return %0"));
    check("%x: f64[3, 2]", &format!("{index}  %0 = gather_elements{{axis=0}} %x, %i\n  return %0"));
    let at = "  %i = const{value=i64[2, 1](1, 2)}\n";
    check("%x: f64[3, 2]", &format!("{at}  %0 = gather_nd{{batch_dims=0}} %x, %i\n  return %0"));
    for combine in ["add", "replace"] {
        let written = format!("{at}  %0 = scatter_nd{{combine={combine}}} %x, %i, %y\n  return %0");
        check("%x: f64[3, 2], %y: f64[2, 2]", &written);
        let written =
            format!("{at}  %0 = scatter_elements{{axis=0, combine={combine}}} %x, %i, %y\n  return %0");
        check("%x: f64[3, 2], %y: f64[2, 1]", &written);
    }
}

#[test]
fn activations() {
    check_all(
        "%x: f64[2, 5]",
        &[
            "  %0 = relu %x\n  return %0",
            "  %0 = leaky_relu{alpha=0.25} %x\n  return %0",
            "  %0 = elu{alpha=1.5} %x\n  return %0",
            "  %0 = silu %x\n  return %0",
            "  %0 = softplus %x\n  return %0",
            "  %0 = gelu{approximate=false} %x\n  return %0",
            "  %0 = gelu{approximate=true} %x\n  return %0",
            "  %0 = hard_sigmoid{alpha=0.3, beta=0.5} %x\n  return %0",
            "  %0 = hard_swish %x\n  return %0",
            "  %0 = softmax{axis=-1} %x\n  return %0",
            "  %0 = log_softmax{axis=0} %x\n  return %0",
            "  %0 = atan %x\n  return %0",
            "  %0 = sinh %x\n  return %0",
        ],
    );
    check("%x: f64[6], %l: f64[], %h: f64[]", "  %0 = clip %x, %l, %h\n  return %0");
    check("%x: f64[6], %l: f64[], %h: f64[]", "  %0 = clip %x, %h, %l\n  return %0");
    let norm = "  %0 = layer_norm{axis=-1, epsilon=1e-5} %x, %s, %b\n  return %0";
    check("%x: f64[2, 4], %s: f64[4], %b: f64[4]", norm);
}

#[test]
fn at_the_edges_of_activations() {
    let value = |body: &str| {
        let mut graph = graph("%x: f64[2]", body);
        let (x, y) = (graph.inputs()[0], graph.outputs()[0].value);
        let dx = gradients(&mut graph, y, None, &[x]).unwrap_or_else(|error| panic!("{error}"))[0];
        graph.add_output("dx", dx);
        floats(&evaluate(&graph, &[Tensor::from_vec(vec![0.0f64, 1.0], &[2])]).expect("evaluates")[1])
    };
    assert_eq!(value("  %0 = relu %x\n  return %0"), [0.0, 1.0]);
    assert_eq!(value("  %0 = abs %x\n  return %0"), [0.0, 1.0]);
    let clip =
        "  %l = const{value=f64[](0.0)}\n  %h = const{value=f64[](1.0)}\n  %0 = clip %x, %l, %h\n  return %0";
    assert_eq!(value(clip), [1.0, 1.0]);
    assert_eq!(value("  %0 = max %x, %x\n  return %0"), [1.0, 1.0]);
    let square = "  %e = const{value=f64[](0.0)}\n  %0 = pow %x, %e\n  return %0";
    assert_eq!(value(square), [0.0, 0.0]);
}

#[test]
fn convolutions() {
    for (attributes, x, w) in [
        ("strides=[1], pads_low=[0], pads_high=[0], dilations=[1], groups=1", "2, 2, 5", "3, 2, 2"),
        ("strides=[2], pads_low=[1], pads_high=[0], dilations=[1], groups=1", "1, 2, 6", "2, 2, 3"),
        ("strides=[3], pads_low=[1], pads_high=[2], dilations=[2], groups=2", "2, 4, 7", "6, 2, 2"),
        (
            "strides=[2, 1], pads_low=[0, 1], pads_high=[1, 0], dilations=[1, 2], groups=1",
            "1, 1, 4, 5",
            "2, 1, 2, 2",
        ),
    ] {
        check(
            &format!("%x: f64[{x}], %w: f64[{w}]"),
            &format!("  %0 = conv{{{attributes}}} %x, %w\n  return %0"),
        );
    }
    for (attributes, x, w) in [
        (
            "strides=[1], pads_low=[0], pads_high=[0], dilations=[1], groups=1, output_padding=[0]",
            "2, 2, 3",
            "2, 3, 2",
        ),
        (
            "strides=[2], pads_low=[1], pads_high=[0], dilations=[1], groups=2, output_padding=[1]",
            "1, 4, 3",
            "4, 1, 3",
        ),
        (
            "strides=[2], pads_low=[0], pads_high=[1], dilations=[3], groups=1, output_padding=[2]",
            "1, 1, 3",
            "1, 2, 2",
        ),
    ] {
        let body = format!("  %0 = conv_transpose{{{attributes}}} %x, %w\n  return %0");
        check(&format!("%x: f64[{x}], %w: f64[{w}]"), &body);
    }
}

#[test]
fn pooling() {
    let windows = [
        ("kernel=[2], strides=[2], pads_low=[0], pads_high=[0], dilations=[1]", "2, 2, 5"),
        ("kernel=[3], strides=[1], pads_low=[1], pads_high=[1], dilations=[1]", "1, 2, 4"),
        ("kernel=[2, 2], strides=[1, 2], pads_low=[0, 1], pads_high=[1, 0], dilations=[2, 1]", "1, 2, 4, 4"),
    ];
    for (window, x) in windows {
        let x = format!("%x: f64[{x}]");
        for ceil in [false, true] {
            check(&x, &format!("  %0 = max_pool{{{window}, ceil={ceil}}} %x\n  return %0"));
            check(&x, &format!("  %0 = avg_pool{{{window}, ceil={ceil}, count_pad=false}} %x\n  return %0"));
        }
        check(&x, &format!("  %0 = avg_pool{{{window}, ceil=false, count_pad=true}} %x\n  return %0"));
    }
}

#[test]
fn recurrent_layers() {
    let inputs = "%x: f64[2, 1, 2], %w: f64[1, 3, 2], %r: f64[1, 3, 1], %b: f64[1, 6], %h: f64[1, 1, 1]";
    let layer =
        "gru{direction=forward, hidden=1, activations=[sigmoid, tanh], clip=none, linear_before_reset=true}";
    check(inputs, &format!("  %0, %1 = {layer} %x, %w, %r, %b, %h\n  return %0"));
}

#[test]
fn gradients_of_gradients() {
    let mut graph = graph("%x: f64[2]", "  %0 = mul %x, %x\n  %1 = mul %0, %x\n  return %1");
    let (x, y) = (graph.inputs()[0], graph.outputs()[0].value);
    let first = gradients(&mut graph, y, None, &[x]).expect("has rules")[0];
    let second = gradients(&mut graph, first, None, &[x]).expect("has rules")[0];
    graph.add_output("second", second);
    let outputs = evaluate(&graph, &[Tensor::from_vec(vec![2.0f64, -1.0], &[2])]).expect("evaluates");
    assert_eq!(floats(&outputs[1]), [12.0, -6.0]);
}

#[test]
fn by_values_on_the_way_and_beside_it() {
    let body = "  %0 = exp %x\n  %1 = mul %0, %y\n  return %1";
    let mut graph = graph("%x: f64[N], %y: f64[N], %z: f64[3]", body);
    let [x, y, z] = graph.inputs()[..] else { panic!("three inputs") };
    let product = graph.outputs()[0].value;
    let (_, node) = graph.producer(product).expect("a node");
    let raised = node.inputs[0];
    let found = gradients(&mut graph, product, None, &[raised, y, z, x]).expect("has rules");
    // By the exponential it is y; what lies behind it is not differentiated by any more.
    let names = ["raised", "y", "z", "x"];
    names.iter().zip(&found).for_each(|(name, value)| graph.add_output(&format!("d_{name}"), *value));
    assert_eq!(graph.ty(found[0]).to_string(), "f64[N]");
    let vector = |values: &[f64]| Tensor::from_vec(values.to_vec(), &[values.len()]);
    let outputs = evaluate(&graph, &[vector(&[0.0]), vector(&[2.0]), vector(&[1.0; 3])]).expect("evaluates");
    let values: Vec<Vec<f64>> = outputs[1..].iter().map(floats).collect();
    assert_eq!(values, [vec![2.0], vec![1.0], vec![0.0; 3], vec![0.0]]);
}

#[test]
fn what_has_no_gradient() {
    let error = |inputs: &str, body: &str| {
        let mut graph = graph(inputs, body);
        let (x, y) = (graph.inputs()[0], graph.outputs()[0].value);
        gradients(&mut graph, y, None, &[x]).expect_err("there is none")
    };
    let running = "  %0 = scan{kind=prod, axis=0, exclusive=false, reverse=false} %x\n  return %0";
    assert_eq!(
        error("%x: f32[3]", running).to_string(),
        "no gradient of scan: there is a rule for running sums only"
    );
    let sorted = "  %k = const{value=i64[](1)}\n  %0, %1 = top_k{axis=0, largest=true} %x, %k\n  return %0";
    assert!(matches!(error("%x: f32[3]", sorted), GradientError::NoRule { .. }));
    assert!(matches!(
        error("%x: i64[3]", "  %0 = cast{to=f32} %x\n  return %0"),
        GradientError::NotFloat { .. }
    ));
    assert!(matches!(
        error("%x: f32[3]", "  %0 = cast{to=i64} %x\n  return %0"),
        GradientError::NotFloat { .. }
    ));
    let mut graph = graph("%x: f32[3], %s: f32[2]", "  %0 = exp %x\n  return %0");
    let [x, seed] = graph.inputs()[..] else { panic!("two inputs") };
    let y = graph.outputs()[0].value;
    let error = gradients(&mut graph, y, Some(seed), &[x]).expect_err("the seed does not fit");
    assert!(matches!(error, GradientError::Seed { .. }));
    // An op that is not on the way needs no rule.
    let mut beside = Graph::new("beside");
    let x = beside.add_input("x", Type::tensor(DType::F32, Shape::default()));
    let dx = gradients(&mut beside, x, None, &[x]).expect("it is 1")[0];
    beside.add_output("dx", dx);
    assert_eq!(evaluate(&beside, &[Tensor::scalar(5.0f32)]).expect("evaluates")[0], Tensor::scalar(1.0f32));
}
