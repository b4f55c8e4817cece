//! The graph as a whole: versions, names, order, types, subgraphs.

use crate::common::{
    BOOL, FLOAT, GraphProto, INT64, ModelProto, NodeProto, TypeProto, ValueInfoProto, accepted, floats,
    graph, info, int64s, model, node, opset, refused, refused_bytes, tensor_shape_proto, type_proto, untyped,
    valid,
};
use prost::Message;
use satura_import::Code;
use satura_ir::Op;
use satura_onnx::Options;

#[test]
fn no_graph_and_no_outputs() {
    refused(&ModelProto { graph: None, ..valid() }, Code::NoGraph);
    let mut silent = valid();
    silent.graph.as_mut().expect("has one").output.clear();
    refused(&silent, Code::NoGraph);
    // An input that is passed on is a graph.
    let mut through = graph(vec![]);
    through.output[0].name = "x".to_owned();
    assert_eq!(accepted(&model(through)).graph.node_count(), 0);
}

#[test]
fn versions() {
    for ir_version in [Some(0), Some(-1), Some(1 << 40), Some(2), None] {
        refused(&ModelProto { ir_version, ..valid() }, Code::Version);
    }
    for version in [0, -5, 29, 1_000_000_000] {
        let error = refused(&ModelProto { opset_import: vec![opset("", version)], ..valid() }, Code::Version);
        assert!(error.message.contains("1 to"), "{error}");
    }
    refused(&ModelProto { opset_import: vec![], ..valid() }, Code::OpsetImport);
    refused(
        &ModelProto { opset_import: vec![opset("", 12), opset("ai.onnx", 13)], ..valid() },
        Code::OpsetImport,
    );
    accepted(&ModelProto { opset_import: vec![opset("", 13), opset("ai.onnx", 13)], ..valid() });
}

#[test]
fn every_unsupported_op_is_listed() {
    let mut whole = model(graph(vec![
        node("Foo", &["x"], &["a"]),
        node("Foo", &["a"], &["b"]),
        node("Relu", &["b"], &["c"]).in_domain("com.example"),
        node("Gelu", &["c"], &["d"]),
        node("Bar", &["d"], &["e"]).in_domain("com.nowhere"),
        node("Quux", &["", "", "e"], &["y"]).graph("body", graph(vec![node("Baz", &["x"], &["y"])])),
    ]));
    whole.opset_import = vec![opset("", 13), opset("com.example", 1)];
    let diagnostics = refused_bytes(whole.encode_to_vec());
    let text: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    assert!(diagnostics.iter().all(|d| d.code == Code::UnsupportedOp), "{text:?}");
    for wanted in [
        "op Foo is not supported (2 nodes",
        "com.example::Relu",
        "20 to",
        "com.nowhere::Bar",
        "op Quux",
        "op Baz",
    ] {
        assert!(text.iter().any(|t| t.contains(wanted)), "{wanted} is not in {text:?}");
    }
    assert_eq!(diagnostics.len(), 6);
}

#[test]
fn cycles() {
    let two = vec![node("Relu", &["b"], &["a"]), node("Relu", &["a"], &["b"]), node("Relu", &["a"], &["y"])];
    let error = refused(&model(graph(two)), Code::Cycle);
    assert!(error.message.contains("\"a\"") && error.message.contains("\"b\""), "{error}");
    refused(&model(graph(vec![node("Add", &["x", "y"], &["y"])])), Code::Cycle);
    // Through what a branch reads from outside.
    let mut branch = graph(vec![node("Relu", &["y"], &["b"])]);
    branch.input.clear();
    branch.output[0].name = "b".to_owned();
    let choice = node("If", &["c"], &["y"]).graph("then_branch", branch.clone()).graph("else_branch", branch);
    let mut whole = graph(vec![choice]);
    whole.input.push(info("c", BOOL, &[]));
    refused(&model(whole), Code::Cycle);
    let mut long: Vec<NodeProto> =
        (0..1000).map(|i| node("Relu", &[&format!("n{}", (i + 1) % 1000)], &[&format!("n{i}")])).collect();
    long.push(node("Relu", &["n0"], &["y"]));
    let error = refused(&model(graph(long)), Code::Cycle);
    assert!(error.message.len() < 500, "{error}");
}

