//! Layers: recurrent, normalising, and constants.

use crate::common::{
    AttributeProto, FLOAT, GraphProto, ModelProto, NodeProto, accepted, floats, info, int64s, node, one_op,
    opset, raw, refused, untyped,
};
use satura_import::Code;

/// `y = op(x)` with `x: f32[2, 3]`.
fn plain(node: NodeProto) -> ModelProto {
    one_op(node, &[2, 3], vec![])
}

#[test]
fn recurrent_layers() {
    let lstm = |edit: fn(NodeProto) -> NodeProto, w: &[i64], r: &[i64]| {
        let zeros = |name: &str, dims: &[i64]| {
            floats(name, dims, &vec![0.0; usize::try_from(dims.iter().product::<i64>()).expect("small")])
        };
        one_op(edit(node("LSTM", &["x", "w", "r"], &["y"])), &[5, 2, 3], vec![zeros("w", w), zeros("r", r)])
    };
    let hidden = |n: NodeProto| n.int("hidden_size", 4);
    accepted(&lstm(hidden, &[1, 16, 3], &[1, 16, 4]));
    accepted(&lstm(|n| n, &[1, 16, 3], &[1, 16, 4]));
    refused(&lstm(|n| n.int("hidden_size", 5), &[1, 16, 3], &[1, 16, 4]), Code::BadAttribute);
    refused(&lstm(|n| n.int("hidden_size", 0), &[1, 16, 3], &[1, 16, 4]), Code::BadAttribute);
    refused(&lstm(hidden, &[1, 15, 3], &[1, 16, 4]), Code::Shape);
    refused(&lstm(hidden, &[1, 16, 2], &[1, 16, 4]), Code::Shape);
    refused(&lstm(hidden, &[2, 16, 3], &[2, 16, 4]), Code::Shape);
    refused(
        &lstm(|n| n.int("hidden_size", 4).text("direction", "sideways"), &[1, 16, 3], &[1, 16, 4]),
        Code::BadAttribute,
    );
    let activations = |names: &[&str]| AttributeProto {
        name: "activations".to_owned(),
        r#type: 8,
        strings: names.iter().map(|n| n.as_bytes().to_vec().into()).collect(),
        ..AttributeProto::default()
    };
    for names in [&["Sigmoid", "Tanh", "Nope"][..], &["Sigmoid"], &["Sigmoid", "Tanh", "Tanh", "Tanh"]] {
        let mut model = lstm(hidden, &[1, 16, 3], &[1, 16, 4]);
        model.graph.as_mut().expect("has one").node[0].attribute.push(activations(names));
        refused(&model, Code::BadAttribute);
    }
    let lengths = |values: &[i32]| {
        let mut model = lstm(hidden, &[1, 16, 3], &[1, 16, 4]);
        let graph = model.graph.as_mut().expect("has one");
        graph.node[0].input.extend([String::new(), "n".to_owned()]);
        graph.initializer.push(raw(
            "n",
            6,
            &[i64::try_from(values.len()).expect("small")],
            &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(),
        ));
        model
    };
    accepted(&lengths(&[5, 5]));
    refused(&lengths(&[5, 6]), Code::BadValue);
    accepted(&lengths(&[5, 3]));
    refused(&lengths(&[5]), Code::Shape);
    refused(&lengths(&[5, -1]), Code::BadValue);
}

