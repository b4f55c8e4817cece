//! The wire format: truncation, broken varints, lengths, tags, nesting.

use crate::common::{
    AttributeProto, GraphProto, NodeProto, accepted, graph, model, node, refused, refused_bytes, valid,
};
use prost::Message;
use satura_import::{Code, Limits};
use satura_onnx::Options;

#[track_caller]
fn refused_wire(bytes: &[u8], code: Code) {
    let diagnostics = refused_bytes(bytes.to_vec());
    assert_eq!(diagnostics[0].code, code, "{}", diagnostics[0]);
}

#[test]
fn empty_and_constant_bytes() {
    refused_wire(b"", Code::NoGraph);
    refused_wire(&[8], Code::Parse);
    refused_wire(&[0; 100], Code::Parse);
    refused_wire(&[0xff; 100], Code::Parse);
    // A well-formed message without a graph.
    refused_wire(&[8, 9], Code::NoGraph);
}

#[test]
fn truncation_at_every_byte() {
    let bytes = valid().encode_to_vec();
    for cut in 0..bytes.len() {
        let diagnostics = refused_bytes(bytes[..cut].to_vec());
        let code = diagnostics[0].code;
        // Cut between two fields of the model, it is well-formed; then what is missing is found.
        assert!(
            matches!(code, Code::Parse | Code::NoGraph | Code::OpsetImport),
            "cut at {cut}: {}",
            diagnostics[0]
        );
        if code == Code::Parse {
            let offset = diagnostics[0].place.offset.expect("a parse error has a position");
            assert!(offset <= u64::try_from(cut).expect("small"), "cut at {cut}, said to be at {offset}");
        }
    }
}

#[test]
fn every_single_byte_damaged_gives_no_panic() {
    let bytes = valid().encode_to_vec();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 0x08, bytes[at].wrapping_add(1)] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            // Some are still valid, such as another weight; what counts is that each comes to an end.
            let _outcome = satura_onnx::read_bytes(damaged, None, &Options::default());
        }
    }
}

#[test]
fn varints_that_are_too_long() {
    refused_wire(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Code::Parse);
    refused_wire(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], Code::Parse);
    refused_wire(&[0x80; 64], Code::Parse);
}

#[test]
fn lengths_beyond_the_end() {
    // Field 7 (the graph) of 100 bytes, of 2^63 - 1, of 2^64 - 1.
    refused_wire(&[0x3a, 100, 0], Code::Parse);
    refused_wire(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], Code::Parse);
    refused_wire(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Code::Parse);
    // A tensor that reaches beyond its graph, but not beyond the file.
    refused_wire(
        &[0x3a, 4, 0x2a, 10, 0x10, 0x01, 0x08, 0x09, 0x08, 0x09, 0x08, 0x09, 0x08, 0x09],
        Code::Parse,
    );
}

#[test]
fn tags_that_do_not_exist() {
    // Field number 0; groups, unbalanced or not; wire types 6 and 7.
    refused_wire(&[0x00, 0x01], Code::Parse);
    // After a version, lest they look like text.
    refused_wire(&[0x08, 0x09, 0x3b, 0x3c], Code::Parse);
    refused_wire(&[0x08, 0x09, 0x3c], Code::Parse);
    refused_wire(&[&[0x08, 0x09], &[0x3b; 100_000][..]].concat(), Code::Parse);
    refused_wire(&[0x08, 0x09, 0x3e, 0], Code::Parse);
    refused_wire(&[0x08, 0x09, 0x3f, 0], Code::Parse);
    // A known field with a wire type it cannot have: the graph as a number.
    refused_wire(&[0x38, 0x01], Code::Parse);
}