#[test]
fn nodes_out_of_order_are_sorted() {
    let imported = accepted(&model(graph(vec![node("Relu", &["s"], &["y"]), node("Exp", &["x"], &["s"])])));
    assert!(imported.warnings.iter().any(|w| w.code == Code::NotSorted));
    let ops: Vec<&str> = imported.graph.nodes().map(|(_, n)| n.op.name()).collect();
    assert_eq!(ops, ["exp", "relu"]);
}

#[test]
fn names_defined_twice() {
    refused(
        &model(graph(vec![node("Relu", &["x"], &["y"]), node("Exp", &["x"], &["y"])])),
        Code::DuplicateName,
    );
    refused(&model(graph(vec![node("Relu", &["x"], &["x"])])), Code::DuplicateName);
    let mut initializer = graph(vec![node("Relu", &["x"], &["w"]), node("Add", &["x", "w"], &["y"])]);
    initializer.initializer = vec![floats("w", &[3], &[0.0; 3])];
    refused(&model(initializer), Code::DuplicateName);
    let mut twice = valid();
    let own = &mut twice.graph.as_mut().expect("has one").initializer;
    own.push(own[0].clone());
    refused(&twice, Code::DuplicateName);
    let mut inputs = graph(vec![node("Relu", &["x"], &["y"])]);
    inputs.input.push(info("x", FLOAT, &[2, 3]));
    refused(&model(inputs), Code::DuplicateName);
}

#[test]
fn names_that_nothing_defines() {
    refused(&model(graph(vec![node("Relu", &["nothing"], &["y"])])), Code::UndefinedName);
    let mut output = valid();
    output.graph.as_mut().expect("has one").output.push(untyped("nothing"));
    refused(&output, Code::UndefinedName);
    let mut nameless = valid();
    nameless.graph.as_mut().expect("has one").output.push(untyped(""));
    refused(&nameless, Code::EmptyName);
}

#[test]
fn several_problems_are_reported_together() {
    let nodes = vec![
        node("Relu", &["nothing"], &["a"]),
        node("Foo", &["x"], &["b"]),
        node("Transpose", &["x"], &["c"]).ints("perm", &[0, 0]),
        node("Sum", &["a", "b", "c"], &["y"]),
    ];
    let codes: Vec<Code> =
        refused_bytes(model(graph(nodes)).encode_to_vec()).iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::UnsupportedOp, Code::UndefinedName, Code::BadAttribute]);
}

#[test]
fn inputs_that_are_initializers() {
    let mut whole = valid();
    whole.graph.as_mut().expect("has one").input.push(info("w", FLOAT, &[3]));
    assert_eq!(accepted(&whole).graph.inputs().len(), 1);
    for wrong in [info("w", FLOAT, &[4]), info("w", INT64, &[3]), info("w", FLOAT, &[1, 3])] {
        let mut whole = valid();
        whole.graph.as_mut().expect("has one").input.push(wrong);
        refused(&whole, Code::TypeConflict);
    }
}

#[test]
fn declared_types() {
    let with = |declared: ValueInfoProto| {
        let mut whole = valid();
        whole.graph.as_mut().expect("has one").value_info.push(declared);
        whole
    };
    accepted(&with(info("s", FLOAT, &[2, 3])));
    accepted(&with(info("s", FLOAT, &[-1, 0])));
    for wrong in [info("s", FLOAT, &[2, 4]), info("s", FLOAT, &[2]), info("s", INT64, &[2, 3])] {
        let model = with(wrong);
        refused(&model, Code::TypeConflict);
        let options = Options { ignore_declared_types: true, ..Options::default() };
        let imported = satura_onnx::read_bytes(model.encode_to_vec(), None, &options)
            .expect("the declaration is ignored");
        assert!(imported.warnings.iter().any(|w| w.code == Code::TypeConflict));
    }
    let mut output = valid();
    output.graph.as_mut().expect("has one").output = vec![info("y", FLOAT, &[9, 9])];
    refused(&output, Code::TypeConflict);
    let warned =
        |model: &ModelProto| assert!(accepted(model).warnings.iter().any(|w| w.code == Code::Ignored));
    warned(&with(info("nothing", FLOAT, &[1])));
    let mut twice = with(info("s", FLOAT, &[2, 3]));
    twice.graph.as_mut().expect("has one").value_info.push(info("s", FLOAT, &[2, 3]));
    warned(&twice);
    refused(&with(info("s", 99, &[2, 3])), Code::DType);
}

