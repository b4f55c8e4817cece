//! What depends on values: inputs that a model needs to be read, containers, old forms that say by attributes what later ones say by shapes.

#[path = "bad_inputs/common.rs"]
#[allow(dead_code, reason = "shared with the tests of malformed models")]
mod common;

use common::{
    GraphProto, INT64, MapProto, ModelProto, NodeProto, OptionalProto, SequenceProto, accepted, floats,
    graph, info, int64s, model, node, one_op, opset, refused, untyped,
};
use prost::Message;
use satura_import::Code;
use satura_ir::{Datum, Op, Type};
use satura_onnx::{Options, Reading, read_datum, read_file_or_needs};
use satura_tensor::{DType, Elements, Tensor};
use std::collections::BTreeMap;

/// `y = op(x, w)` in an old operator set, on `x: f32[2, 3, 2]` of zeros.
#[track_caller]
fn check_old(node: NodeProto, weights: &[f32], expected: &[f64]) {
    let constant = floats("w", &[i64::try_from(weights.len()).expect("short")], weights);
    let model = ModelProto { opset_import: vec![opset("", 6)], ..one_op(node, &[2, 3, 2], vec![constant]) };
    let x = Tensor::from_vec(vec![0.0f32; 12], &[2, 3, 2]);
    let outputs =
        satura_ir::evaluate(&accepted(&model).graph, &[x]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs[0].to_elements(), Elements::Float(expected.to_vec()));
}

#[test]
fn broadcasting_by_attributes() {
    let add = || node("Add", &["x", "w"], &["y"]).int("broadcast", 1);
    check_old(add().int("axis", 1), &[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0].repeat(2));
    check_old(add(), &[1.0, 2.0], &[1.0, 2.0].repeat(6));
    let slopes = NodeProto { op_type: "PRelu".to_owned(), ..node("", &["w", "x"], &["y"]) };
    let constant = vec![floats("w", &[1, 3, 1], &[-1.0, -2.0, 3.0])];
    let prelu = ModelProto { opset_import: vec![opset("", 6)], ..one_op(slopes, &[3], constant) };
    let x = Tensor::from_vec(vec![2.0f32, 3.0, 4.0], &[3]);
    let outputs = satura_ir::evaluate(&accepted(&prelu).graph, &[x]).expect("evaluates");
    assert_eq!(outputs[0].to_elements(), Elements::Float(vec![-2.0, -6.0, 3.0]));
    // Without the attribute shapes must be equal.
    let silent = one_op(node("Add", &["x", "w"], &["y"]), &[2, 3], vec![floats("w", &[3], &[1.0; 3])]);
    refused(&ModelProto { opset_import: vec![opset("", 6)], ..silent }, Code::Shape);
}

#[test]
fn hints_about_memory_and_modes() {
    let relu = node("Relu", &["x"], &["y"]).ints("consumed_inputs", &[0]);
    let at =
        |version, node| ModelProto { opset_import: vec![opset("", version)], ..model(graph(vec![node])) };
    accepted(&at(1, relu.clone()));
    refused(&at(6, relu), Code::UnknownAttribute);
    let dropout = |test| node("Dropout", &["x"], &["y"]).int("is_test", test);
    accepted(&at(6, dropout(1)));
    refused(&at(6, dropout(0)), Code::Unsupported);
    accepted(&at(5, node("Cast", &["x"], &["y"]).text("to", "DOUBLE")));
    refused(&at(5, node("Cast", &["x"], &["y"]).text("to", "double")), Code::BadAttribute);
}

/// A sum over axes that are computed from an input.
fn open_model() -> ModelProto {
    let mut reduce = graph(vec![
        node("Neg", &["axes"], &["negative"]),
        node("ReduceSum", &["x", "negative"], &["y"]).int("keepdims", 0),
    ]);
    reduce.input.push(info("axes", INT64, &[1]));
    model(reduce)
}

#[test]
fn inputs_that_reading_needs() {
    let path = common::folder("open_model").join("model.onnx");
    std::fs::write(&path, open_model().encode_to_vec()).expect("the folder can be written");
    let mut options = Options::default();
    let Reading::Open(open) = read_file_or_needs(&path, &options).expect("only a value is missing") else {
        panic!("the axes are not known")
    };
    assert_eq!(open.values.iter().collect::<Vec<_>>(), ["axes"]);
    assert_eq!(open.error.code(), Some(Code::NotConstant));
    let inputs: Vec<String> = open.inputs.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    assert_eq!(inputs, ["x: f32[2, 3]", "axes: i64[1]"]);
    options.fixed_inputs = BTreeMap::from([("axes".to_owned(), Tensor::from_vec(vec![1i64], &[1]))]);
    let Reading::Whole(whole) = read_file_or_needs(&path, &options).expect("valid") else {
        panic!("the axes are known")
    };
    assert_eq!(whole.graph.ty(whole.graph.outputs()[0].value).to_string(), "f32[2]");
    // Whoever asks for the whole model gets the reason.
    refused(&open_model(), Code::NotConstant);
}

