//! Plans on whatever adapter this machine has: kernels of each kind, memory, parameters, steps on the host.

use crate::common::{Plans, compile, elementwise, guarded, invocation, run, scale, skipped};
use satura_ir::{ExecError, OpRegistry, Runnable, parse_module};
use satura_kernel::{
    Access, BinaryOp, Binding, Builder, Dispatch, HostStep, Scalar, Step, Storage, SubgroupOp, UnaryOp,
};
use satura_tensor::{DType, Element, Tensor, cast};
use satura_wgpu::{Gpu, PlanOptions, test_gpu};

fn floats(count: usize) -> Tensor {
    Tensor::from_vec((0..count).map(|i| (i as f32 * 0.37).sin() * 8.0).collect(), &[count])
}

fn values<T: Element>(tensor: &Tensor) -> Vec<T> {
    tensor.as_slice::<T>().expect("of that dtype").into_owned()
}

#[test]
fn elementwise_chain_through_two_arenas() {
    let Some(gpu) = test_gpu() else { return };
    let n = 1000;
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[n], Storage::F32);
    // The first temporary of an arena only moves the next one to an offset.
    p.temporary(DType::F32, &[17], Storage::F32, 0);
    let a = p.temporary(DType::F32, &[n], Storage::F32, 0);
    p.temporary(DType::F32, &[3], Storage::F32, 1);
    let b = p.temporary(DType::F32, &[n], Storage::F32, 1);
    let out = p.output(DType::F32, &[n], Storage::F32);
    let kernel = p.kernel(elementwise("double_plus_one", n, &[Storage::F32], Storage::F32, 4, |b, v| {
        let (two, one) = (b.f32(2.0), b.f32(1.0));
        b.fma(v[0], two, one)
    }));
    p.dispatch(kernel, &[x, a], &[]);
    p.dispatch(kernel, &[a, b], &[]);
    p.dispatch(kernel, &[b, out], &[]);
    let x = Tensor::from_vec((0..n).map(|i| i as f32).collect(), &[n]);
    let y = run(&gpu, &p.plan, &[x]);
    let expected: Vec<f32> = (0..n).map(|i| i as f32 * 8.0 + 7.0).collect();
    assert_eq!(values::<f32>(&y[0]), expected);

    let report = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles").report();
    assert_eq!((report.kernels, report.peak_bytes), (3, p.plan.peak_bytes()));
}

#[test]
fn equal_kernels_become_one_pipeline() {
    let Some(gpu) = test_gpu() else { return };
    let n = 64;
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[n], Storage::F32);
    let a = p.temporary(DType::F32, &[n], Storage::F32, 0);
    let out = p.output(DType::F32, &[n], Storage::F32);
    let negate =
        || elementwise("negate", n, &[Storage::F32], Storage::F32, 1, |b, v| b.unary(UnaryOp::Neg, v[0]));
    let (first, second) = (p.kernel(negate()), p.kernel(negate()));
    p.dispatch(first, &[x, a], &[]);
    p.dispatch(second, &[a, out], &[]);
    let mut compiled = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles");
    assert_eq!(compiled.stats().pipelines, 1);
    assert_eq!(compiled.run(&[floats(n)]).expect("the plan runs"), [floats(n)]);
    assert_eq!(compiled.time(&[floats(n)], 3).expect("the plan runs").len(), 3);
}