fn named_input(dims: &[&str]) -> ValueInfoProto {
    let dim = |name: &&str| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimParam((*name).to_owned())),
    };
    let shape = Some(crate::common::TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let value = Some(type_proto::Value::TensorType(type_proto::Tensor { elem_type: FLOAT, shape }));
    ValueInfoProto { name: "x".to_owned(), r#type: Some(TypeProto { value }) }
}

#[test]
fn extents_by_name() {
    let read = |input: ValueInfoProto| {
        let mut whole = graph(vec![node("Relu", &["x"], &["y"])]);
        whole.input = vec![input];
        let imported = accepted(&model(whole));
        imported.graph.ty(imported.graph.inputs()[0]).to_string()
    };
    assert_eq!(read(named_input(&["N", "N + 1", "p.q", "-3", ""])), "f32[N, N + 1, \"p.q\", x_d3, x_d4]");
    assert_eq!(read(info("x", FLOAT, &[-1, 0, 5])), "f32[x_d0, x_d1, 5]");
    // A product that would take forever to multiply out is a name.
    let long = vec!["(a+b)"; 40].join("*");
    assert!(read(named_input(&[&long])).contains('"'));
    let mut huge = graph(vec![node("Relu", &["x"], &["y"])]);
    huge.input = vec![info("x", FLOAT, &[1 << 62])];
    refused(&model(huge.clone()), Code::ResourceLimit);
    huge.input = vec![info("x", FLOAT, &[1 << 32, 1 << 32, 1 << 32])];
    refused(&model(huge), Code::ResourceLimit);
}

#[test]
fn input_types() {
    let with = |info: ValueInfoProto| {
        let mut whole = graph(vec![node("Relu", &["x"], &["y"])]);
        whole.input = vec![info];
        model(whole)
    };
    refused(&with(untyped("x")), Code::DType);
    refused(&with(info("x", 0, &[1])), Code::DType);
    refused(&with(info("x", 99, &[1])), Code::DType);
    refused(&with(info("", FLOAT, &[1])), Code::EmptyName);
    let inner = || info("x", FLOAT, &[1]).r#type.map(Box::new);
    let of = |value| ValueInfoProto { name: "x".to_owned(), r#type: Some(TypeProto { value: Some(value) }) };
    refused(
        &with(of(type_proto::Value::SequenceType(Box::new(type_proto::Sequence { elem_type: inner() })))),
        Code::DType,
    );
    refused(
        &with(of(type_proto::Value::OptionalType(Box::new(type_proto::Optional { elem_type: inner() })))),
        Code::DType,
    );
    let map = type_proto::Map { key_type: INT64, value_type: inner() };
    refused(&with(of(type_proto::Value::MapType(Box::new(map)))), Code::DType);
    let sparse = type_proto::Tensor { elem_type: FLOAT, shape: None };
    refused(&with(of(type_proto::Value::SparseTensorType(sparse))), Code::Unsupported);
}

/// A branch of one node `b = op(inputs..)`.
fn branch(nodes: Vec<NodeProto>, output: &str) -> GraphProto {
    GraphProto {
        name: "branch".to_owned(),
        node: nodes,
        output: vec![untyped(output)],
        ..GraphProto::default()
    }
}

fn choice(then: GraphProto, other: GraphProto) -> ModelProto {
    let mut whole = graph(vec![
        node("Relu", &["x"], &["r"]),
        node("Constant", &[], &["k"]).tensor("value", floats("", &[3], &[1.0, 2.0, 3.0])),
        node("If", &["c"], &["y"]).graph("then_branch", then).graph("else_branch", other),
    ]);
    whole.input.push(info("c", BOOL, &[]));
    model(whole)
}

#[test]
fn branches_capture_values_and_repeat_constants() {
    let imported = accepted(&choice(
        branch(vec![node("Add", &["r", "k"], &["b"])], "b"),
        branch(vec![node("Mul", &["x", "k"], &["b"])], "b"),
    ));
    let graph = &imported.graph;
    let (_, chosen) = graph.nodes().find(|(_, n)| matches!(n.op, Op::If(_))).expect("an if");
    // The condition, and the two captured values; the constant is in each branch.
    assert_eq!(chosen.inputs.len(), 3);
    for region in &chosen.regions {
        let inputs: Vec<&str> =
            region.inputs().iter().filter_map(|v| region.value(*v).name.as_deref()).collect();
        assert_eq!(inputs, ["r", "x"]);
        assert!(region.nodes().any(|(_, n)| matches!(n.op, Op::Const(_))));
    }
}

#[test]
fn branches_that_do_not_fit() {
    let good = || branch(vec![node("Relu", &["x"], &["b"])], "b");
    let mut two = good();
    two.output.push(untyped("x"));
    refused(&choice(good(), two), Code::InputCount);
    let integers = branch(vec![node("Constant", &[], &["b"]).tensor("value", int64s("", &[1]))], "b");
    refused(&choice(good(), integers), Code::DType);
    let undefined = branch(vec![node("Relu", &["nothing"], &["b"])], "b");
    refused(&choice(good(), undefined), Code::UndefinedName);
    let unsupported = branch(vec![node("Foo", &["x"], &["b"])], "b");
    refused(&choice(good(), unsupported), Code::UnsupportedOp);
    let mut inputs = good();
    inputs.input.push(info("i", FLOAT, &[1]));
    refused(&choice(good(), inputs), Code::Invalid);
    let mut missing = choice(good(), good());
    missing.graph.as_mut().expect("has one").node[2].attribute.pop();
    refused(&missing, Code::MissingAttribute);
    let mut number = choice(good(), good());
    number.graph.as_mut().expect("has one").node[2].input[0] = "x".to_owned();
    refused(&number, Code::Shape);
}

#[test]
fn a_branch_may_read_what_comes_later_in_the_file() {
    let mut model = choice(
        branch(vec![node("Relu", &["r"], &["b"])], "b"),
        branch(vec![node("Exp", &["r"], &["b"])], "b"),
    );
    model.graph.as_mut().expect("has one").node.rotate_right(1);
    let imported = accepted(&model);
    assert!(imported.warnings.iter().any(|w| w.code == Code::NotSorted));
}

#[test]
fn outputs_and_inputs_are_kept() {
    let mut whole = valid();
    let graph = whole.graph.as_mut().expect("has one");
    graph.input.push(info("unused", INT64, &[7]));
    graph.output = vec![untyped("y"), untyped("w"), untyped("x"), untyped("y")];
    let imported = accepted(&whole);
    let names: Vec<&str> = imported.graph.outputs().iter().map(|o| &*o.name).collect();
    assert_eq!(names, ["y", "w", "x", "y_2"]);
    assert_eq!(imported.graph.inputs().len(), 2);
    assert!(imported.warnings.iter().any(|w| w.code == Code::DuplicateName));
}

#[test]
fn long_and_wide_graphs() {
    let count = 100_000;
    let name = |i: usize| {
        if i == 0 {
            "x".to_owned()
        } else if i == count {
            "y".to_owned()
        } else {
            format!("n{i}")
        }
    };
    let chain = (0..count).map(|i| node("Relu", &[&name(i)], &[&name(i + 1)])).collect();
    assert_eq!(accepted(&model(graph(chain))).graph.node_count(), count);
    let wide = vec!["x"; 50_000];
    let joined = accepted(&model(graph(vec![node("Concat", &wide, &["y"]).int("axis", 0)])));
    assert_eq!(joined.graph.ty(joined.graph.outputs()[0].value).to_string(), "f32[100000, 3]");
    accepted(&model(graph(vec![node("Sum", &wide, &["y"])])));
}

#[test]
fn node_names_may_repeat() {
    let mut whole = valid();
    for node in &mut whole.graph.as_mut().expect("has one").node {
        node.name = "same".to_owned();
    }
    accepted(&whole);
}
