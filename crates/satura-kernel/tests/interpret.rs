//! Kernels and plans on the interpreter: results, and the faults that it must find.

use satura_ir::{Graph, Op, Type, ops};
use satura_kernel::{
    Access, AccessFault, BinaryOp, Binding, BufferKind, Builder, DeviceProfile, Dispatch, HostStep,
    InterpretError, Kernel, Plan, PlanBuffer, PlanBufferId, Reg, Scalar, Step, Storage, SubgroupOp, UnaryOp,
    decode, encode, interpret, interpret_plan, storage_for,
};
use satura_tensor::{DType, Tensor, cast};

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Applies an operation to whole vectors of `f32`, 4 at a time.
#[track_caller]
fn apply(inputs: &[&[f32]], compute: impl FnOnce(&mut Builder, &[Reg]) -> Reg) -> Vec<f32> {
    let n = inputs[0].len();
    let mut b = Builder::new("apply", n.div_ceil(4) as u32);
    let padded = n.next_multiple_of(4);
    let buffers: Vec<_> =
        inputs.iter().map(|_| b.buffer("x", Storage::F32, padded, Access::Read, 4)).collect();
    let out = b.buffer("y", Storage::F32, padded, Access::ReadWrite, 4);
    let (local, four) = (b.local(), b.u32(4));
    let index = b.binary(BinaryOp::Mul, local, four);
    let values: Vec<Reg> = buffers.iter().map(|x| b.load(*x, index, 4)).collect();
    let y = compute(&mut b, &values);
    b.store(out, index, y);
    let mut memory: Vec<Vec<u8>> = inputs.iter().map(|x| bytes(x)).collect();
    memory.push(vec![0; padded * 4]);
    memory.iter_mut().for_each(|m| m.resize(padded * 4, 0));
    interpret(&b.finish(1), &[], &mut memory).unwrap_or_else(|e| panic!("{e}"));
    floats(&memory[inputs.len()])[..n].to_vec()
}

#[track_caller]
fn same(actual: &[f32], expected: &[f32]) {
    let bits = |v: &[f32]| {
        v.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect::<Vec<_>>()
    };
    assert_eq!(bits(actual), bits(expected), "{actual:?} is not {expected:?}");
}

#[test]
fn operations_on_special_floats() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let unary = |op, x: &[f32]| apply(&[x], |b, r| b.unary(op, r[0]));
    let binary = |op, x: &[f32], y: &[f32]| apply(&[x, y], |b, r| b.binary(op, r[0], r[1]));
    same(&unary(UnaryOp::Sign, &[-3.0, 0.0, -0.0, inf, nan]), &[-1.0, 0.0, -0.0, 1.0, nan]);
    same(&unary(UnaryOp::Round, &[0.5, 1.5, 2.5, -0.5, -1.5]), &[0.0, 2.0, 2.0, -0.0, -2.0]);
    same(&unary(UnaryOp::Sigmoid, &[-1000.0, 0.0, 1000.0]), &[0.0, 0.5, 1.0]);
    same(&unary(UnaryOp::Tanh, &[-1000.0, 0.0, 1000.0]), &[-1.0, 0.0, 1.0]);
    same(&unary(UnaryOp::Erf, &[0.0, 0.5, -2.0, 30.0]), &[0.0, 0.520_499_9, -0.995_322_3, 1.0]);
    same(
        &unary(UnaryOp::RoundF16, &[65519.0, 65520.0, -1e-8, 0.1, 3e-8, nan]),
        &[65504.0, inf, -0.0, 0.099_975_586, 5.960_464_5e-8, nan],
    );
    same(&unary(UnaryOp::RoundBf16, &[0.1, 3.4e38, -inf, nan]), &[0.100_097_656, inf, -inf, nan]);
    same(&binary(BinaryOp::Max, &[1.0, nan, 2.0, -0.5], &[3.0, 1.0, nan, -1.0]), &[3.0, nan, nan, -0.5]);
    same(&binary(BinaryOp::Min, &[1.0, nan, 2.0, -0.5], &[3.0, 1.0, nan, -1.0]), &[1.0, nan, nan, -1.0]);
    same(
        &binary(BinaryOp::Pow, &[-2.0, -2.0, 0.0, -1.0, nan], &[3.0, 0.5, -1.0, inf, 0.0]),
        &[-8.0, nan, inf, 1.0, 1.0],
    );
    same(&binary(BinaryOp::Rem, &[5.5, -5.5, 1.0], &[2.0, 2.0, inf]), &[1.5, -1.5, 1.0]);
    let to_int = apply(&[&[1.9, -1.9, 3e9, nan]], |b, r| {
        let i = b.convert(Scalar::I32, r[0]);
        b.convert(Scalar::F32, i)
    });
    same(&to_int, &[1.0, -1.0, 2_147_483_647.0, 0.0]);
}

