//! What is written means the same when it is read again, also where the operator set has no word for it.

use satura_ir::{ConstStore, Datum, Graph, OpRegistry, evaluate_data, parse_module};
use satura_onnx::{Options, WriteError, WriteOptions, read_bytes, write_bytes};
use satura_tensor::{DType, Tensor, cast};

#[track_caller]
fn parsed(text: &str) -> Graph {
    let module = parse_module(text, &ConstStore::default(), &OpRegistry::default());
    module.unwrap_or_else(|error| panic!("{error}")).graphs.swap_remove(0)
}

/// Evaluates a graph as it is, and as it comes back from that operator set: the outputs have the same bits.
#[track_caller]
fn check(text: &str, opset: i64, inputs: &[Tensor]) {
    let data: Vec<Datum> = inputs.iter().cloned().map(Datum::Tensor).collect();
    check_data(text, opset, &data);
}

#[track_caller]
fn check_data(text: &str, opset: i64, inputs: &[Datum]) {
    let graph = parsed(text);
    let options = WriteOptions { opset, ..WriteOptions::default() };
    let bytes = write_bytes(&graph, &options).unwrap_or_else(|error| panic!("operator set {opset}: {error}"));
    let again = read_bytes(bytes, None, &Options::default()).unwrap_or_else(|error| panic!("{error}"));
    let run = |graph: &Graph| evaluate_data(graph, inputs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(run(&graph), run(&again.graph), "operator set {opset}");
}

fn floats(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_vec(values.to_vec(), shape)
}

fn ints(values: &[i64], shape: &[usize]) -> Tensor {
    Tensor::from_vec(values.to_vec(), shape)
}

/// A combination of every kind, at operator sets without and with a word for it.
#[track_caller]
fn check_scatter(text: &str, inputs: &[Tensor]) {
    for combine in ["add", "mul", "max", "min"] {
        for opset in [13, 16, 18] {
            check(&text.replace("KIND", combine), opset, inputs);
        }
    }
}

#[test]
fn scatters_that_combine() {
    let data: Vec<f32> = (1..=12).map(|x| x as f32 / 2.0).collect();
    // Indices from the front and the back, some twice, of the front part of the other axes.
    let text = "graph @g(%x: f32[N, 3, 2], %at: i64[1, 4, 2], %u: f32[1, 4, 2]) {
        %0 = scatter_elements{axis=-2, combine=KIND} %x, %at, %u
        return %0
    }";
    let at = ints(&[0, 2, -1, -1, 2, -3, 2, 0], &[1, 4, 2]);
    let updates = floats(&[3.0, -1.0, 0.5, 4.0, 8.0, 0.25, 1.0, 2.0], &[1, 4, 2]);
    check_scatter(text, &[floats(&data, &[2, 3, 2]), at, updates]);
    // Bytes wrap.
    let text = "graph @g(%x: i8[2], %at: i32[M], %u: i8[M]) {
        %0 = scatter_elements{axis=0, combine=KIND} %x, %at, %u
        return %0
    }";
    let bytes = |values: &[i8]| Tensor::from_vec(values.to_vec(), &[values.len()]);
    check_scatter(text, &[bytes(&[120, -3]), Tensor::from_vec(vec![0i32, -1, 0], &[3]), bytes(&[5, 7, 3])]);
    check_scatter(text, &[bytes(&[120, -3]), Tensor::from_vec(Vec::<i32>::new(), &[0]), bytes(&[])]);
    let text = "graph @g(%x: f32[N, 3, 2], %at: i64[2, 2, 2], %u: f32[2, 2, 2]) {
        %0 = scatter_nd{combine=KIND} %x, %at, %u
        return %0
    }";
    let at = ints(&[0, 1, -1, 2, 1, -1, 0, 0], &[2, 2, 2]);
    let updates = floats(&[3.0, -1.0, 0.5, 4.0, 8.0, 0.25, 1.0, 2.0], &[2, 2, 2]);
    check_scatter(text, &[floats(&data, &[2, 3, 2]), at, updates]);
    let text = "graph @g(%x: f32[4, N], %at: i64[M, 1], %u: f32[M, N]) {
        %0 = scatter_nd{combine=KIND} %x, %at, %u
        return %0
    }";
    let updates = floats(&[3.0, -1.0, 0.5, 4.0, 8.0, 0.25], &[2, 3]);
    check_scatter(text, &[floats(&data, &[4, 3]), ints(&[-1, 3], &[2, 1]), updates]);
    check_scatter(text, &[floats(&data, &[4, 3]), ints(&[], &[0, 1]), floats(&[], &[0, 3])]);
}

#[test]
fn bits_as_other_types() {
    let text = "graph @g(%x: f32[N]) {
        %0 = bit_cast{to=i32} %x
        return %0
    }";
    let options = WriteOptions { opset: 25, ..WriteOptions::default() };
    assert!(matches!(write_bytes(&parsed(text), &options), Err(WriteError::Ops { opset: 25, .. })));
    for opset in 26..=28 {
        check(text, opset, &[floats(&[1.5, -0.0, f32::INFINITY], &[3])]);
    }
}

