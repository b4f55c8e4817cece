//! `Gradient`: the reader finds the part of the graph between names, a function of the caller differentiates it.

#[path = "bad_inputs/common.rs"]
#[allow(dead_code, reason = "shared with the tests of malformed models")]
mod common;

use common::{FLOAT, ModelProto, NodeProto, floats, graph, info, model, node, opset, untyped};
use prost::Message;
use satura_import::{Code, Diagnostic};
use satura_ir::{Emit, Graph, Op, ValueId, evaluate, ops};
use satura_onnx::{Options, read_bytes};
use satura_tensor::{Elements, Tensor};

fn bytes(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// `d = op(x, w)..` of `x: f32[2]` and a constant `w`, with the gradients of the value `y` by `xs`.
fn differentiated(
    nodes: Vec<NodeProto>,
    y: &str,
    xs: &[&str],
    inputs: &[&str],
    outputs: &[&str],
) -> ModelProto {
    let names = common::AttributeProto {
        name: "xs".to_owned(),
        r#type: 8,
        strings: xs.iter().map(|name| name.as_bytes().to_vec().into()).collect(),
        ..common::AttributeProto::default()
    };
    let gradient = node("Gradient", inputs, outputs).in_domain("ai.onnx.preview.training").text("y", y);
    let mut whole = graph(nodes);
    whole.node.push(gradient.with(names));
    whole.input = vec![info("x", FLOAT, &[2])];
    whole.initializer = vec![floats("w", &[2], &[3.0, 5.0])];
    whole.output = outputs.iter().filter(|name| !name.is_empty()).map(|name| untyped(name)).collect();
    let opsets = vec![opset("", 13), opset("ai.onnx.preview.training", 1)];
    ModelProto { opset_import: opsets, ..model(whole) }
}

/// Differentiates products by the product rule, as a caller might lend it.
fn of_products(graph: &mut Graph, y: ValueId, xs: &[ValueId]) -> Result<Vec<ValueId>, Diagnostic> {
    fn by(graph: &mut Graph, y: ValueId, x: ValueId, xs: &[ValueId]) -> Result<Option<ValueId>, Diagnostic> {
        if y == x {
            let ones = Tensor::from_vec(vec![1.0f32; 2], &[2]);
            let graph: &mut dyn Emit = graph;
            return Ok(Some(graph.one(ops::Const { value: ones }, &[])?));
        }
        let (op, [a, b]) = match graph.producer(y) {
            Some((_, node)) if node.inputs.len() == 2 && !xs.contains(&y) => {
                (node.op.clone(), [node.inputs[0], node.inputs[1]])
            }
            _ => return Ok(None),
        };
        if !matches!(op, Op::Mul(_)) {
            return Err(Diagnostic::error(Code::Unsupported, format!("no gradient of {}", op.name())));
        }
        let mut sum: Option<ValueId> = None;
        for (part, other) in [(a, b), (b, a)] {
            let Some(slope) = by(graph, part, x, xs)? else { continue };
            let graph: &mut dyn Emit = graph;
            let slope = graph.one(op.clone(), &[slope, other])?;
            sum = Some(match sum {
                None => slope,
                Some(before) => graph.one(ops::Add {}, &[before, slope])?,
            });
        }
        Ok(sum)
    }
    let missing = || Diagnostic::error(Code::Unsupported, "y does not depend on it");
    xs.iter().map(|x| by(graph, y, *x, xs)?.ok_or_else(missing)).collect()
}

fn lent() -> Options {
    Options { differentiate: Some(of_products), ..Options::default() }
}

#[test]
fn between_names() {
    let nodes = || vec![node("Mul", &["x", "w"], &["h"]), node("Mul", &["h", "x"], &["y"])];
    let values = |model: ModelProto| -> Vec<Vec<f64>> {
        let floats = |output: &Tensor| match output.to_elements() {
            Elements::Float(values) => values,
            other => panic!("floats are expected, not {other:?}"),
        };
        let graph = read_bytes(bytes(&model), None, &lent()).unwrap_or_else(|error| panic!("{error}")).graph;
        let x = Tensor::from_vec(vec![0.0f32, 1.0], &[2]);
        let outputs = evaluate(&graph, &[x]).unwrap_or_else(|error| panic!("{error}"));
        outputs.iter().map(floats).collect()
    };
    // y = w x^2 at x = [0, 1].
    let by_both = differentiated(nodes(), "y", &["x", "w"], &["x", "w"], &["dx", "dw"]);
    assert_eq!(values(by_both), [vec![0.0, 10.0], vec![0.0, 1.0]]);
    let by_one = differentiated(nodes(), "y", &["x", "w"], &["x", "w"], &["", "dw"]);
    assert_eq!(values(by_one), [vec![0.0, 1.0]]);
    let on_the_way = differentiated(nodes(), "y", &["h", "x"], &["h", "x"], &["dh", "dx"]);
    assert_eq!(values(on_the_way), [vec![0.0, 1.0], vec![0.0, 5.0]]);
    // At other values than those that the names have: y = w w x with w for x, so dx = w w + w w.
    let elsewhere = differentiated(nodes(), "y", &["x", "w"], &["w", "w"], &["dx", ""]);
    assert_eq!(values(elsewhere), [vec![18.0, 50.0]]);
    // The node may come before what it names.
    let mut first = differentiated(nodes(), "y", &["x"], &["x"], &["dx"]);
    first.graph.as_mut().expect("has one").node.rotate_right(1);
    assert_eq!(values(first), [vec![0.0, 10.0]]);
}

#[test]
fn that_cannot_be_derived() {
    let refused = |model: ModelProto, options: &Options, code: Code| {
        let error = read_bytes(bytes(&model), None, options).expect_err("must be refused");
        assert_eq!(error.code(), Some(code), "{error}");
        error.to_string()
    };
    let mul = || vec![node("Mul", &["x", "x"], &["y"])];
    let usual = || differentiated(mul(), "y", &["x"], &["x"], &["dx"]);
    let error = refused(usual(), &Options::default(), Code::Unsupported);
    assert!(error.contains("lends nothing"), "{error}");
    let negated = vec![node("Neg", &["x"], &["h"]), node("Add", &["h", "x"], &["y"])];
    let error = refused(differentiated(negated, "y", &["x"], &["x"], &["dx"]), &lent(), Code::Unsupported);
    assert!(error.contains("no gradient of add"), "{error}");
    refused(differentiated(mul(), "y", &["w"], &["w"], &["dw"]), &lent(), Code::BadAttribute);
    refused(differentiated(mul(), "nothing", &["x"], &["x"], &["dx"]), &lent(), Code::UndefinedName);
    refused(differentiated(mul(), "y", &["x"], &["x", "w"], &["dx"]), &lent(), Code::InputCount);
}
