//! Every operation and packing as a small kernel, checked by naga in both dialects and translated to every target; a few texts in full.

use satura_kernel::{Access, BinaryOp, Builder, Kernel, Reg, Scalar, Storage, SubgroupOp, UnaryOp, verify};
use satura_wgsl::{Target, WgslOptions, generate, to_wgsl, validate};

/// Checks a kernel and its text, and gives the text.
#[track_caller]
fn check(kernel: &Kernel) -> String {
    verify(kernel).unwrap_or_else(|error| panic!("{error}"));
    let text = to_wgsl(kernel, &WgslOptions::default());
    validate(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let browser = to_wgsl(kernel, &WgslOptions::browser());
    validate(&browser).unwrap_or_else(|error| panic!("{error}\n{browser}"));
    text
}

/// Checks a kernel and translates it to every target.
#[track_caller]
fn translate(kernel: &Kernel) {
    let text = check(kernel);
    for target in Target::ALL {
        match generate(kernel, target) {
            Ok(code) => assert!(!code.is_empty()),
            // GLSL has no 16-bit floats in naga.
            Err(_) if target == Target::Glsl && text.contains("enable f16;") => {}
            Err(error) => panic!("{error}\n{text}"),
        }
    }
}

fn storage_of(scalar: Scalar) -> Storage {
    match scalar {
        Scalar::F32 => Storage::F32,
        Scalar::I32 => Storage::I32,
        Scalar::U32 => Storage::U32,
        Scalar::Bool => Storage::Bool8x4,
    }
}

/// A kernel of 64 invocations that loads `inputs` of `width`, computes, and stores.
fn elementwise(
    inputs: &[Scalar],
    output: Scalar,
    width: u8,
    compute: impl FnOnce(&mut Builder, &[Reg]) -> Reg,
) -> Kernel {
    let mut b = Builder::new("op", 64);
    let elements = 64 * usize::from(width.max(4));
    let buffers: Vec<_> =
        inputs.iter().map(|s| b.buffer("x", storage_of(*s), elements, Access::Read, 1)).collect();
    let out = b.buffer("out", storage_of(output), elements, Access::ReadWrite, 1);
    let local = b.local();
    let four = b.u32(4);
    let index = b.binary(BinaryOp::Mul, local, four);
    let values: Vec<Reg> = buffers.iter().map(|buffer| b.load(*buffer, index, width)).collect();
    let mut result = compute(&mut b, &values);
    if output == Scalar::Bool && width < 4 {
        let parts: Vec<Reg> = (0..4).map(|i| b.extract(result, i % width)).collect();
        result = b.compose(&parts);
    }
    b.store(out, index, result);
    b.finish(1)
}

#[test]
fn every_unary_operation_is_valid() {
    use UnaryOp::{
        Abs, Ceil, Cos, Erf, Exp, Floor, IsNan, Log, Neg, Not, Round, Sigmoid, Sign, Sin, Sqrt, Tan, Tanh,
    };
    for width in [1, 2, 4] {
        for op in [Neg, Abs, Sign, Floor, Ceil, Round, Exp, Log, Sqrt, Sin, Cos, Tan, Tanh, Sigmoid, Erf] {
            translate(&elementwise(&[Scalar::F32], Scalar::F32, width, |b, x| b.unary(op, x[0])));
        }
        for op in [Neg, Abs, Sign, Not] {
            for scalar in [Scalar::I32, Scalar::U32] {
                translate(&elementwise(&[scalar], scalar, width, |b, x| b.unary(op, x[0])));
            }
        }
        translate(&elementwise(&[Scalar::Bool], Scalar::Bool, width, |b, x| b.unary(Not, x[0])));
        translate(&elementwise(&[Scalar::F32], Scalar::Bool, width, |b, x| b.unary(IsNan, x[0])));
    }
}

#[test]
fn every_binary_operation_is_valid() {
    use BinaryOp::{Add, And, Div, Eq, Le, Lt, Max, Min, Mul, Or, Pow, Rem, Shl, Shr, Sub, Xor};
    for width in [1, 2, 4] {
        let check = |ops: &[BinaryOp], scalar: Scalar| {
            for op in ops {
                let output = if op.compares() { Scalar::Bool } else { scalar };
                translate(&elementwise(&[scalar, scalar], output, width, |b, x| b.binary(*op, x[0], x[1])));
                // With a constant on either side, and with constants on both.
                translate(&elementwise(&[scalar], output, width, |b, x| {
                    let c = constant(b, scalar, 3);
                    b.binary(*op, x[0], c)
                }));
                translate(&elementwise(&[scalar], output, width, |b, x| {
                    let c = constant(b, scalar, 0);
                    b.binary(*op, c, x[0])
                }));
                translate(&elementwise(&[], output, width, |b, _| {
                    let (c, d) = (constant(b, scalar, 7), constant(b, scalar, 0));
                    let r = b.binary(*op, c, d);
                    b.widen(r, width)
                }));
            }
        };
        check(&[Add, Sub, Mul, Div, Rem, Pow, Min, Max, Eq, Lt, Le], Scalar::F32);
        check(&[Add, Sub, Mul, Div, Rem, Min, Max, And, Or, Xor, Shl, Shr, Eq, Lt, Le], Scalar::I32);
        check(&[Add, Sub, Mul, Div, Rem, Min, Max, And, Or, Xor, Shl, Shr, Eq, Lt, Le], Scalar::U32);
        check(&[And, Or, Xor, Eq], Scalar::Bool);
    }
}

fn constant(b: &mut Builder, scalar: Scalar, value: u8) -> Reg {
    match scalar {
        Scalar::F32 => b.f32(f32::from(value)),
        Scalar::I32 => b.i32(i32::from(value)),
        Scalar::U32 => b.u32(u32::from(value)),
        Scalar::Bool => b.bool(value != 0),
    }
}

#[test]
fn every_conversion_is_valid() {
    let scalars = [Scalar::F32, Scalar::I32, Scalar::U32, Scalar::Bool];
    for width in [1, 2, 4] {
        for from in scalars {
            for to in scalars {
                translate(&elementwise(&[from], to, width, |b, x| b.convert(to, x[0])));
                if from != Scalar::Bool && to != Scalar::Bool {
                    translate(&elementwise(&[from], to, width, |b, x| b.bitcast(to, x[0])));
                }
            }
        }
        translate(&elementwise(&[Scalar::F32; 3], Scalar::F32, width, |b, x| b.fma(x[0], x[1], x[2])));
        translate(&elementwise(&[Scalar::Bool, Scalar::F32], Scalar::F32, width, |b, x| {
            let c = b.f32(1e30);
            b.select(x[0], x[1], c)
        }));
    }
}

/// Every packing is read and written in every width that the IR allows, at indices known to be aligned, and read where they are not.
#[test]
fn every_storage_is_valid() {
    let all = [
        Storage::F32,
        Storage::F16,
        Storage::I32,
        Storage::U32,
        Storage::F16x2,
        Storage::BF16x2,
        Storage::U8x4,
        Storage::I8x4,
        Storage::U16x2,
        Storage::I16x2,
        Storage::Bool8x4,
    ];
    for storage in all {
        for width in [1u8, 2, 4] {
            for vector in [1, 4] {
                if vector == 4 && !matches!(storage, Storage::F32 | Storage::I32 | Storage::U32) {
                    continue;
                }
                for (scale, offset) in [(4, 0), (4, 8), (1, 0), (1, 3), (2, 2)] {
                    let mut b = Builder::new("copy", 64);
                    let x = b.buffer("x", storage, 300, Access::Read, vector);
                    let y = b.buffer("y", storage, 300, Access::ReadWrite, vector);
                    let (local, scale) = (b.local(), b.u32(scale));
                    let (offset, four) = (b.u32(offset), b.u32(4));
                    let scaled = b.binary(BinaryOp::Mul, local, scale);
                    let from = b.binary(BinaryOp::Add, scaled, offset);
                    let value = b.load(x, from, width);
                    let fixed = b.load(x, offset, width);
                    let condition = b.bool(true);
                    let value = b.select(condition, value, fixed);
                    let to = b.binary(BinaryOp::Mul, local, four);
                    if usize::from(width) % storage.per_word() == 0 {
                        b.store(y, to, value);
                        b.store(y, four, fixed);
                    }
                    translate(&b.finish(1));
                }
            }
        }
    }
}

#[test]
fn values_that_are_not_finite_are_valid() {
    let kernel = elementwise(&[Scalar::F32], Scalar::F32, 4, |b, x| {
        let inf = b.f32(f32::NEG_INFINITY);
        let nan = b.f32(f32::NAN);
        let least = b.i32(i32::MIN);
        let least = b.convert(Scalar::F32, least);
        let tiny = b.f32(-1e-45);
        let y = b.binary(BinaryOp::Max, x[0], inf);
        let y = b.binary(BinaryOp::Mul, y, nan);
        let y = b.binary(BinaryOp::Add, y, least);
        b.binary(BinaryOp::Sub, y, tiny)
    });
    translate(&kernel);
    assert!(
        to_wgsl(&kernel, &WgslOptions::browser()).contains("var<private> bits_ff800000: u32 = 0xff800000u;")
    );
}

/// Loops, branches, shared memory, parameters and subgroups together, in more workgroups than one dimension holds.
fn control() -> Kernel {
    let mut b = Builder::new("control", 64);
    b.set_subgroup_size(8);
    let x = b.buffer("my input", Storage::F32, 4096, Access::Read, 4);
    let y = b.buffer("9out", Storage::F32, 4096, Access::ReadWrite, 1);
    let shared = b.shared(Scalar::F32, 64);
    let flags = b.shared(Scalar::Bool, 64);
    let (group, local, lane, n) = (b.group(), b.local(), b.lane(), b.param(0));
    let (zero, one, four) = (b.f32(0.0), b.u32(1), b.u32(4));
    let zero_index = b.u32(0);
    let total = b.declare(zero);
    b.for_range(zero_index, n, 4, |b, i| {
        let index = b.binary(BinaryOp::Add, i, group);
        let v = b.load(x, index, 1);
        let old = b.get(total);
        let sum = b.binary(BinaryOp::Add, old, v);
        b.set(total, sum);
    });
    let value = b.get(total);
    let value = b.subgroup(SubgroupOp::Add, value);
    let first = b.broadcast(value, 3);
    b.store_shared(shared, local, first);
    let odd = b.binary(BinaryOp::And, lane, one);
    let odd = b.convert(Scalar::Bool, odd);
    b.store_shared(flags, local, odd);
    b.barrier();
    let flag = b.load_shared(flags, local);
    b.if_then(flag, |b| {
        let other = b.binary(BinaryOp::Xor, local, one);
        let v = b.load_shared(shared, other);
        let index = b.binary(BinaryOp::Mul, local, four);
        b.store(y, index, v);
    });
    b.finish(100_000)
}

#[test]
fn control_flow_is_valid() {
    translate(&control());
    insta::assert_snapshot!(to_wgsl(&control(), &WgslOptions::default()), @r"
    // control
    @group(0) @binding(0) var<storage, read> my_input_0: array<vec4<f32>>;
    @group(0) @binding(1) var<storage, read_write> out_1: array<f32>;
    var<workgroup> s0: array<f32, 64>;
    var<workgroup> s1: array<u32, 64>;
    struct Params { p0: u32 }
    var<immediate> params: Params;
    @compute @workgroup_size(64, 1, 1)
    fn main(@builtin(workgroup_id) group_id: vec3<u32>, @builtin(num_workgroups) group_count: vec3<u32>, @builtin(local_invocation_index) local: u32, @builtin(subgroup_invocation_id) lane: u32) {
        let group = group_id.x + group_count.x * (group_id.y + group_count.y * group_id.z);
        if (group >= 100000u) { return; }
        var v0: f32 = 0.0f;
        for (var r8 = 0u; r8 < params.p0; r8 += 4u) {
            let r9 = r8 + group;
            v0 = v0 + my_input_0[r9 >> 2u][r9 & 3u];
        }
        s0[local] = subgroupBroadcast(subgroupAdd(v0), 3u);
        s1[local] = u32(!((lane & 1u) == 0u));
        workgroupBarrier();
        if (s1[local] != 0u) {
            out_1[local * 4u] = s0[local ^ 1u];
        }
    }
    ");
}

/// An expression that reads something mutable is not moved over a write, nor into a loop.
#[test]
fn reads_keep_their_place() {
    let mut b = Builder::new("order", 8);
    let x = b.buffer("x", Storage::F32, 8, Access::ReadWrite, 1);
    let local = b.local();
    let old = b.load(x, local, 1);
    let two = b.f32(2.0);
    let var = b.declare(two);
    let before = b.get(var);
    let (one, eight) = (b.u32(1), b.u32(8));
    let doubled = b.binary(BinaryOp::Mul, old, two);
    b.store(x, local, two);
    b.set(var, doubled);
    b.for_range(one, eight, 1, |b, _| {
        let v = b.get(var);
        let v = b.binary(BinaryOp::Add, v, before);
        b.set(var, v);
    });
    let last = b.get(var);
    let last = b.binary(BinaryOp::Add, last, old);
    b.store(x, local, last);
    let kernel = b.finish(1);
    translate(&kernel);
    insta::assert_snapshot!(check(&kernel), @r"
    // order
    @group(0) @binding(0) var<storage, read_write> x_0: array<f32>;
    @compute @workgroup_size(8, 1, 1)
    fn main(@builtin(local_invocation_index) local: u32) {
        let r1 = x_0[local];
        var v0: f32 = 2.0f;
        let r3 = v0;
        x_0[local] = 2.0f;
        v0 = r1 * 2.0f;
        for (var r7 = 1u; r7 < 8u; r7 += 1u) {
            v0 = v0 + r3;
        }
        x_0[local] = v0 + r1;
    }
    ");
}

#[test]
fn a_vectorised_epilogue_reads_well() {
    let kernel = elementwise(&[Scalar::F32, Scalar::F32], Scalar::F32, 4, |b, x| {
        let zero = b.f32(0.0);
        let half = b.f32(0.5);
        let sum = b.binary(BinaryOp::Add, x[0], x[1]);
        let relu = b.binary(BinaryOp::Max, sum, zero);
        b.binary(BinaryOp::Mul, relu, half)
    });
    insta::assert_snapshot!(check(&kernel), @r"
    // op
    @group(0) @binding(0) var<storage, read> x_0: array<f32>;
    @group(0) @binding(1) var<storage, read> x_1: array<f32>;
    @group(0) @binding(2) var<storage, read_write> out_2: array<f32>;
    @compute @workgroup_size(64, 1, 1)
    fn main(@builtin(local_invocation_index) local: u32) {
        let r2 = local * 4u;
        let r7 = vec4<f32>(x_0[r2], x_0[r2 + 1u], x_0[r2 + 2u], x_0[r2 + 3u]) + vec4<f32>(x_1[r2], x_1[r2 + 1u], x_1[r2 + 2u], x_1[r2 + 3u]);
        let r11 = select(r7, vec4<f32>(0.0f), r7 < vec4<f32>(0.0f)) * 0.5f;
        out_2[r2] = r11.x;
        out_2[r2 + 1u] = r11.y;
        out_2[r2 + 2u] = r11.z;
        out_2[r2 + 3u] = r11.w;
    }
    ");
}