#[test]
fn constants_of_types_that_the_operator_set_lacks() {
    let text = "graph @g(%x: f32[N, 3]) {
        %a = const{value=u2[4](3, 0, 2, 1)}
        %b = const{value=i4[3](-8, 7, -1)}
        %c = const{value=f8e5m2[3](-1.5, inf, 0.25)}
        %0 = slice{starts=[0], sizes=[3], steps=[1]} %a
        %1 = cast{to=f32} %0
        %2 = cast{to=f32} %b
        %3 = cast{to=f32} %c
        %4 = add %x, %1
        %5 = mul %4, %2
        %6 = sub %5, %3
        return %6
    }";
    for opset in [13, 19, 21, 25] {
        check(text, opset, &[floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])]);
    }
}

#[test]
fn extrema_of_no_bools() {
    for (kind, opset) in [("max", 13), ("min", 13), ("max", 18), ("min", 20)] {
        let text = "graph @g(%x: bool[N, 2]) {
            %0 = reduce{kind=KIND, axes=[0], keep=false} %x
            return %0
        }";
        let text = text.replace("KIND", kind);
        check(&text, opset, &[Tensor::from_bools(&[], &[0, 2])]);
        check(&text, opset, &[Tensor::from_bools(&[true, false, true, true], &[2, 2])]);
    }
}

#[test]
fn shifts_of_signed_numbers() {
    for opset in [13, 14, 28] {
        let text = "graph @g(%x: i8[N], %by: i8[N]) {
            %0 = shift{kind=right} %x, %by
            %1 = shift{kind=left} %x, %by
            return %0, %1
        }";
        let bytes = |values: &[i8]| Tensor::from_vec(values.to_vec(), &[values.len()]);
        check(text, opset, &[bytes(&[-128, -3, 100, -7, 5]), bytes(&[1, 1, 3, 9, -1])]);
    }
}

#[test]
fn trees() {
    let x = floats(&[1.0, 0.5, 2.5, f32::NAN, 4.0, 7.0], &[3, 2]);
    // Leaves of several entries and of none, a tree that is a leaf, a set, a way for NaN.
    let text = "graph @g(%x: DTYPE[N, 2]) {
        %0 = tree_ensemble{roots=[0, -1, 2], features=[0, 1, 1], tests=[at_most, above, member], splits=[2.0, 0.25, 0.0], nan_is_true=[false, true, false], when_true=[1, -2, -3], when_false=[-1, -3, -4], set_ends=[0, 0, 2], members=[7.0, 8.0], leaf_ends=[2, 3, 5, LAST], leaf_targets=[0, 1, 2, 0, 2, 1], leaf_weights=[1.5, 2.0, 4.0, -8.0, 0.5, 3.0], targets=3, aggregate=KIND} %x
        return %0
    }";
    for aggregate in ["sum", "average", "min", "max"] {
        let last = if aggregate == "sum" { "5" } else { "6" };
        let text = text.replace("KIND", aggregate).replace("LAST", last);
        check(&text.replace("DTYPE", "f32"), 13, std::slice::from_ref(&x));
        check(&text.replace("DTYPE", "f64"), 23, &[cast(&x, DType::F64).expect("a float")]);
        // Through f64, which holds all that f16 and the numbers hold.
        check(&text.replace("DTYPE", "f16"), 23, &[cast(&x, DType::F16).expect("a float")]);
    }
}

#[test]
fn labels_and_maps() {
    let text = "graph @g(%x: DTYPE[N]) {
        %k = const{value=DTYPE[2](1, 2)}
        %v = const{value=bf16[2](0.5, -0.0)}
        %d = const{value=bf16[](9.0)}
        %0 = lookup %x, %k, %v, %d
        return %0
    }";
    let x = ints(&[2, 1, 3, 2], &[4]);
    for dtype in [DType::I64, DType::I16, DType::U8, DType::F16, DType::F64] {
        let text = text.replace("DTYPE", &dtype.to_string());
        check(&text, 13, &[cast(&x, dtype).expect("a number")]);
    }
    let text = "graph @g(%x: f32[N, 3], %map: map(KEY, VALUE[])) {
        %keys = const{value=KEYS}
        %words = const{value=WORDS}
        %0 = zip_map %x, %keys
        %1 = dict_vectorize %map, %words
        return %0, %1
    }";
    let rows = Datum::Tensor(floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]));
    let names = Tensor::from_strings(["x", "c"].map(|text| text.as_bytes().into()).to_vec(), &[2]);
    let values = [7i64, -1].map(|value| Datum::Tensor(Tensor::scalar(value))).to_vec();
    let texts = text.replace("KEYS", "string[3](\"a\", \"b\", \"c\")").replace("KEY", "string");
    let texts = texts.replace("WORDS", "string[4](\"c\", \"x\", \"a\", \"c\")").replace("VALUE", "i64");
    check_data(&texts, 17, &[rows.clone(), Datum::Map { keys: names, values }]);
    let values = [0.5f64, -1.0].map(|value| Datum::Tensor(Tensor::scalar(value))).to_vec();
    let numbers = text.replace("KEYS", "i64[3](7, -8, 0)").replace("WORDS", "i64[2](-8, 5)");
    let numbers = numbers.replace("KEY", "i64").replace("VALUE", "f64");
    check_data(&numbers, 17, &[rows, Datum::Map { keys: ints(&[5, 3], &[2]), values }]);
}