#[test]
fn integers_wrap_and_division_by_zero_gives_zero() {
    let mut b = Builder::new("ints", 1);
    let out = b.buffer("y", Storage::I32, 6, Access::ReadWrite, 1);
    let (least, minus, zero, seven) = (b.i32(i32::MIN), b.i32(-1), b.i32(0), b.i32(7));
    let results = [
        b.binary(BinaryOp::Div, seven, zero),
        b.binary(BinaryOp::Rem, seven, zero),
        b.binary(BinaryOp::Div, least, minus),
        b.binary(BinaryOp::Add, least, minus),
        b.unary(UnaryOp::Neg, least),
        b.binary(BinaryOp::Shr, minus, seven),
    ];
    for (i, r) in results.into_iter().enumerate() {
        let at = b.u32(i as u32);
        b.store(out, at, r);
    }
    let mut memory = vec![vec![0; 24]];
    interpret(&b.finish(1), &[], &mut memory).unwrap_or_else(|e| panic!("{e}"));
    let got: Vec<i32> = memory[0].as_chunks::<4>().0.iter().map(|c| i32::from_le_bytes(*c)).collect();
    assert_eq!(got, [0, 0, i32::MIN, i32::MAX, i32::MIN, -1]);
}

/// Copies `values` with whole-word stores, through registers.
fn through(storage: Storage, tensor: &Tensor) -> Tensor {
    let n = tensor.elements();
    let per_word = storage.per_word();
    let width = per_word.max(2);
    let mut b = Builder::new("copy", n.div_ceil(width) as u32);
    let x = b.buffer("x", storage, n.next_multiple_of(width), Access::Read, 1);
    let y = b.buffer("y", storage, n.next_multiple_of(width), Access::ReadWrite, 1);
    let (local, step) = (b.local(), b.u32(width as u32));
    let index = b.binary(BinaryOp::Mul, local, step);
    let v = b.load(x, index, width as u8);
    b.store(y, index, v);
    let input = encode(tensor, storage).unwrap_or_else(|e| panic!("{e}")).into_owned();
    let mut memory = vec![input.clone(), vec![0; input.len()]];
    interpret(&b.finish(1), &[], &mut memory).unwrap_or_else(|e| panic!("{e}"));
    decode(&memory[1], tensor.dtype(), tensor.shape(), storage).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_storage_survives_a_round_trip() {
    let tensors = [
        Tensor::from_vec(vec![1.5f32, -0.0, f32::INFINITY], &[3]),
        Tensor::from_vec([1.5, -2.0, 65504.0, 6e-8, 0.1].map(half::f16::from_f32).to_vec(), &[5]),
        Tensor::from_vec([1.5, -2.0, 3e38].map(half::bf16::from_f32).to_vec(), &[3]),
        Tensor::from_vec(vec![i64::from(i32::MIN), -1, 5], &[3]),
        Tensor::from_vec(vec![u64::from(u32::MAX), 7], &[2]),
        Tensor::from_vec(vec![-5i32, 5], &[2]),
        Tensor::from_vec(vec![u32::MAX], &[]),
        Tensor::from_vec(vec![-5i16, 300, 7], &[3]),
        Tensor::from_vec(vec![65535u16, 3], &[2]),
        Tensor::from_vec(vec![-128i8, 127, -1, 0, 5], &[5]),
        Tensor::from_vec(vec![255u8, 1, 2, 3, 4, 5, 6], &[7]),
        Tensor::from_bools(&[true, false, true, true, false, true], &[2, 3]),
        small(DType::I4, &[-8, 7, -1, 0, 3]),
        small(DType::U4, &[15, 0, 9]),
        small(DType::I2, &[-2, 1, -1, 0, 1, -2, 0]),
        small(DType::U2, &[3, 0, 2, 1, 3]),
        small(DType::F4E2M1, &[-6, 4, 1]),
        small(DType::F8E4M3FN, &[-448, 2, 0]),
    ];
    for profile in [DeviceProfile::web(), DeviceProfile::lavapipe8()] {
        for tensor in &tensors {
            let storage = storage_for(tensor.dtype(), &profile).expect("these dtypes live on devices");
            assert_eq!(through(storage, tensor), *tensor, "{storage:?}");
        }
    }
}

/// Whole numbers in a small dtype.
fn small(dtype: DType, values: &[i32]) -> Tensor {
    cast(&Tensor::from_vec(values.to_vec(), &[values.len()]), dtype)
        .expect("numbers have every numeric dtype")
}

#[test]
fn integers_that_do_not_fit_are_an_error() {
    let tensor = Tensor::from_vec(vec![1i64, 1 << 31], &[2]);
    let error = encode(&tensor, Storage::I32).expect_err("2^31 does not fit");
    assert_eq!(
        error.to_string(),
        "element 1 is 2147483648, which does not fit the 32 bits that devices compute with"
    );
    assert_eq!(storage_for(DType::F64, &DeviceProfile::web()), None);
    assert!(encode(&tensor, Storage::F32).is_err());
    let wide = Tensor::from_vec(vec![1.25f64, -3.5], &[2]);
    let raw = encode(&wide, Storage::U32).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(decode(&raw, DType::F64, &[2], Storage::U32), Ok(wide.clone()));
}

/// Sums rows with a workgroup of 16, subgroups of 4, shared memory and a barrier.
fn row_sum(rows: u32, columns: u32, barrier: bool) -> Kernel {
    let mut b = Builder::new("row_sum", 16);
    b.set_subgroup_size(4);
    let x = b.buffer("x", Storage::F32, (rows * columns) as usize, Access::Read, 1);
    let y = b.buffer("y", Storage::F32, rows as usize, Access::ReadWrite, 1);
    let shared = b.shared(Scalar::F32, 4);
    let (group, local, lane, n) = (b.group(), b.local(), b.lane(), b.param(0));
    let (zero, four, none) = (b.f32(0.0), b.u32(4), b.u32(0));
    let row = b.binary(BinaryOp::Mul, group, n);
    let total = b.declare(zero);
    b.for_range(local, n, 16, |b, i| {
        let at = b.binary(BinaryOp::Add, row, i);
        let (v, old) = (b.load(x, at, 1), b.get(total));
        let sum = b.binary(BinaryOp::Add, old, v);
        b.set(total, sum);
    });
    let value = b.get(total);
    let value = b.subgroup(SubgroupOp::Add, value);
    let subgroup = b.binary(BinaryOp::Div, local, four);
    let first = b.binary(BinaryOp::Eq, lane, none);
    b.if_then(first, |b| b.store_shared(shared, subgroup, value));
    if barrier {
        b.barrier();
    }
    let leader = b.binary(BinaryOp::Eq, local, none);
    b.if_then(leader, |b| {
        let parts: Vec<Reg> = (0..4)
            .map(|i| {
                let i = b.u32(i);
                b.load_shared(shared, i)
            })
            .collect();
        let sum = parts.into_iter().reduce(|a, p| b.binary(BinaryOp::Add, a, p)).expect("four parts");
        b.store(y, group, sum);
    });
    b.finish(rows)
}

#[test]
fn loops_subgroups_and_shared_memory_add_up() {
    let values: Vec<f32> = (0..3 * 37).map(|i| i as f32).collect();
    let mut memory = vec![bytes(&values), vec![0; 12]];
    interpret(&row_sum(3, 37, true), &[37], &mut memory).unwrap_or_else(|e| panic!("{e}"));
    let expected: Vec<f32> = values.chunks(37).map(|row| row.iter().sum()).collect();
    assert_eq!(floats(&memory[1]), expected);
}

#[track_caller]
fn fault(kernel: &Kernel, params: &[u32], memory: &mut [Vec<u8>]) -> (AccessFault, String) {
    match interpret(kernel, params, memory) {
        Err(error @ InterpretError::Access { fault, .. }) => (fault, error.to_string()),
        other => panic!("no fault but {other:?}"),
    }
}

#[test]
fn a_missing_barrier_is_found() {
    let mut memory = vec![vec![0; 3 * 37 * 4], vec![0; 12]];
    let (fault, text) = fault(&row_sum(3, 37, false), &[37], &mut memory);
    assert_eq!(fault, AccessFault::Race);
    assert_eq!(
        text,
        "kernel `row_sum`, workgroup 0, invocation 0: element 1 of shared 0 is touched by another invocation at the same time"
    );
}

#[test]
fn access_out_of_bounds_is_found() {
    let mut memory = vec![vec![0; 3 * 37 * 4], vec![0; 12]];
    let (fault, text) = fault(&row_sum(3, 37, true), &[38], &mut memory);
    assert_eq!(fault, AccessFault::OutOfBounds(111));
    assert_eq!(
        text,
        "kernel `row_sum`, workgroup 2, invocation 3: element 111 of buffer `x` is out of bounds: there are 111 elements"
    );
}

#[test]
fn unwritten_shared_memory_and_racing_or_split_stores_are_found() {
    let mut b = Builder::new("unwritten", 2);
    let y = b.buffer("y", Storage::F32, 2, Access::ReadWrite, 1);
    let (shared, local) = (b.shared(Scalar::F32, 2), b.local());
    let v = b.load_shared(shared, local);
    b.store(y, local, v);
    assert_eq!(fault(&b.finish(1), &[], &mut [vec![0; 8]]).0, AccessFault::Uninitialised);

    let mut b = Builder::new("race", 2);
    let y = b.buffer("y", Storage::U32, 2, Access::ReadWrite, 1);
    let (local, zero) = (b.local(), b.u32(0));
    b.store(y, zero, local);
    assert_eq!(fault(&b.finish(1), &[], &mut [vec![0; 8]]).0, AccessFault::Race);

    let mut b = Builder::new("split", 2);
    let y = b.buffer("y", Storage::U8x4, 8, Access::ReadWrite, 1);
    let local = b.local();
    let four = b.widen(local, 4);
    b.store(y, local, four);
    assert_eq!(fault(&b.finish(1), &[], &mut [vec![0; 8]]).0, AccessFault::Misaligned);
}

/// `y[i] = x[i] + 1` for 4 elements.
fn increment() -> Kernel {
    let mut b = Builder::new("increment", 4);
    let x = b.buffer("x", Storage::F32, 4, Access::Read, 1);
    let y = b.buffer("y", Storage::F32, 4, Access::ReadWrite, 1);
    let (local, one) = (b.local(), b.f32(1.0));
    let v = b.load(x, local, 1);
    let v = b.binary(BinaryOp::Add, v, one);
    b.store(y, local, v);
    b.finish(1)
}

/// Input 0 -> kernel -> temporary -> host `neg` -> temporary -> kernel -> output.
fn plan(arenas: [u32; 2]) -> Plan {
    let buffer = |kind, arena: Option<u32>| PlanBuffer {
        kind,
        dtype: DType::F32,
        shape: vec![4],
        storage: Storage::F32,
        bytes: 16,
        arena,
        offset: 0,
        name: "b".to_owned(),
    };
    let dispatch = |from, to| {
        let binding = |id| Binding { buffer: PlanBufferId(id), offset: 0, bytes: 16 };
        let bindings = vec![binding(from), binding(to)];
        Step::Dispatch(Dispatch {
            kernel: 0,
            bindings,
            params: Vec::new(),
            label: "add".to_owned(),
            schedule: None,
        })
    };
    let mut graph = Graph::new("host");
    let x = graph.add_input("x", Type::of(DType::F32, &[4]));
    let y = graph.add_node(Op::Neg(ops::Neg {}), vec![x], Vec::new()).unwrap_or_else(|e| panic!("{e:?}"));
    graph.add_output("y", y[0]);
    let host = HostStep {
        graph,
        reads: vec![PlanBufferId(1)],
        writes: vec![PlanBufferId(2)],
        op: "neg".to_owned(),
        node: "n".to_owned(),
        reason: "test".to_owned(),
    };
    Plan {
        kernels: vec![increment()],
        buffers: vec![
            buffer(BufferKind::Input(0), None),
            buffer(BufferKind::Temporary, Some(arenas[0])),
            buffer(BufferKind::Temporary, Some(arenas[1])),
            buffer(BufferKind::Output(0), None),
        ],
        steps: vec![dispatch(0, 1), Step::Host(Box::new(host)), dispatch(2, 3), dispatch(2, 1)],
        arenas: vec![16, 16],
        outputs: vec![PlanBufferId(3)],
        inputs: vec![Some(PlanBufferId(0))],
    }
}

#[test]
fn plans_run_on_device_and_host() {
    let input = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], &[4]);
    let outputs = interpret_plan(&plan([0, 1]), &[input]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(outputs, [Tensor::from_vec(vec![-1.0f32, -2.0, -3.0, -4.0], &[4])]);
}

#[test]
fn plans_that_read_and_write_one_device_buffer_are_found() {
    let input = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], &[4]);
    let error = interpret_plan(&plan([1, 1]), &[input]).expect_err("both temporaries lie in arena 1");
    assert_eq!(
        error.to_string(),
        "the plan is wrong: add: `y` is written and `x` lies in the same device buffer"
    );
}
