//! Operators of `com.microsoft` that ask for what only one runtime does, or that do not fit their tensors. What they compute is judged by the conformance suite.

use super::common::{
    FLOAT, INT64, ModelProto, NodeProto, accepted, floats, graph, info, model, node, opset, raw, refused,
};
use satura_import::Code;

const UINT8: i32 = 2;
const INT32: i32 = 6;

/// `op` of the domain on `x: f32[1, 2, 32]`, with the other inputs as declared.
fn with_inputs(node: NodeProto, inputs: &[(&str, i32, &[i64])]) -> ModelProto {
    let mut graph = graph(vec![node.in_domain("com.microsoft")]);
    graph.input = vec![info("x", FLOAT, &[1, 2, 32])];
    graph.input.extend(inputs.iter().map(|(name, ty, dims)| info(name, *ty, dims)));
    ModelProto { opset_import: vec![opset("", 21), opset("com.microsoft", 1)], ..model(graph) }
}

/// A product with 4-bit weights of 3 rows in 2 blocks.
fn packed_product(columns: i64, bytes: usize) -> ModelProto {
    let sizes = |node: NodeProto| node.int("N", 3).int("K", columns).int("block_size", 16).int("bits", 4);
    let product = sizes(node("MatMulNBits", &["x", "w", "s"], &["y"]));
    let mut model = with_inputs(product, &[]);
    let len = i64::try_from(bytes).expect("short");
    let constants = vec![raw("w", UINT8, &[len], &vec![0x18; bytes]), floats("s", &[3, 2], &[0.5; 6])];
    model.graph.as_mut().expect("a graph").initializer = constants;
    model
}

#[test]
fn packed_weights() {
    accepted(&packed_product(32, 48));
    refused(&packed_product(32, 47), Code::Shape);
    refused(&packed_product(31, 48), Code::Shape);
    refused(&packed_product(-32, 48), Code::BadAttribute);
    refused(&packed_product(1 << 40, 48), Code::BadAttribute);
    let open = node("MatMulNBits", &["x", "w", "s"], &["y"]).int("N", 3).int("K", 32).int("block_size", 16);
    refused(&with_inputs(open, &[("w", UINT8, &[3, 2, 8]), ("s", FLOAT, &[3, 2])]), Code::NotConstant);
}

#[test]
fn caches_of_one_runtime() {
    let attention = || {
        let inputs = ["x", "k", "v", "pk", "pv", "lengths", "total"];
        node("GroupQueryAttention", &inputs, &["y", "key", "value"])
            .int("num_heads", 2)
            .int("kv_num_heads", 1)
    };
    let check = |node: NodeProto, code| {
        let kv: &[i64] = &[1, 2, 16];
        let past: &[i64] = &[1, 1, 4, 16];
        let inputs = [("k", FLOAT, kv), ("v", FLOAT, kv), ("pk", FLOAT, past), ("pv", FLOAT, past)];
        let lengths: [(&str, i32, &[i64]); 2] = [("lengths", INT32, &[1]), ("total", INT32, &[])];
        refused(&with_inputs(node, &[&inputs[..], &lengths[..]].concat()), code)
    };
    // The total length says how large the caches are.
    check(attention(), Code::NotConstant);
    let window = check(attention().int("sliding_window_cache", 1), Code::Unsupported);
    assert_eq!(window.place.attribute.as_deref(), Some("sliding_window_cache"));
    check(attention().text("k_quant_type", "PER_TENSOR"), Code::Unsupported);
    check(attention().int("local_window_size", 0), Code::BadAttribute);
}

#[test]
fn heads_that_do_not_fit() {
    let sizes: [(&str, i32, &[i64]); 1] = [("w", FLOAT, &[32, 96])];
    let attention = |heads| node("Attention", &["x", "w"], &["y", "present"]).int("num_heads", heads);
    refused(&with_inputs(attention(0), &sizes), Code::BadAttribute);
    refused(&with_inputs(attention(5), &sizes), Code::Shape);
    let uneven = attention(2).ints("qkv_hidden_sizes", &[32, 32, 16]);
    refused(&with_inputs(uneven, &sizes), Code::BadAttribute);
    let values = attention(2).ints("qkv_hidden_sizes", &[24, 24, 48]);
    refused(&with_inputs(values, &sizes), Code::Unsupported);
    refused(&with_inputs(attention(2).int("do_rotary", 1), &sizes), Code::Unsupported);
    refused(&with_inputs(attention(2).int("turbo", 1), &sizes), Code::UnknownAttribute);
}

#[test]
fn a_number_alone_is_not_turned() {
    let turned = node("RotaryEmbedding", &["number", "first", "cos", "sin"], &["y"]);
    let angles: &[i64] = &[8, 16];
    let inputs: [(&str, i32, &[i64]); 4] =
        [("number", FLOAT, &[]), ("first", INT64, &[1]), ("cos", FLOAT, angles), ("sin", FLOAT, angles)];
    refused(&with_inputs(turned, &inputs), Code::Shape);
}