#[test]
fn subgraphs_of_attention() {
    let change = |nodes: Vec<NodeProto>, inputs: &[&str], outputs: &[&str]| GraphProto {
        name: "change".to_owned(),
        node: nodes,
        input: inputs.iter().map(|name| untyped(name)).collect(),
        output: outputs.iter().map(|name| untyped(name)).collect(),
        ..GraphProto::default()
    };
    let flex = |change: GraphProto| {
        let flex = node("FlexAttention", &["x", "x", "x"], &["y"]).in_domain("ai.onnx.preview");
        let model = one_op(flex.graph("score_mod", change), &[1, 2, 3, 4], vec![]);
        ModelProto { opset_import: vec![opset("", 26), opset("ai.onnx.preview", 1)], ..model }
    };
    let relu = || vec![node("Relu", &["s"], &["t"])];
    accepted(&flex(change(relu(), &["s"], &["t"])));
    accepted(&flex(change(vec![], &["s"], &["s"])));
    refused(&flex(change(relu(), &["s", "more"], &["t"])), Code::InputCount);
    refused(&flex(change(relu(), &["s"], &["t", "s"])), Code::InputCount);
    let cast = vec![node("Cast", &["s"], &["t"]).int("to", 11)];
    refused(&flex(change(cast, &["s"], &["t"])), Code::Shape);
    let turned = vec![node("Unsqueeze", &["s", "axis"], &["t"])];
    let mut unsqueeze = flex(change(turned, &["s"], &["t"]));
    unsqueeze.graph.as_mut().expect("has one").initializer.push(int64s("axis", &[0]));
    refused(&unsqueeze, Code::Shape);
    refused(&flex(change(vec![node("Relu", &["nothing"], &["t"])], &["s"], &["t"])), Code::UndefinedName);
}

#[test]
fn constants() {
    let constant = |edit: fn(NodeProto) -> NodeProto| plain(edit(node("Constant", &[], &["y"])));
    refused(&constant(|n| n), Code::MissingAttribute);
    refused(&constant(|n| n.float("value_float", 1.0).int("value_int", 1)), Code::BadAttribute);
    refused(&constant(|n| n.tensor("value", floats("", &[2], &[1.0]))), Code::TensorLength);
    refused(
        &constant(|n| n.tensor("value", floats("", &[1], &[1.0])).float("value_float", 1.0)),
        Code::BadAttribute,
    );
    accepted(&constant(|n| n.ints("value_ints", &[])));
    let filled = one_op(
        node("ConstantOfShape", &["a"], &["y"]).tensor("value", floats("", &[2], &[1.0, 2.0])),
        &[2, 3],
        vec![int64s("a", &[2])],
    );
    refused(&filled, Code::BadAttribute);
}

#[test]
fn normalisations() {
    let batch = |edit: fn(NodeProto) -> NodeProto, channels: i64| {
        let size = usize::try_from(channels).expect("small");
        let constants = ["s", "b", "m", "v"].map(|name| floats(name, &[channels], &vec![1.0; size])).to_vec();
        one_op(edit(node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"])), &[2, 3], constants)
    };
    accepted(&batch(|n| n.float("momentum", 0.9), 3));
    refused(&batch(|n| n, 2), Code::Shape);
    accepted(&batch(|n| n.int("training_mode", 1), 3));
    let mut statistics = batch(|n| n, 3);
    statistics.graph.as_mut().expect("has one").node[0].output.extend(["m2".to_owned(), "v2".to_owned()]);
    refused(&statistics, Code::Unsupported);
    let dropout = |training: bool| {
        let flag = raw("t", 9, &[], &[u8::from(training)]);
        one_op(node("Dropout", &["x", "", "t"], &["y"]), &[2, 3], vec![flag])
    };
    accepted(&dropout(false));
    accepted(&dropout(true));
}

#[test]
fn an_absent_bias_is_not_laid_out_without_bound() {
    let layer = |extent: i64| {
        let mut model = plain(node("LayerNormalization", &["x", "s"], &["y"]));
        let graph = model.graph.as_mut().expect("has one");
        graph.input = vec![info("x", FLOAT, &[2, extent]), info("s", FLOAT, &[extent])];
        graph.output = vec![untyped("y")];
        model
    };
    accepted(&layer(3));
    refused(&layer(1 << 40), Code::ResourceLimit);
    refused(&layer(i64::MAX), Code::ResourceLimit);
}