/// `x + x` in each storage that packs elements into words, on a number of elements that fills no word.
#[track_caller]
fn check_packed(gpu: &Gpu, dtype: DType, storage: Storage) {
    let n = 37;
    let width = storage.per_word().max(2) as u8;
    let mut p = Plans::default();
    let x = p.input(dtype, &[n], storage);
    let w = p.weight(&cast(&floats(n), dtype).expect("a number"), storage);
    let out = p.output(dtype, &[n], storage);
    let padded = n.next_multiple_of(width as usize);
    let kernel = elementwise("add", padded, &[storage, storage], storage, width, |b, v| {
        let op = if storage.scalar() == Scalar::Bool { BinaryOp::Xor } else { BinaryOp::Add };
        b.binary(op, v[0], v[1])
    });
    let kernel = p.kernel(kernel);
    p.dispatch(kernel, &[x, w, out], &[]);
    let input =
        cast(&Tensor::from_vec((0..n).map(|i| i as f32 - 3.0).collect(), &[n]), dtype).expect("a number");
    let y = run(gpu, &p.plan, std::slice::from_ref(&input));
    let (a, b) = (cast(&input, DType::F64).expect("a number"), floats(n));
    let b = cast(&cast(&b, dtype).expect("a number"), DType::F64).expect("a number");
    let add = |(a, b): (f64, f64)| if dtype == DType::Bool { f64::from(a != b) } else { a + b };
    let sum: Vec<f64> = values::<f64>(&a).into_iter().zip(values::<f64>(&b)).map(add).collect();
    let expected = if dtype.is_int() {
        let wrapped = Tensor::from_vec(sum.iter().map(|x| *x as i64).collect(), &[n]);
        cast(&wrapped, dtype).expect("a number")
    } else {
        cast(&Tensor::from_vec(sum, &[n]), dtype).expect("a number")
    };
    assert_eq!(y[0], expected, "{dtype} in {storage:?}");
}

#[test]
fn packed_storages() {
    let Some(gpu) = test_gpu() else { return };
    check_packed(&gpu, DType::F32, Storage::F32);
    check_packed(&gpu, DType::I64, Storage::I32);
    check_packed(&gpu, DType::I32, Storage::I32);
    check_packed(&gpu, DType::U32, Storage::U32);
    check_packed(&gpu, DType::F16, Storage::F16x2);
    check_packed(&gpu, DType::BF16, Storage::BF16x2);
    check_packed(&gpu, DType::U8, Storage::U8x4);
    check_packed(&gpu, DType::I8, Storage::I8x4);
    check_packed(&gpu, DType::U16, Storage::U16x2);
    check_packed(&gpu, DType::I16, Storage::I16x2);
    check_packed(&gpu, DType::Bool, Storage::Bool8x4);
    if gpu.profile().f16 {
        check_packed(&gpu, DType::F16, Storage::F16);
    }
}

#[test]
fn integers_beyond_32_bits_are_refused() {
    let Some(gpu) = test_gpu() else { return };
    let mut p = Plans::default();
    let x = p.input(DType::I64, &[2], Storage::I32);
    let out = p.output(DType::I64, &[2], Storage::I32);
    let kernel = p.kernel(elementwise("copy", 2, &[Storage::I32], Storage::I32, 1, |_, v| v[0]));
    p.dispatch(kernel, &[x, out], &[]);
    let mut compiled = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles");
    let error = compiled.run(&[Tensor::from_vec(vec![0i64, 1 << 40], &[2])]).expect_err("out of range");
    assert!(matches!(error, ExecError::Unsupported(_)), "{error}");
    let ok = Tensor::from_vec(vec![i64::from(i32::MIN), -1], &[2]);
    assert_eq!(compiled.run(std::slice::from_ref(&ok)).expect("in range"), [ok]);
}

#[test]
fn subgroups_reduce_and_broadcast() {
    let Some(gpu) = test_gpu() else { return };
    let Some(size) = gpu.profile().subgroup_size else {
        skipped("the adapter has no exact subgroup size");
        return;
    };
    let rows = 5u32;
    let mut b = Builder::new("row_sum_times_first", size);
    b.set_subgroup_size(size);
    let from = b.buffer("x", Storage::F32, (rows * size) as usize, Access::Read, 1);
    let to = b.buffer("y", Storage::F32, (rows * size) as usize, Access::ReadWrite, 1);
    let (group, lane) = (b.group(), b.lane());
    let start = scale(&mut b, group, size);
    let index = b.binary(BinaryOp::Add, start, lane);
    let x = b.load(from, index, 1);
    let sum = b.subgroup(SubgroupOp::Add, x);
    let second = b.broadcast(x, 1);
    let product = b.binary(BinaryOp::Mul, sum, second);
    b.store(to, index, product);
    let n = (rows * size) as usize;
    let mut p = Plans::default();
    let input = p.input(DType::F32, &[n], Storage::F32);
    let output = p.output(DType::F32, &[n], Storage::F32);
    let kernel = p.kernel(b.finish(rows));
    p.dispatch(kernel, &[input, output], &[]);
    let x: Vec<f32> = (0..n).map(|i| (i % 13) as f32).collect();
    let expected: Vec<f32> =
        x.chunks(size as usize).flat_map(|row| vec![row.iter().sum::<f32>() * row[1]; row.len()]).collect();
    let y = run(&gpu, &p.plan, &[Tensor::from_vec(x, &[n])]);
    assert_eq!(values::<f32>(&y[0]), expected);
}

