//! Floats of 8 bits and fewer on devices: every code decodes, and every value on and beside a border of rounding encodes, as in the reference evaluator.

use satura_ir::{Emit, Graph, Type, evaluate, ops};
use satura_kernel::{DeviceProfile, interpret_plan};
use satura_lower::{LowerOptions, lower};
use satura_tensor::{DType, Elements, SmallFloat, SpecialValues, Tensor};

/// `x` cast to a dtype by the reference evaluator and by a kernel; neither may run it on the host.
fn casts(x: &Tensor, to: DType) -> [Tensor; 2] {
    let mut graph = Graph::new("cast");
    let input = graph.add_input("x", Type::of(x.dtype(), x.shape()));
    let emit: &mut dyn Emit = &mut graph;
    let output = emit.one(ops::Cast { to }, &[input]).expect("a cast takes any dtype");
    graph.add_output("y", output);
    let plan = lower(&graph, &DeviceProfile::web(), &LowerOptions::default()).expect("it has kernels");
    assert!(!plan.kernels.is_empty(), "a cast from {} to {to} runs on the host", x.dtype());
    let mut results = [evaluate(&graph, std::slice::from_ref(x)).expect("it evaluates"), Vec::new()];
    results[1] = interpret_plan(&plan, std::slice::from_ref(x)).expect("it runs");
    results.map(|mut outputs| outputs.remove(0))
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    match tensor.to_elements() {
        Elements::Float(values) => values,
        other => panic!("{other:?} are no floats"),
    }
}

/// Bit-equal values, any NaN for NaN.
#[track_caller]
fn same(x: &Tensor, to: DType) {
    let [expected, actual] = casts(x, to);
    let (inputs, expected, actual) = (floats(x), floats(&expected), floats(&actual));
    for i in 0..inputs.len() {
        let equal =
            expected[i].to_bits() == actual[i].to_bits() || (expected[i].is_nan() && actual[i].is_nan());
        assert!(equal, "{} {:e} to {to}: {:e}, expected {:e}", x.dtype(), inputs[i], actual[i], expected[i]);
    }
}

fn formats() -> Vec<(DType, SmallFloat)> {
    DType::all().filter_map(|dtype| Some((dtype, SmallFloat::of(dtype)?))).collect()
}

#[test]
fn every_code_decodes() {
    let formats = formats();
    assert_eq!(formats.len(), 6);
    for (dtype, _) in formats {
        let count = 1usize << dtype.bits();
        let bytes: Vec<u8> = if dtype.bits() == 8 {
            (0..=255).collect()
        } else {
            (0..count as u8).step_by(2).map(|code| code | ((code + 1) << 4)).collect()
        };
        let codes = Tensor::from_bytes(dtype, &[count], bytes.into()).expect("one code an element");
        same(&codes, DType::F32);
    }
}

#[test]
fn borders_of_rounding_encode() {
    for (dtype, format) in formats() {
        if format.special == SpecialValues::Scale {
            continue;
        }
        let mut values = vec![f32::INFINITY, f32::MAX, 1e30, 1e-30, f32::MIN_POSITIVE, f32::NAN];
        for code in 0..format.sign_bit() as u8 {
            let (value, next) = (format.decode(code) as f32, format.decode(code + 1) as f32);
            let middle = if next.is_finite() && next > value { (value + next) / 2.0 } else { value * 1.0625 };
            values.extend([value, middle, middle.next_up(), middle.next_down(), value.next_up()]);
        }
        values.extend(values.clone().iter().map(|x| -x));
        let count = values.len();
        same(&Tensor::from_vec(values, &[count]), dtype);
    }
}
