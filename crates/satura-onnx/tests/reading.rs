//! What reading gives: old forms of ops, fixed inputs, and the committed models.

#[path = "bad_inputs/common.rs"]
#[allow(dead_code, reason = "shared with the tests of malformed models")]
mod common;

use common::{
    FLOAT, INT64, ModelProto, NodeProto, accepted, floats, graph, info, int64s, model, node, one_op, opset,
    untyped,
};
use satura_onnx::{Options, read_file};
use satura_tensor::{DType, Elements, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The outputs on `x: f32[shape]` of 0, 1, 2, ..
fn run(model: &ModelProto, shape: &[usize]) -> Vec<Tensor> {
    let values =
        (0..shape.iter().product::<usize>()).map(|i| f32::from(u16::try_from(i).expect("small"))).collect();
    let graph = accepted(model).graph;
    satura_ir::evaluate(&graph, &[Tensor::from_vec(values, shape)]).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn check(version: i64, model: ModelProto, shape: &[usize], expected: &[f64]) {
    let model = ModelProto { opset_import: vec![opset("", version)], ..model };
    let output = satura_tensor::cast(&run(&model, shape)[0], DType::F64).expect("numbers");
    let Elements::Float(actual) = output.to_elements() else { panic!("floats are expected") };
    let close =
        actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-5);
    assert!(close, "{actual:?}, expected {expected:?}");
}

/// `y = op(x)` with `x: f32[2, 3]`.
fn plain(node: NodeProto) -> ModelProto {
    one_op(node, &[2, 3], vec![])
}

#[test]
fn attributes_that_became_inputs() {
    let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    let op = |name: &str| node(name, &["x"], &["y"]);
    check(7, plain(op("Clip").float("min", 1.0).float("max", 3.0)), &[2, 3], &[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    check(7, plain(op("Clip").float("max", 3.0)), &[2, 3], &[0.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    check(
        9,
        plain(op("Slice").ints("starts", &[-2]).ints("ends", &[1000]).ints("axes", &[1])),
        &[2, 3],
        &[1.0, 2.0, 4.0, 5.0],
    );
    check(9, plain(op("Slice").ints("starts", &[1, 0]).ints("ends", &[2, 1])), &[2, 3], &[3.0]);
    check(
        10,
        plain(op("Pad").ints("pads", &[0, 1, 0, 0]).float("value", 9.0)),
        &[2, 3],
        &[9.0, 0.0, 1.0, 2.0, 9.0, 3.0, 4.0, 5.0],
    );
    check(12, plain(op("Unsqueeze").ints("axes", &[0, -1])), &[2, 3], &x);
    check(12, one_op(op("Squeeze").ints("axes", &[0]), &[1, 6], vec![]), &[1, 6], &x);
    check(12, plain(op("ReduceSum").ints("axes", &[-1]).int("keepdims", 0)), &[2, 3], &[3.0, 12.0]);
    check(17, plain(op("ReduceMax").ints("axes", &[0])), &[2, 3], &[3.0, 4.0, 5.0]);
    check(
        13,
        one_op(
            node("ReduceSum", &["x", "a"], &["y"]).int("noop_with_empty_axes", 1),
            &[2, 3],
            vec![int64s("a", &[])],
        ),
        &[2, 3],
        &x,
    );
    let mut split = graph(vec![node("Split", &["x"], &["y", "z"]).int("axis", 1).ints("split", &[1, 2])]);
    split.output.push(untyped("z"));
    let split = ModelProto { opset_import: vec![opset("", 11)], ..model(split) };
    let outputs = run(&split, &[2, 3]);
    assert_eq!(outputs[1].to_elements(), Elements::Float(vec![1.0, 2.0, 4.0, 5.0]));
}

#[test]
fn softmax_over_all_axes_from_one_on_before_operator_set_13() {
    let sixth = 1.0 / 6.0;
    let zeros = one_op(node("Softmax", &["z"], &["y"]), &[1], vec![floats("z", &[1, 2, 3], &[0.0; 6])]);
    check(12, zeros.clone(), &[1], &[sixth; 6]);
    check(13, zeros, &[1], &[1.0 / 3.0; 6]);
    let explicit = one_op(
        node("LogSoftmax", &["z"], &["y"]).int("axis", 0),
        &[1],
        vec![floats("z", &[2, 3], &[0.0; 6])],
    );
    check(11, explicit, &[1], &[sixth.ln(); 6]);
}

#[test]
fn upsample_takes_the_lower_neighbour() {
    let scales = common::AttributeProto {
        name: "scales".to_owned(),
        r#type: 6,
        floats: vec![1.0, 2.0],
        ..common::AttributeProto::default()
    };
    let expected = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
    check(7, one_op(node("Upsample", &["x"], &["y"]).with(scales), &[1, 3], vec![]), &[1, 3], &expected);
    let by_input =
        |op: &str| one_op(node(op, &["x", "s"], &["y"]), &[1, 3], vec![floats("s", &[2], &[1.0, 2.0])]);
    check(9, by_input("Upsample"), &[1, 3], &expected);
    check(10, by_input("Resize"), &[1, 3], &expected);
}

#[test]
fn means_of_integers_are_cut() {
    let nodes = vec![
        node("Mul", &["x", "ten"], &["tens"]),
        node("Cast", &["tens"], &["bytes"]).int("to", 2),
        node("Resize", &["bytes", "", "s"], &["y"]).text("mode", "linear"),
    ];
    let mut graph = graph(nodes);
    graph.input = vec![info("x", FLOAT, &[1, 2])];
    graph.initializer = vec![floats("ten", &[], &[10.0]), floats("s", &[2], &[1.0, 2.0])];
    check(20, model(graph), &[1, 2], &[0.0, 2.0, 7.0, 10.0]);
}

#[test]
fn vectors_in_matrix_products() {
    let with = |inputs: [&str; 2], shape: &[i64]| {
        one_op(node("MatMul", &inputs, &["y"]), shape, vec![floats("v", &[3], &[1.0, 2.0, 3.0])])
    };
    check(13, with(["x", "v"], &[2, 3]), &[2, 3], &[8.0, 26.0]);
    check(13, with(["v", "x"], &[3, 2]), &[3, 2], &[16.0, 22.0]);
    check(13, with(["v", "v"], &[1]), &[1], &[14.0]);
}

#[test]
fn gemm_scales_and_transposes() {
    let gemm = node("Gemm", &["x", "b", "c"], &["y"])
        .int("transA", 1)
        .int("transB", 1)
        .float("alpha", 2.0)
        .float("beta", 0.5);
    let constants = vec![floats("b", &[1, 2], &[1.0, 10.0]), floats("c", &[1], &[4.0])];
    check(13, one_op(gemm, &[2, 3], constants), &[2, 3], &[62.0, 84.0, 106.0]);
}

#[test]
fn padding_that_keeps_the_extent() {
    let conv = |auto: &str| {
        let node = node("Conv", &["x", "w"], &["y"]).text("auto_pad", auto).ints("strides", &[2]);
        one_op(node, &[1, 1, 4], vec![floats("w", &[1, 1, 3], &[1.0, 1.0, 1.0])])
    };
    check(11, conv("SAME_UPPER"), &[1, 1, 4], &[3.0, 5.0]);
    check(11, conv("SAME_LOWER"), &[1, 1, 4], &[1.0, 6.0]);
    check(11, conv("VALID"), &[1, 1, 4], &[3.0]);
}

#[test]
fn masks_and_statistics_as_further_outputs() {
    let mut dropout = graph(vec![node("Dropout", &["x"], &["y", "m"]).float("ratio", 0.5)]);
    dropout.output.push(untyped("m"));
    let outputs = run(&ModelProto { opset_import: vec![opset("", 11)], ..model(dropout) }, &[2, 3]);
    assert_eq!(outputs[1].to_elements(), Elements::Bool(vec![true; 6]));
    let mut norm = graph(vec![node("LayerNormalization", &["x", "s"], &["y", "mean", "inv"])]);
    norm.initializer = vec![floats("s", &[3], &[1.0; 3])];
    norm.output.push(untyped("mean"));
    assert_eq!(run(&model(norm), &[2, 3])[1].to_elements(), Elements::Float(vec![1.0, 4.0]));
}

#[test]
fn recurrent_layers_with_the_steps_or_the_batch_first() {
    let activation = common::AttributeProto {
        name: "activations".to_owned(),
        r#type: 8,
        strings: vec!["affine".as_bytes().to_vec().into()],
        ..common::AttributeProto::default()
    };
    let scale = common::AttributeProto {
        name: "activation_alpha".to_owned(),
        r#type: 6,
        floats: vec![2.0],
        ..common::AttributeProto::default()
    };
    // h = 2 * (x + h / 2) for two sequences of three steps.
    let rnn = |name: &str, value: i64, shape: &[i64]| {
        let node = node("RNN", &["x", "w", "r"], &["y"]).int(name, value).int("hidden_size", 1);
        let weights = vec![floats("w", &[1, 1, 1], &[1.0]), floats("r", &[1, 1, 1], &[0.5])];
        one_op(node.with(activation.clone()).with(scale.clone()), shape, weights)
    };
    check(1, rnn("output_sequence", 1, &[3, 2, 1]), &[3, 2, 1], &[0.0, 2.0, 4.0, 8.0, 12.0, 18.0]);
    check(14, rnn("layout", 1, &[2, 3, 1]), &[2, 3, 1], &[0.0, 2.0, 6.0, 6.0, 14.0, 24.0]);
}

#[test]
fn subgraphs_between_the_stages_of_attention() {
    let probabilities = common::GraphProto {
        name: "rows".to_owned(),
        node: vec![node("Mul", &["p", "r"], &["scaled"])],
        input: vec![info("p", FLOAT, &[1, 1, 2, 2])],
        output: vec![untyped("scaled")],
        ..common::GraphProto::default()
    };
    let flex = node("FlexAttention", &["x", "x", "x"], &["y"]).in_domain("ai.onnx.preview");
    let flex = flex.float("scale", 1.0).graph("prob_mod", probabilities);
    let mut whole = graph(vec![node("Relu", &["x"], &["r"]), flex]);
    whole.input = vec![info("x", FLOAT, &[1, 1, 2, 1])];
    let model = ModelProto { opset_import: vec![opset("", 26), opset("ai.onnx.preview", 1)], ..model(whole) };
    // The first query is 0 and so is its row of r; the second sees keys 0 and 1 by softmax(0, 1).
    let output = &run(&model, &[1, 1, 2, 1])[0];
    let Elements::Float(y) = output.to_elements() else { panic!("floats are expected") };
    assert_eq!(y[0], 0.0);
    assert!((y[1] - 0.731_058_578_6).abs() < 1e-6, "{y:?}");
}

#[test]
fn inputs_fixed_to_constants() {
    let mut reduce = graph(vec![node("ReduceSum", &["x", "axes"], &["y"]).int("keepdims", 0)]);
    reduce.input.push(info("axes", INT64, &[1]));
    let bytes = prost::Message::encode_to_vec(&model(reduce));
    let fixed = |name: &str, axes: Vec<i64>| {
        let count = axes.len();
        Options {
            fixed_inputs: BTreeMap::from([(name.to_owned(), Tensor::from_vec(axes, &[count]))]),
            ..Options::default()
        }
    };
    let imported =
        satura_onnx::read_bytes(bytes.clone(), None, &fixed("axes", vec![1])).expect("the axis is known");
    assert_eq!(imported.graph.inputs().len(), 1);
    assert_eq!(imported.graph.ty(imported.graph.outputs()[0].value).to_string(), "f32[2]");
    satura_onnx::read_bytes(bytes.clone(), None, &fixed("axes", vec![0, 1]))
        .expect_err("two axes are not one");
    satura_onnx::read_bytes(bytes, None, &fixed("other", vec![1])).expect_err("there is no such input");
}

#[test]
fn weights_are_not_copied() {
    let folder = common::folder("shared_weights");
    let path = folder.join("model.onnx");
    let count = 1 << 19;
    let weights = |name: &str| common::raw(name, FLOAT, &[i64::from(count)], &vec![0; 4 << 19]);
    let mut sum = graph(vec![node("Add", &["x", "v"], &["s"]), node("Add", &["s", "w"], &["y"])]);
    sum.input = vec![info("x", FLOAT, &[1])];
    sum.initializer = vec![weights("v"), weights("w")];
    std::fs::write(&path, prost::Message::encode_to_vec(&model(sum))).expect("the folder can be written");
    let imported = read_file(&path, &Options::default()).expect("valid");
    let graph = &imported.graph;
    let constants: Vec<&Tensor> = graph.nodes().filter_map(|(_, n)| graph.constant(n.outputs[0])).collect();
    // Both lie in one mapping of the file, as far apart as in the file.
    let starts: Vec<usize> = constants.iter().map(|t| t.bytes().as_ptr().addr()).collect();
    let distance = starts[0].abs_diff(starts[1]);
    assert!((4 << 19..(4 << 19) + 64).contains(&distance), "{distance}");
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

#[test]
fn committed_models() {
    let models = [
        ("mnist/teacher.onnx", "image", "f32[s31, 1, 28, 28]", "logits", "f32[s31, 10]"),
        ("mnist/student.onnx", "image", "f32[s31, 1, 28, 28]", "logits", "f32[s31, 10]"),
        ("torch/lstm.onnx", "x", "f32[2, 9, 12]", "linear", "f32[2, 9, 5]"),
        ("torch/gru.onnx", "x", "f32[2, 9, 12]", "linear", "f32[2, 9, 5]"),
        ("torch/vision.onnx", "x", "f32[1, 3, 32, 40]", "softmax", "f32[1, 4, 64, 80]"),
        ("torch/text.onnx", "ids", "i64[2, 24]", "linear_8", "f32[2, 7]"),
    ];
    for (path, input, input_type, output, output_type) in models {
        let imported =
            read_file(&fixture(path), &Options::default()).unwrap_or_else(|error| panic!("{error}"));
        let graph = &imported.graph;
        let first = graph.inputs()[0];
        assert_eq!(graph.value(first).name.as_deref(), Some(input));
        assert_eq!(graph.ty(first).to_string(), input_type);
        assert_eq!(&*graph.outputs()[0].name, output);
        assert_eq!(graph.ty(graph.outputs()[0].value).to_string(), output_type, "{path}");
        assert!(imported.producer.starts_with("pytorch"), "{}", imported.producer);
        assert_eq!(imported.opsets, [(String::new(), 20)]);
        assert_eq!(satura_ir::verify(graph), Ok(()));
    }
}

/// A rank that only a later name of the value declares, as an output or after a node that passes it on, is known to what reads the value, too.
#[test]
fn ranks_that_are_declared_late() {
    let read = |nodes: Vec<NodeProto>, output: &str| {
        let mut graph = graph(nodes);
        let shapeless = common::type_proto::Tensor { elem_type: FLOAT, shape: None };
        let ty = common::TypeProto { value: Some(common::type_proto::Value::TensorType(shapeless)) };
        graph.input = vec![common::ValueInfoProto { r#type: Some(ty), ..untyped("x") }];
        graph.output = vec![info(output, FLOAT, &[3]), untyped("e")];
        let read = accepted(&model(graph)).graph;
        read.ty(read.outputs()[1].value).to_string()
    };
    assert_eq!(read(vec![node("Exp", &["x"], &["e"])], "x"), "f32[3]");
    let passed = vec![node("Exp", &["x"], &["e"]), node("Dropout", &["x"], &["d"])];
    assert_eq!(read(passed, "d"), "f32[3]");
}