#[test]
fn unknown_fields_are_skipped() {
    let mut bytes = valid().encode_to_vec();
    // Field 1000: a number, 8 bytes, 3 bytes by length, 4 bytes.
    bytes.extend([0xc0, 0x3e, 0x05]);
    bytes.extend([0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.extend([0xc2, 0x3e, 3, 0xff, 0xff, 0xff]);
    bytes.extend([0xc5, 0x3e, 1, 2, 3, 4]);
    satura_onnx::read_bytes(bytes, None, &Options::default()).expect("unknown fields do not matter");
}

/// `depth` nodes, each in a subgraph of the one before, written from the inside out.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = GraphProto::default().encode_to_vec();
    let wrap = |tag: u8, inner: &[u8]| {
        let mut out = vec![tag];
        prost::encode_length_delimiter(inner.len(), &mut out).expect("a vector grows");
        out.extend_from_slice(inner);
        out
    };
    for _ in 0..depth {
        // Graph { node { attribute { g } } }
        inner = wrap(0x0a, &wrap(0x2a, &wrap(0x32, &inner)));
    }
    wrap(0x3a, &inner)
}

#[test]
fn nesting_is_bounded() {
    refused_wire(&nested(34), Code::ResourceLimit);
    refused_wire(&nested(2_000), Code::ResourceLimit);
    // Sequences of sequences: Graph { input { type { sequence { elem_type .. } } } }.
    let mut inner = Vec::new();
    for _ in 0..2_000 {
        for tag in [0x0a, 0x22] {
            let mut out = vec![tag];
            prost::encode_length_delimiter(inner.len(), &mut out).expect("a vector grows");
            out.extend_from_slice(&inner);
            inner = out;
        }
    }
    for tag in [0x12, 0x5a, 0x3a] {
        let mut out = vec![tag];
        prost::encode_length_delimiter(inner.len(), &mut out).expect("a vector grows");
        out.extend_from_slice(&inner);
        inner = out;
    }
    refused_wire(&inner, Code::ResourceLimit);
}

#[test]
fn packed_and_unpacked_lists_mix() {
    // Tensor { dims: [2] packed and [3] unpacked, data_type: 1, float_data: 4 packed and 2 unpacked }.
    let mut bytes = vec![0x0a, 1, 2, 0x08, 3, 0x10, 1];
    bytes.extend([0x22, 16]);
    (0..4u8).for_each(|i| bytes.extend(f32::from(i).to_le_bytes()));
    for i in 4..6u8 {
        bytes.push(0x25);
        bytes.extend(f32::from(i).to_le_bytes());
    }
    let tensor = satura_onnx::read_tensor_proto(bytes).expect("a mix is allowed");
    assert_eq!(tensor.shape(), [2, 3]);
    assert_eq!(tensor.as_slice::<f32>().as_deref(), Some(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..]));
    // 3 bytes are no list of floats, 12 none of doubles.
    for bytes in [vec![0x22, 3, 0, 0, 0], vec![0x52, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let error = satura_onnx::read_tensor_proto(bytes).expect_err("a bad length");
        assert_eq!(error.code(), Some(Code::Parse));
    }
}

#[test]
fn a_field_given_twice_counts_once_and_messages_merge() {
    let whole = valid();
    let mut first = whole.clone();
    let mut second = whole.clone();
    let (a, b) = (first.graph.as_mut().expect("has one"), second.graph.as_mut().expect("has one"));
    a.node.truncate(1);
    a.output.clear();
    b.node.remove(0);
    b.input.clear();
    b.initializer.clear();
    second.opset_import.clear();
    first.ir_version = Some(0);
    let mut bytes = first.encode_to_vec();
    bytes.extend(second.encode_to_vec());
    let read =
        satura_onnx::read_bytes(bytes, None, &Options::default()).expect("the two halves are one graph");
    assert_eq!(read.ir_version, 9);
    assert_eq!(read.graph.node_count(), accepted(&whole).graph.node_count());
}

#[test]
fn names_of_any_text() {
    let name = "a\u{1b}[31m\n\u{202e}b\0";
    refused(&model(graph(vec![node("Foo", &["x"], &[name])])), Code::UnsupportedOp);
    refused(&model(graph(vec![node("Relu", &[name], &["y"])])), Code::UndefinedName);
    // Not UTF-8: the op of a node.
    refused_wire(&[0x3a, 6, 0x0a, 4, 0x22, 2, 0xff, 0xfe], Code::Parse);
    let long = "n".repeat(10 << 20);
    refused(&model(graph(vec![node("Relu", &["x"], &[&long])])), Code::ResourceLimit);
}

#[test]
fn many_small_messages() {
    let nodes = vec![NodeProto { op_type: "Q".to_owned(), ..NodeProto::default() }; 200_000];
    let error = refused(&model(graph(nodes.clone())), Code::UnsupportedOp);
    assert!(error.message.contains("200000 nodes"), "{error}");
    let limits = Limits { nodes: 1000, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let bytes = model(graph(nodes)).encode_to_vec();
    let error = satura_onnx::read_bytes(bytes, None, &options).expect_err("too many nodes");
    assert_eq!(error.code(), Some(Code::ResourceLimit));
    let mut crowded = node("Relu", &["x"], &["y"]);
    crowded.attribute = vec![AttributeProto::default(); 1_000_000];
    refused(&model(graph(vec![crowded])), Code::BadAttribute);
}