#[test]
fn shared_memory_reverses_a_workgroup() {
    let Some(gpu) = test_gpu() else { return };
    let (size, groups) = (64u32, 3u32);
    let n = (size * groups) as usize;
    let mut b = Builder::new("reverse", size);
    let from = b.buffer("x", Storage::I32, n, Access::Read, 1);
    let to = b.buffer("y", Storage::I32, n, Access::ReadWrite, 1);
    let shared = b.shared(Scalar::I32, size as usize);
    let (local, index) = (b.local(), invocation(&mut b, size));
    let x = b.load(from, index, 1);
    b.store_shared(shared, local, x);
    b.barrier();
    let last = b.u32(size - 1);
    let mirrored = b.binary(BinaryOp::Sub, last, local);
    let x = b.load_shared(shared, mirrored);
    b.store(to, index, x);
    let mut p = Plans::default();
    let input = p.input(DType::I32, &[n], Storage::I32);
    let output = p.output(DType::I32, &[n], Storage::I32);
    let kernel = p.kernel(b.finish(groups));
    p.dispatch(kernel, &[input, output], &[]);
    let x: Vec<i32> = (0..n as i32).collect();
    let expected: Vec<i32> = x.chunks(size as usize).flat_map(|c| c.iter().rev().copied()).collect();
    let y = run(&gpu, &p.plan, &[Tensor::from_vec(x, &[n])]);
    assert_eq!(values::<i32>(&y[0]), expected);
}

#[test]
fn grids_above_the_limit_of_one_dimension() {
    let Some(gpu) = test_gpu() else { return };
    let groups = gpu.profile().max_groups_per_dimension.min(100_000) + 4321;
    let mut b = Builder::new("number", 1);
    let to = b.buffer("y", Storage::U32, groups as usize, Access::ReadWrite, 1);
    let group = b.group();
    let value = scale(&mut b, group, 3);
    b.store(to, group, value);
    let mut p = Plans::default();
    let output = p.output(DType::U32, &[groups as usize], Storage::U32);
    let kernel = p.kernel(b.finish(groups));
    p.dispatch(kernel, &[output], &[]);
    let y = run(&gpu, &p.plan, &[]);
    let expected: Vec<u32> = (0..groups).map(|g| g * 3).collect();
    assert!(values::<u32>(&y[0]) == expected);
}

/// A kernel with as many parameters: writes each of them.
fn check_params(gpu: &Gpu, count: u32) {
    let mut b = Builder::new("parameters", 1);
    let to = b.buffer("y", Storage::U32, count as usize, Access::ReadWrite, 1);
    for i in 0..count {
        let (index, param) = (b.u32(i), b.param(i));
        b.store(to, index, param);
    }
    let mut p = Plans::default();
    let first = p.output(DType::U32, &[count as usize], Storage::U32);
    let second = p.output(DType::U32, &[count as usize], Storage::U32);
    let kernel = p.kernel(b.finish(1));
    let params: Vec<u32> = (0..count).map(|i| i * i + 1).collect();
    let others: Vec<u32> = (0..count).map(|i| u32::MAX - i).collect();
    p.dispatch(kernel, &[first], &params);
    p.dispatch(kernel, &[second], &others);
    let y = run(gpu, &p.plan, &[]);
    assert_eq!((values::<u32>(&y[0]), values::<u32>(&y[1])), (params, others));
}

#[test]
fn parameters_as_immediates_and_in_a_uniform_buffer() {
    let Some(gpu) = test_gpu() else { return };
    check_params(&gpu, 3);
    // More than the immediates of any device hold.
    check_params(&gpu, 100);
}

