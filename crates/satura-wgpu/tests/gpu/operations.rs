//! Every operation and every store on a device against the kernel interpreter, on ordinary and on special values: the promise that generated text means what the kernel IR says.

use crate::common::{Plans, elementwise, run};
use satura_kernel::{BinaryOp, Builder, Reg, Scalar, Storage, UnaryOp, interpret_plan};
use satura_tensor::{DType, Tensor};
use satura_wgpu::test_gpu;

/// How far a device's result may be from the interpreter's.
#[derive(Clone, Copy, Debug)]
enum Near {
    /// The same bits; any NaN for NaN, and zero for a subnormal, which devices may flush.
    Same,
    /// A few units in the last place.
    Ulps(u32),
    /// A few units in the last place, or absolute: for logarithms, which are exact to an absolute error near 1.
    UlpsOr(u32, f32),
    /// Absolute.
    Within(f32),
    /// Relative: for powers, whose logarithm loses digits in the exponent.
    Relative(f32),
}

fn near(actual: f32, expected: f32, bound: Near) -> bool {
    if expected.is_nan() || actual.is_nan() {
        return expected.is_nan() && actual.is_nan();
    }
    if expected.is_subnormal() && (actual.is_subnormal() || actual == 0.0) || expected == actual {
        return true;
    }
    match bound {
        Near::Same => false,
        Near::Ulps(ulps) => {
            let order =
                |x: f32| if x < 0.0 { -i64::from(x.to_bits() & 0x7fff_ffff) } else { i64::from(x.to_bits()) };
            order(actual).abs_diff(order(expected)) <= ulps.into()
        }
        Near::UlpsOr(ulps, bound) => {
            near(actual, expected, Near::Ulps(ulps)) || near(actual, expected, Near::Within(bound))
        }
        Near::Within(most) => (actual - expected).abs() <= most,
        Near::Relative(most) => (actual - expected).abs() <= most * expected.abs(),
    }
}

/// Special floats, and ordinary ones over many magnitudes.
fn floats() -> Vec<f32> {
    let mut values = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        3.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        65504.0,
        65519.9,
        65520.0,
        1e30,
        -1e30,
        f32::MAX,
        f32::MIN,
        100.0,
        -100.0,
        88.8,
        -88.8,
        2_147_483_600.0,
        2_147_483_648.0,
        -3e9,
        4_294_967_000.0,
        4_294_967_296.0,
        6e-8,
        -3.1e-5,
        1e-20,
        0.999_999_94,
    ];
    let mut x = 0.37f32;
    while values.len() < 96 {
        x = (x * 7.31 + 0.113) % 11.0;
        values.push(if values.len() % 2 == 0 { x - 5.5 } else { x * 0.01 });
    }
    values
}

fn rotated<T: Clone>(values: &[T], by: usize) -> Vec<T> {
    values.iter().cycle().skip(by).take(values.len()).cloned().collect()
}

/// Runs one kernel per case on both, in one plan, and compares.
#[derive(Default)]
struct Cases {
    plans: Plans,
    inputs: Vec<(Tensor, Storage, satura_kernel::PlanBufferId)>,
    cases: Vec<(String, Near)>,
}

impl Cases {
    fn input(&mut self, tensor: Tensor, storage: Storage) {
        let id = self.plans.input(tensor.dtype(), tensor.shape(), storage);
        self.inputs.push((tensor, storage, id));
    }

    /// A case on the inputs of the given numbers.
    fn case(
        &mut self,
        name: &str,
        inputs: &[usize],
        out: (DType, Storage),
        near: Near,
        body: impl FnOnce(&mut Builder, &[Reg]) -> Reg,
    ) {
        let elements = self.inputs[inputs[0]].0.elements();
        let storages: Vec<Storage> = inputs.iter().map(|i| self.inputs[*i].1).collect();
        let kernel = elementwise(name, elements, &storages, out.1, 4, body);
        let kernel = self.plans.kernel(kernel);
        let result = self.plans.output(out.0, &[elements], out.1);
        let mut buffers: Vec<_> = inputs.iter().map(|i| self.inputs[*i].2).collect();
        buffers.push(result);
        self.plans.dispatch(kernel, &buffers, &[]);
        self.cases.push((name.to_owned(), near));
    }