#[test]
fn an_input_of_many_numbers_is_no_axis() {
    let mut reduce = open_model();
    reduce.graph.as_mut().expect("has one").input[1] = info("axes", INT64, &[5000]);
    let path = common::folder("closed_model").join("model.onnx");
    std::fs::write(&path, reduce.encode_to_vec()).expect("the folder can be written");
    let error = read_file_or_needs(&path, &Options::default()).expect_err("no value may be fixed");
    assert_eq!(error.code(), Some(Code::NotConstant));
}

#[test]
fn lone_values() {
    let tensor = |values: &[i64]| int64s("", values);
    let ty = Type::of(DType::I64, &[2]);
    let list = SequenceProto {
        elem_type: 1,
        tensor_values: vec![tensor(&[1, 2]), tensor(&[3, 4])],
        ..SequenceProto::default()
    };
    let i64s = |values: [i64; 2]| Datum::Tensor(Tensor::from_vec(values.to_vec(), &[2]));
    let items = Datum::Sequence(vec![i64s([1, 2]), i64s([3, 4])]);
    let sequence = Type::Sequence(Box::new(ty.clone()));
    let read =
        |message: Vec<u8>, ty: &Type| read_datum(message, ty).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read(list.encode_to_vec(), &sequence), items);
    assert_eq!(read(Vec::new(), &sequence), Datum::Sequence(Vec::new()));
    let some = OptionalProto { elem_type: 3, sequence_value: Some(list.clone()), ..OptionalProto::default() };
    let optional = Type::Optional(Box::new(sequence));
    assert_eq!(read(some.encode_to_vec(), &optional), Datum::Optional(Some(Box::new(items.clone()))));
    assert_eq!(read(OptionalProto::default().encode_to_vec(), &optional), Datum::Optional(None));
    let map = MapProto { key_type: 7, keys: vec![7, 9], values: Some(list.clone()), ..MapProto::default() };
    let Datum::Sequence(values) = items else { unreachable!("made above") };
    let keys = Tensor::from_vec(vec![7i64, 9], &[2]);
    let map_type = Type::Map(DType::I64, Box::new(ty));
    assert_eq!(read(map.encode_to_vec(), &map_type), Datum::Map { keys, values });
    let short = MapProto { key_type: 7, keys: vec![7], values: Some(list), ..MapProto::default() };
    assert_eq!(
        read_datum(short.encode_to_vec(), &map_type).expect_err("one key").code(),
        Some(Code::TensorLength)
    );
    let unknown = SequenceProto { elem_type: 9, ..SequenceProto::default() };
    let error = read_datum(unknown.encode_to_vec(), &Type::Sequence(Box::new(Type::of(DType::I64, &[2]))));
    assert_eq!(error.expect_err("there is no kind 9").code(), Some(Code::DType));
    read_datum(vec![0xff; 40], &map_type).expect_err("no message");
}

/// `y` is `then` where `x: f32[2, 3]` has as many axes as `rank` says, else `other`.
fn by_rank(rank: i64, then: NodeProto, other: NodeProto) -> ModelProto {
    let branch = |node: NodeProto| GraphProto {
        name: "branch".to_owned(),
        node: vec![node],
        output: vec![untyped("b")],
        ..GraphProto::default()
    };
    model(graph(vec![
        node("Shape", &["x"], &["sizes"]),
        node("Size", &["sizes"], &["rank"]),
        node("Constant", &[], &["wanted"]).int("value_int", rank),
        node("Equal", &["rank", "wanted"], &["fits"]),
        node("If", &["fits"], &["y"]).graph("then_branch", branch(then)).graph("else_branch", branch(other)),
    ]))
}

#[test]
fn a_branch_that_never_runs_need_not_fit() {
    let relu = || node("Relu", &["x"], &["b"]);
    let wrong = || node("Transpose", &["x"], &["b"]).ints("perm", &[0, 1, 2]);
    let none = || node("NoSuchOp", &["x"], &["b"]);
    for (rank, then, other) in [(2, relu(), wrong()), (3, wrong(), relu()), (2, relu(), none())] {
        let graph = accepted(&by_rank(rank, then, other)).graph;
        assert_eq!(graph.outputs()[0].name.as_ref(), "y");
        assert!(!graph.nodes().any(|(_, node)| matches!(node.op, Op::If(_))));
    }
    refused(&by_rank(3, relu(), wrong()), Code::BadAttribute);
    refused(&by_rank(2, none(), relu()), Code::UnsupportedOp);
    // What a name in a branch stands for is looked up where the branch is.
    refused(&by_rank(2, node("Relu", &["nothing"], &["b"]), relu()), Code::UndefinedName);
}

#[test]
fn parts_of_a_shape_are_known() {
    let split = graph(vec![
        node("Shape", &["x"], &["sizes"]),
        node("Split", &["sizes"], &["rows", "columns"]).int("num_outputs", 2),
        node("Concat", &["columns", "rows"], &["turned"]).int("axis", 0),
        node("Reshape", &["x", "turned"], &["y"]),
    ]);
    let graph = accepted(&model(split)).graph;
    assert_eq!(graph.ty(graph.outputs()[0].value).to_string(), "f32[3, 2]");
}