#[test]
fn parts_of_buffers_are_bound() {
    let Some(gpu) = test_gpu() else { return };
    let half = 64usize;
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[2 * half], Storage::F32);
    let out = p.output(DType::F32, &[2 * half], Storage::F32);
    let kernel =
        elementwise("negate", half, &[Storage::F32], Storage::F32, 1, |b, v| b.unary(UnaryOp::Neg, v[0]));
    let kernel = p.kernel(kernel);
    let (bytes, label) = (4 * half as u64, "swap halves".to_owned());
    for (from, to) in [(0, bytes), (bytes, 0)] {
        let bindings =
            vec![Binding { buffer: x, offset: from, bytes }, Binding { buffer: out, offset: to, bytes }];
        p.plan.steps.push(Step::Dispatch(Dispatch {
            kernel,
            bindings,
            params: Vec::new(),
            label: label.clone(),
            schedule: None,
        }));
    }
    let y = run(&gpu, &p.plan, &[floats(2 * half)]);
    let x = values::<f32>(&floats(2 * half));
    let expected: Vec<f32> = x[half..].iter().chain(&x[..half]).map(|v| -v).collect();
    assert_eq!(values::<f32>(&y[0]), expected);
}

#[test]
fn many_weights_share_buffers() {
    let Some(gpu) = test_gpu() else { return };
    let n = 5;
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[n], Storage::F32);
    let mut current = x;
    let kernel = elementwise("add", n, &[Storage::F32, Storage::F32], Storage::F32, 1, |b, v| {
        b.binary(BinaryOp::Add, v[0], v[1])
    });
    let kernel = p.kernel(kernel);
    for i in 0..100u32 {
        let w = p.weight(&Tensor::from_vec(vec![i as f32; n], &[n]), Storage::F32);
        let next = if i == 99 {
            p.output(DType::F32, &[n], Storage::F32)
        } else {
            p.temporary(DType::F32, &[n], Storage::F32, i % 2)
        };
        p.dispatch(kernel, &[current, w, next], &[]);
        current = next;
    }
    let y = run(&gpu, &p.plan, &[Tensor::from_vec(vec![0.5f32; n], &[n])]);
    assert_eq!(values::<f32>(&y[0]), vec![4950.5; n]);
}

/// A plan `y = neg(host(neg(x)))`, where the host sorts nothing and adds a weight.
fn with_host_step() -> Plans {
    let n = 6;
    let text =
        "graph @host(%x: f32[6], %w: f32[6], %y: f32[6]) { %0 = add %x, %w %1 = mul %0, %y return %1 }";
    let module = parse_module(text, &Default::default(), &OpRegistry::default()).expect("a valid text");
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[n], Storage::F32);
    let only_host = p.input(DType::F32, &[n], Storage::F32);
    let w = p.weight(&Tensor::from_vec(vec![10.0f32; n], &[n]), Storage::F32);
    let a = p.temporary(DType::F32, &[n], Storage::F32, 0);
    let b = p.temporary(DType::F32, &[n], Storage::F32, 1);
    let out = p.output(DType::F32, &[n], Storage::F32);
    let kernel =
        elementwise("negate", n, &[Storage::F32], Storage::F32, 1, |b, v| b.unary(UnaryOp::Neg, v[0]));
    let kernel = p.kernel(kernel);
    p.dispatch(kernel, &[x, a], &[]);
    p.plan.steps.push(Step::Host(Box::new(HostStep {
        graph: module.graphs[0].clone(),
        reads: vec![a, w, only_host],
        writes: vec![b],
        op: "add".to_owned(),
        node: "sum".to_owned(),
        reason: "a test".to_owned(),
    })));
    p.dispatch(kernel, &[b, out], &[]);
    // Outputs that the device never touches: an input, a weight, and a value of the host.
    p.plan.outputs.extend([only_host, w, b]);
    p
}

