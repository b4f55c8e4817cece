//! Model-local functions: inlined, never without end.

use crate::common::{
    AttributeProto, FunctionProto, ModelProto, NodeProto, accepted, graph, model, node, opset, refused,
};
use prost::Message;
use satura_import::{Code, Limits};
use satura_onnx::Options;

/// A function of one input `a` and one output `b`.
fn function(name: &str, nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: name.to_owned(),
        domain: "local".to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        node: nodes,
        opset_import: vec![opset("", 20), opset("local", 1)],
        ..FunctionProto::default()
    }
}

fn call(name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    node(name, inputs, outputs).in_domain("local")
}

fn with(nodes: Vec<NodeProto>, functions: Vec<FunctionProto>) -> ModelProto {
    let mut model = model(graph(nodes));
    model.functions = functions;
    model.opset_import.push(opset("local", 1));
    model
}

#[test]
fn calls_are_inlined_with_names_of_their_own() {
    let twice = function("Twice", vec![node("Add", &["a", "a"], &["s"]), node("Relu", &["s"], &["b"])]);
    let model = with(vec![call("Twice", &["x"], &["m"]), call("Twice", &["m"], &["y"])], vec![twice]);
    let graph = accepted(&model).graph;
    let names: Vec<&str> =
        graph.nodes().filter_map(|(_, n)| graph.value(n.outputs[0]).name.as_deref()).collect();
    assert_eq!(names, ["m/s", "m/b", "y/s", "y/b"]);
    let labels: Vec<&str> = graph.nodes().filter_map(|(_, n)| n.label.as_deref()).collect();
    assert_eq!(labels, ["m/s", "m/b", "y/s", "y/b"]);
}

#[test]
fn attributes_are_passed_on() {
    let reference = AttributeProto {
        name: "alpha".to_owned(),
        ref_attr_name: "slope".to_owned(),
        r#type: 1,
        ..AttributeProto::default()
    };
    let mut leaky = function("Leaky", vec![node("LeakyRelu", &["a"], &["b"]).with(reference.clone())]);
    leaky.attribute = vec!["slope".to_owned()];
    let model = with(
        vec![call("Leaky", &["x"], &["m"]).float("slope", 0.5), call("Leaky", &["m"], &["y"])],
        vec![leaky.clone()],
    );
    let text = satura_ir::print_graph(&accepted(&model).graph);
    assert!(text.contains("alpha=0.5") || text.contains("alpha = 0.5"), "{text}");
    refused(
        &with(vec![call("Leaky", &["x"], &["y"]).int("slope", 1)], vec![leaky.clone()]),
        Code::BadAttribute,
    );
    refused(
        &with(vec![call("Leaky", &["x"], &["y"]).float("other", 1.0)], vec![leaky]),
        Code::UnknownAttribute,
    );
    // Outside a function there is nothing to refer to.
    refused(&with(vec![node("LeakyRelu", &["x"], &["y"]).with(reference)], vec![]), Code::BadAttribute);
}

#[test]
fn recursion() {
    let direct = function("F", vec![call("F", &["a"], &["b"])]);
    refused(&with(vec![call("F", &["x"], &["y"])], vec![direct]), Code::Function);
    let there = function("F", vec![call("G", &["a"], &["b"])]);
    let back = function("G", vec![call("F", &["a"], &["b"])]);
    refused(&with(vec![call("F", &["x"], &["y"])], vec![there, back]), Code::Function);
}

/// `F63` calls `F62` twice, and so on.
fn bomb(depth: usize) -> ModelProto {
    let mut functions = vec![function("F0", vec![node("Relu", &["a"], &["b"])])];
    for i in 1..depth {
        let inner = format!("F{}", i - 1);
        functions.push(function(
            &format!("F{i}"),
            vec![call(&inner, &["a"], &["m"]), call(&inner, &["m"], &["b"])],
        ));
    }
    with(vec![call(&format!("F{}", depth - 1), &["x"], &["y"])], functions)
}

#[test]
fn a_bomb_of_calls() {
    let options = Options { limits: Limits { nodes: 20_000, ..Limits::default() }, ..Options::default() };
    let error = satura_onnx::read_bytes(bomb(64).encode_to_vec(), None, &options).expect_err("2^63 nodes");
    assert_eq!(error.code(), Some(Code::ResourceLimit), "{error}");
}

#[test]
fn a_long_chain_of_calls() {
    let mut functions = vec![function("F0", vec![node("Relu", &["a"], &["b"])])];
    for i in 1..5000 {
        functions.push(function(&format!("F{i}"), vec![call(&format!("F{}", i - 1), &["a"], &["b"])]));
    }
    refused(&with(vec![call("F4999", &["x"], &["y"])], functions.clone()), Code::ResourceLimit);
    accepted(&with(vec![call("F50", &["x"], &["y"])], functions));
}

#[test]
fn calls_that_do_not_fit() {
    let f = || function("F", vec![node("Relu", &["a"], &["b"])]);
    refused(&with(vec![call("F", &["x", "x"], &["y"])], vec![f()]), Code::Function);
    refused(&with(vec![call("F", &["x"], &["y", "z"])], vec![f()]), Code::Function);
    refused(&with(vec![call("F", &[], &["y"])], vec![f()]), Code::InputCount);
    refused(&with(vec![call("F", &["x"], &["y"])], vec![f(), f()]), Code::Function);
    let undefined = function("F", vec![node("Relu", &["x"], &["b"])]);
    refused(&with(vec![call("F", &["x"], &["y"])], vec![undefined]), Code::UndefinedName);
    let nothing = function("F", vec![]);
    refused(&with(vec![call("F", &["x"], &["y"])], vec![nothing]), Code::UndefinedName);
    let cycle = function("F", vec![node("Relu", &["m"], &["b"]), node("Relu", &["b"], &["m"])]);
    refused(&with(vec![call("F", &["x"], &["y"])], vec![cycle]), Code::Cycle);
    let old = FunctionProto { opset_import: vec![opset("", 0)], ..f() };
    refused(&with(vec![call("F", &["x"], &["y"])], vec![old]), Code::Version);
}

#[test]
fn a_function_without_operator_sets_uses_those_of_the_model() {
    let f = FunctionProto { opset_import: vec![], ..function("F", vec![node("Relu", &["a"], &["b"])]) };
    accepted(&with(vec![call("F", &["x"], &["y"])], vec![f]));
}