    #[track_caller]
    fn check(self) {
        let Some(gpu) = test_gpu() else { return };
        let inputs: Vec<Tensor> = self.inputs.iter().map(|(t, _, _)| t.clone()).collect();
        let expected = interpret_plan(&self.plans.plan, &inputs).expect("the plan runs on the interpreter");
        let actual = run(&gpu, &self.plans.plan, &inputs);
        let mut wrong = Vec::new();
        for (((name, bound), expected), actual) in self.cases.iter().zip(&expected).zip(&actual) {
            let (Some(e), Some(a)) = (expected.as_slice::<f32>(), actual.as_slice::<f32>()) else {
                if expected != actual {
                    wrong.push(format!("{name}: {actual:?} is not {expected:?}"));
                }
                continue;
            };
            for (i, (e, a)) in e.iter().zip(a.iter()).enumerate() {
                if !near(*a, *e, *bound) {
                    let x: Vec<String> = inputs
                        .iter()
                        .filter_map(|t| Some(format!("{:?}", t.as_slice::<f32>()?.get(i)?)))
                        .collect();
                    wrong.push(format!("{name} of {}: {a:?} is not {e:?} ({bound:?})", x.join(", ")));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn float_operations() {
    let mut cases = Cases::default();
    let x = floats();
    let n = x.len();
    cases.input(Tensor::from_vec(x.clone(), &[n]), Storage::F32);
    cases.input(Tensor::from_vec(rotated(&x, 5), &[n]), Storage::F32);
    cases.input(Tensor::from_vec(rotated(&x, 41), &[n]), Storage::F32);
    let (f32s, bools) = ((DType::F32, Storage::F32), (DType::Bool, Storage::Bool8x4));
    let unary = [
        (UnaryOp::Neg, Near::Same),
        (UnaryOp::Abs, Near::Same),
        (UnaryOp::Sign, Near::Same),
        (UnaryOp::Floor, Near::Same),
        (UnaryOp::Ceil, Near::Same),
        (UnaryOp::Round, Near::Same),
        (UnaryOp::Exp, Near::Ulps(4)),
        (UnaryOp::Log, Near::UlpsOr(4, 5e-7)),
        (UnaryOp::Sqrt, Near::Ulps(2)),
        (UnaryOp::Tanh, Near::Ulps(8)),
        (UnaryOp::Sigmoid, Near::Ulps(8)),
        (UnaryOp::Erf, Near::Ulps(8)),
        (UnaryOp::RoundF16, Near::Same),
        (UnaryOp::RoundBf16, Near::Same),
    ];
    for (op, bound) in unary {
        cases.case(&format!("{op:?}"), &[0], f32s, bound, |b, x| b.unary(op, x[0]));
    }
    cases.case("IsNan", &[0], bools, Near::Same, |b, x| b.unary(UnaryOp::IsNan, x[0]));
    let binary = [
        (BinaryOp::Add, Near::Same),
        (BinaryOp::Sub, Near::Same),
        (BinaryOp::Mul, Near::Same),
        (BinaryOp::Div, Near::Ulps(3)),
        (BinaryOp::Min, Near::Same),
        (BinaryOp::Max, Near::Same),
        (BinaryOp::Pow, Near::Relative(2e-5)),
    ];
    for (op, bound) in binary {
        cases.case(&format!("{op:?}"), &[0, 1], f32s, bound, |b, x| b.binary(op, x[0], x[1]));
    }
    for op in [BinaryOp::Eq, BinaryOp::Lt, BinaryOp::Le] {
        cases.case(&format!("{op:?}"), &[0, 1], bools, Near::Same, |b, x| b.binary(op, x[0], x[1]));
    }
    for (op, c) in [(BinaryOp::Max, 0.0), (BinaryOp::Min, 6.0), (BinaryOp::Pow, 2.0), (BinaryOp::Pow, 3.0)] {
        cases.case(&format!("{op:?} {c}"), &[0], f32s, Near::Ulps(1), |b, x| {
            let c = b.f32(c);
            b.binary(op, x[0], c)
        });
    }
    cases.case("Select", &[0, 1], f32s, Near::Same, |b, x| {
        let less = b.binary(BinaryOp::Lt, x[0], x[1]);
        b.select(less, x[1], x[0])
    });
    for (scalar, dtype, storage) in
        [(Scalar::I32, DType::I32, Storage::I32), (Scalar::U32, DType::U32, Storage::U32)]
    {
        cases.case(&format!("to {scalar:?}"), &[0], (dtype, storage), Near::Same, |b, x| {
            b.convert(scalar, x[0])
        });
    }
    cases.case("to Bool", &[0], bools, Near::Same, |b, x| b.convert(Scalar::Bool, x[0]));
    cases.check();
}

/// Angles of moderate size: devices reduce large ones badly.
#[test]
fn trigonometry_and_remainders() {
    let mut cases = Cases::default();
    let x: Vec<f32> = (0..64).map(|i| (i as f32 - 32.0) * 0.097).collect();
    cases.input(Tensor::from_vec(x.clone(), &[64]), Storage::F32);
    cases.input(Tensor::from_vec(x.iter().map(|x| x * 0.37 + 0.011).collect(), &[64]), Storage::F32);
    let f32s = (DType::F32, Storage::F32);
    cases.case("Sin", &[0], f32s, Near::Within(5e-4), |b, x| b.unary(UnaryOp::Sin, x[0]));
    cases.case("Cos", &[0], f32s, Near::Within(5e-4), |b, x| b.unary(UnaryOp::Cos, x[0]));
    cases.case("Tan", &[1], f32s, Near::Relative(2e-3), |b, x| b.unary(UnaryOp::Tan, x[0]));
    cases.case("Rem", &[0, 1], f32s, Near::Within(2e-6), |b, x| b.binary(BinaryOp::Rem, x[0], x[1]));
    cases.case("Fma", &[0, 1], f32s, Near::Ulps(4), |b, x| b.fma(x[0], x[0], x[1]));
    cases.check();
}

#[test]
fn integer_operations() {
    let values = [0, 1, -1, 2, 7, -7, 31, 100, -100, 65535, i32::MAX, i32::MIN];
    let x: Vec<i32> = values.iter().flat_map(|v| [*v; 12]).collect();
    let y: Vec<i32> = values.iter().cycle().take(144).copied().collect();
    let mut cases = Cases::default();
    for v in [&x, &y] {
        cases.input(Tensor::from_vec(v.clone(), &[144]), Storage::I32);
    }
    for v in [&x, &y] {
        cases.input(Tensor::from_vec(v.iter().map(|i| i.cast_unsigned()).collect(), &[144]), Storage::U32);
    }
    use BinaryOp::{Add, And, Div, Max, Min, Mul, Or, Rem, Shl, Shr, Sub, Xor};
    for (inputs, out) in [([0, 1], (DType::I32, Storage::I32)), ([2, 3], (DType::U32, Storage::U32))] {
        for op in [Add, Sub, Mul, Div, Rem, Min, Max, And, Or, Xor] {
            cases.case(&format!("{op:?} {}", out.0), &inputs, out, Near::Same, |b, x| {
                b.binary(op, x[0], x[1])
            });
        }
        for op in [Shl, Shr] {
            cases.case(&format!("{op:?} {}", out.0), &inputs, out, Near::Same, |b, x| {
                let seven = b.u32(7);
                let ty = b.ty(x[1]).scalar;
                let seven = b.convert(ty, seven);
                let by = b.binary(And, x[1], seven);
                b.binary(op, x[0], by)
            });
        }
        for op in [UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Sign, UnaryOp::Not] {
            cases.case(&format!("{op:?} {}", out.0), &inputs[..1], out, Near::Same, |b, x| b.unary(op, x[0]));
        }
        let f32s = (DType::F32, Storage::F32);
        cases.case(&format!("{} to f32", out.0), &inputs[..1], f32s, Near::Same, |b, x| {
            b.convert(Scalar::F32, x[0])
        });
    }
    cases.check();
}

/// Stores of floats to 16 bits round to nearest, ties to even, and keep NaN and infinity; seen through an integer view of the same bits.
#[test]
fn stores_of_half_floats_round_to_even() {
    let Some(gpu) = test_gpu() else { return };
    let mut values = floats();
    values.extend([1.000_488_3, 1.001_464_8, 1.003_906_3, 1.011_718_8, 2.98e-8, 2.99e-8, 8.9e-8, 6.1e-5]);
    values.extend([f32::from_bits(0x3f80_8000), f32::from_bits(0x3f81_8000), f32::from_bits(0x7f80_0001)]);
    values.resize(values.len().next_multiple_of(4), 0.0);
    let n = values.len();
    let mut stores = vec![(DType::BF16, Storage::BF16x2), (DType::F16, Storage::F16x2)];
    if gpu.profile().f16 {
        stores.push((DType::F16, Storage::F16));
    }
    for (dtype, storage) in stores {
        let mut plans = Plans::default();
        let x = plans.input(DType::F32, &[n], Storage::F32);
        let y = plans.output(dtype, &[n], storage);
        let kernel = plans.kernel(elementwise("round", n, &[Storage::F32], storage, 4, |_, x| x[0]));
        plans.dispatch(kernel, &[x, y], &[]);
        let input = Tensor::from_vec(values.clone(), &[n]);
        let expected = interpret_plan(&plans.plan, std::slice::from_ref(&input))
            .expect("the plan runs on the interpreter");
        let actual = run(&gpu, &plans.plan, &[input]);
        let widen = |t: &Tensor| satura_tensor::cast(t, DType::F32).expect("16-bit floats widen");
        let (expected, actual) = (widen(&expected[0]), widen(&actual[0]));
        let (e, a) = (expected.as_slice::<f32>().expect("f32"), actual.as_slice::<f32>().expect("f32"));
        for i in 0..n {
            assert!(
                near(a[i], e[i], Near::Same),
                "{storage:?} of {:?}: {:?} is not {:?}",
                values[i],
                a[i],
                e[i]
            );
        }
    }
}
