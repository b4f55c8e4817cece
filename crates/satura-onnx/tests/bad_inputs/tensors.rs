//! Constant tensors: sizes, lengths, fields, element types.

use crate::common::{
    FLOAT, INT64, SparseTensorProto, TensorProto, floats, graph, int64s, model, node, raw, refused, valid,
};
use prost::Message;
use satura_import::Code;
use satura_tensor::{DType, Elements, Tensor};

fn read(tensor: &TensorProto) -> Result<Tensor, satura_import::ImportError> {
    satura_onnx::read_tensor_proto(tensor.encode_to_vec())
}

#[track_caller]
fn refused_tensor(tensor: TensorProto, code: Code) {
    let error = read(&tensor).expect_err("the tensor must be refused");
    assert_eq!(error.code(), Some(code), "{error}");
    // The same as an initializer, even one that nothing reads.
    let mut whole = valid();
    let graph = whole.graph.as_mut().expect("has one");
    graph.initializer.push(TensorProto { name: "bad".to_owned(), ..tensor });
    let error = refused(&whole, code);
    assert_eq!(error.place.value.as_deref(), Some("bad"));
}

#[track_caller]
fn elements(tensor: &TensorProto) -> Elements {
    read(tensor).unwrap_or_else(|error| panic!("{error}")).to_elements()
}

#[test]
fn sizes() {
    refused_tensor(raw("", FLOAT, &[2, -3], &[0; 24]), Code::TensorShape);
    refused_tensor(raw("", FLOAT, &[1 << 33, 1 << 33], &[0; 4]), Code::TensorShape);
    refused_tensor(raw("", FLOAT, &[1 << 40], &[0; 4]), Code::TensorShape);
    refused_tensor(raw("", FLOAT, &[i64::MAX, 2], &[0; 4]), Code::TensorShape);
    refused_tensor(raw("", FLOAT, &[1 << 31, 1 << 31, 4], &[0; 4]), Code::TensorShape);
    refused_tensor(raw("", FLOAT, &[0, 1 << 62, 1 << 62], &[]), Code::TensorShape);
    refused_tensor(raw("", FLOAT, &[1 << 30], &[0; 4]), Code::TensorLength);
}

#[test]
fn lengths() {
    refused_tensor(raw("", FLOAT, &[3], &[0; 11]), Code::TensorLength);
    refused_tensor(raw("", FLOAT, &[3], &[0; 16]), Code::TensorLength);
    refused_tensor(raw("", FLOAT, &[], &[]), Code::TensorLength);
    refused_tensor(raw("", INT64, &[0], &[0; 8]), Code::TensorLength);
    refused_tensor(
        TensorProto { data_type: FLOAT, dims: vec![2], ..TensorProto::default() },
        Code::TensorLength,
    );
    refused_tensor(
        TensorProto { data_type: FLOAT, dims: vec![2], float_data: vec![1.0], ..TensorProto::default() },
        Code::TensorLength,
    );
    // One complex number is two entries.
    refused_tensor(
        TensorProto { data_type: 14, dims: vec![1], float_data: vec![1.0], ..TensorProto::default() },
        Code::TensorLength,
    );
}

#[test]
fn fields() {
    let both = TensorProto { float_data: vec![1.0], ..raw("", FLOAT, &[1], &[0; 4]) };
    refused_tensor(both, Code::TensorData);
    let wrong =
        TensorProto { data_type: INT64, dims: vec![1], float_data: vec![1.0], ..TensorProto::default() };
    refused_tensor(wrong, Code::TensorData);
    refused_tensor(raw("", 8, &[1], b"abcd"), Code::TensorData);
    let location = TensorProto { data_location: 7, ..raw("", FLOAT, &[1], &[0; 4]) };
    refused_tensor(location, Code::TensorData);
    let out_of_range =
        TensorProto { data_type: 3, dims: vec![1], int32_data: vec![300], ..TensorProto::default() };
    refused_tensor(out_of_range, Code::TensorData);
    let wide =
        TensorProto { data_type: 12, dims: vec![1], uint64_data: vec![1 << 32], ..TensorProto::default() };
    refused_tensor(wide, Code::TensorData);
}

#[test]
fn element_types() {
    for data_type in [0, 27, 99, -1] {
        refused_tensor(raw("", data_type, &[1], &[0; 4]), Code::DType);
    }
}