#[test]
fn steps_on_the_host_split_the_pass() {
    let Some(gpu) = test_gpu() else { return };
    let p = with_host_step();
    let x = Tensor::from_vec(vec![0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], &[6]);
    let factor = Tensor::from_vec(vec![2.0f32; 6], &[6]);
    let y = run(&gpu, &p.plan, &[x, factor.clone()]);
    assert_eq!(values::<f32>(&y[0]), [-20.0, -18.0, -16.0, -14.0, -12.0, -10.0]);
    assert_eq!(y[1], factor);
    assert_eq!(values::<f32>(&y[2]), [10.0; 6]);
    assert_eq!(values::<f32>(&y[3]), [20.0, 18.0, 16.0, 14.0, 12.0, 10.0]);
    let report = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles").report();
    assert_eq!((report.kernels, report.fallbacks.len()), (2, 1));
    assert_eq!(report.fallbacks[0].reason, "a test");
}

#[test]
fn dispatches_are_timed_one_by_one() {
    let Some(gpu) = test_gpu() else { return };
    let p = with_host_step();
    let inputs = [floats(6), floats(6)];
    let mut compiled = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles");
    match compiled.profile(&inputs) {
        Ok(times) => {
            let labels: Vec<&str> = times.iter().map(|t| t.label.as_str()).collect();
            assert_eq!(labels, ["negate 0", "negate 2"]);
            assert!(times.iter().all(|t| t.nanoseconds >= 0.0 && t.nanoseconds < 1e10), "{times:?}");
        }
        Err(error) => assert!(matches!(error, ExecError::Unsupported(_)), "{error}"),
    }
}

#[test]
fn wrong_inputs_are_errors() {
    let Some(gpu) = test_gpu() else { return };
    let p = with_host_step();
    let mut compiled = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles");
    let wrong: [&[Tensor]; 3] =
        [&[floats(6)], &[floats(6), floats(5)], &[floats(6), Tensor::from_vec(vec![1i32; 6], &[6])]];
    for inputs in wrong {
        let error = compiled.run(inputs).expect_err("inputs that do not fit");
        assert!(matches!(error, ExecError::Input { .. }), "{error}");
    }
    compiled.run(&[floats(6), floats(6)]).expect("the plan still runs");
}

#[test]
fn broken_plans_are_errors() {
    let Some(gpu) = test_gpu() else { return };
    let check = |edit: &dyn Fn(&mut Plans), expected: &str| {
        let mut p = with_host_step();
        edit(&mut p);
        let error = compile(&gpu, &p.plan, &PlanOptions::default()).map(|_| ()).expect_err("a broken plan");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let first = |p: &mut Plans, edit: &dyn Fn(&mut Dispatch)| match &mut p.plan.steps[0] {
        Step::Dispatch(dispatch) => edit(dispatch),
        Step::Host(_) => panic!("the first step is a dispatch"),
    };
    check(&|p| first(p, &|d| d.kernel = 7), "no such kernel");
    check(&|p| first(p, &|d| d.bindings.truncate(1)), "bindings or parameters");
    check(&|p| first(p, &|d| d.bindings[0].offset = 16), "beyond its buffer");
    check(&|p| first(p, &|d| d.bindings[0].bytes = 16), "smaller than the kernel's buffer");
    check(&|p| first(p, &|d| d.bindings[1].buffer = d.bindings[0].buffer), "in one device buffer");
    check(&|p| p.plan.outputs.push(satura_kernel::PlanBufferId(99)), "does not have");
    // More than any device gives in one buffer.
    check(&|p| p.plan.arenas[0] = 1 << 50, "allows");
}

#[test]
fn kernels_beyond_the_device_are_errors() {
    let Some(gpu) = test_gpu() else { return };
    let mut b = Builder::new("huge", 4096);
    let to = b.buffer("y", Storage::U32, 4096, Access::ReadWrite, 1);
    let local = b.local();
    guarded(&mut b, local, 4096, |b| b.store(to, local, local));
    let mut p = Plans::default();
    let out = p.output(DType::U32, &[4096], Storage::U32);
    let kernel = p.kernel(b.finish(1));
    p.dispatch(kernel, &[out], &[]);
    let error =
        compile(&gpu, &p.plan, &PlanOptions::default()).map(|_| ()).expect_err("too many invocations");
    assert!(error.to_string().contains("invocations"), "{error}");
}