#[test]
fn packed_elements() {
    // Three int4 are two bytes, the first in the low bits.
    assert_eq!(elements(&raw("", 22, &[3], &[0x78, 0x01])), Elements::Int(vec![-8, 7, 1]));
    // Bits beyond the last element do not matter.
    assert_eq!(read(&raw("", 22, &[3], &[0x78, 0xf1])).expect("valid").bytes(), [0x78, 0x01]);
    refused_tensor(raw("", 22, &[3], &[0x78]), Code::TensorLength);
    refused_tensor(raw("", 21, &[4], &[1, 2, 3]), Code::TensorLength);
    let typed =
        TensorProto { data_type: 21, dims: vec![3], int32_data: vec![0x21, 0x03], ..TensorProto::default() };
    assert_eq!(elements(&typed), Elements::Int(vec![1, 2, 3]));
}

#[test]
fn scalars_and_empty_tensors() {
    assert_eq!(read(&floats("", &[], &[2.5])).expect("valid").shape(), [0usize; 0]);
    assert_eq!(read(&floats("", &[1], &[2.5])).expect("valid").shape(), [1]);
    for tensor in [raw("", FLOAT, &[0], &[]), raw("", FLOAT, &[2, 0, 5], &[]), raw("", 22, &[0], &[])] {
        assert_eq!(read(&tensor).expect("valid").elements(), 0);
    }
    assert_eq!(
        read(&TensorProto { data_type: 8, dims: vec![0], ..TensorProto::default() }).expect("valid").dtype(),
        DType::String
    );
}

#[test]
fn bits_are_kept() {
    // Minus zero, a subnormal, a signalling NaN.
    let bits = [0x8000_0000u32, 1, 0x7f80_0001];
    let tensor = raw("", FLOAT, &[3], &bits.iter().flat_map(|b| b.to_le_bytes()).collect::<Vec<_>>());
    let read = read(&tensor).expect("valid");
    assert_eq!(read.as_slice::<f32>().expect("f32").iter().map(|x| x.to_bits()).collect::<Vec<_>>(), bits);
    // Any truth value but 0 is 1.
    let bools = raw("", 9, &[3], &[0, 7, 1]);
    assert_eq!(satura_onnx::read_tensor_proto(bools.encode_to_vec()).expect("valid").bytes(), [0, 1, 1]);
}

fn sparse(values: TensorProto, indices: TensorProto, dims: &[i64]) -> SparseTensorProto {
    SparseTensorProto { values: Some(values), indices: Some(indices), dims: dims.to_vec() }
}

#[test]
fn sparse_tensors() {
    let values = || floats("w", &[2], &[1.0, 2.0]);
    let rows = |indices: &[i64]| TensorProto { dims: vec![2, 2], ..int64s("", indices) };
    let check = |tensor: SparseTensorProto| {
        let mut graph = graph(vec![node("Add", &["x", "w"], &["y"])]);
        graph.sparse_initializer = vec![tensor];
        model(graph)
    };
    for good in
        [sparse(values(), int64s("", &[1, 5]), &[2, 3]), sparse(values(), rows(&[0, 1, 1, 2]), &[2, 3])]
    {
        let graph = crate::common::accepted(&check(good)).graph;
        let dense = graph.nodes().find_map(|(_, n)| graph.constant(*n.outputs.first()?)).expect("a constant");
        assert_eq!(dense.to_elements(), Elements::Float(vec![0.0, 1.0, 0.0, 0.0, 0.0, 2.0]));
    }
    let bad = [
        sparse(values(), int64s("", &[5, 1]), &[2, 3]),
        sparse(values(), int64s("", &[1, 1]), &[2, 3]),
        sparse(values(), int64s("", &[1, 6]), &[2, 3]),
        sparse(values(), int64s("", &[-1, 1]), &[2, 3]),
        sparse(values(), int64s("", &[1, 2, 3]), &[2, 3]),
        sparse(values(), rows(&[0, 1, 1, 2]), &[6]),
        sparse(values(), TensorProto { dims: vec![2, 1, 1], ..int64s("", &[1, 2]) }, &[2, 3]),
        sparse(floats("w", &[2], &[1.0, 2.0]), int64s("", &[0, 0]), &[1]),
        sparse(floats("w", &[2, 1], &[1.0, 2.0]), int64s("", &[0, 1]), &[6]),
        SparseTensorProto { values: Some(values()), indices: None, dims: vec![6] },
    ];
    for tensor in bad {
        refused(&check(tensor), Code::TensorData);
    }
    refused(&check(sparse(values(), int64s("", &[0, 1]), &[1 << 40, 1 << 40])), Code::TensorShape);
    let mut clash = check(sparse(values(), int64s("", &[1, 5]), &[2, 3]));
    clash.graph.as_mut().expect("has one").initializer = vec![floats("w", &[1], &[0.0])];
    refused(&clash, Code::DuplicateName);
}
