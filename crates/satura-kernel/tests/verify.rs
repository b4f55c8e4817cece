//! What the verifier refuses, by its messages, and what devices do not grant.

use satura_kernel::{
    Access, BinaryOp, Builder, DeviceProfile, Inst, Kernel, Reg, Scalar, Stmt, Storage, SubgroupOp, Ty,
    VarId, fits, verify,
};

/// A kernel with the given statements after `r0 = local`, `r1 = 1u`, `r2 = 1.0`, `r3 = r0 == r1`; buffer 0 is `F32`, read-write, buffer 1 `U8x4`, read-write, buffer 2 `F32`, read.
fn kernel(more: &[(Reg, Ty)], stmts: Vec<Stmt>) -> Kernel {
    let mut b = Builder::new("k", 8);
    b.buffer("a", Storage::F32, 8, Access::ReadWrite, 1);
    b.buffer("b", Storage::U8x4, 8, Access::ReadWrite, 1);
    b.buffer("c", Storage::F32, 8, Access::Read, 1);
    b.shared(Scalar::F32, 8);
    let (local, one) = (b.local(), b.u32(1));
    b.f32(1.0);
    b.binary(BinaryOp::Eq, local, one);
    let mut kernel = b.finish(1);
    kernel.regs.extend(more.iter().map(|(_, ty)| *ty));
    kernel.vars.push(Ty::of(Scalar::F32));
    kernel.body.extend(stmts);
    kernel
}

#[track_caller]
fn refuse(kernel: &Kernel, expected: &str) {
    let error = verify(kernel).expect_err("the kernel is wrong");
    assert_eq!(error.to_string(), expected);
}

const F: Ty = Ty::of(Scalar::F32);
const U: Ty = Ty::of(Scalar::U32);

fn buffer(i: u32) -> satura_kernel::BufferId {
    satura_kernel::BufferId(i)
}

#[test]
fn types_are_checked() {
    let sum = Stmt::Let(Reg(4), Inst::Binary(BinaryOp::Add, Reg(1), Reg(2)));
    refuse(
        &kernel(&[(Reg(4), U)], vec![sum]),
        "kernel `k`, statement 4: register 2 is F32 x 1, but must be U32 x 1",
    );
    let shift = Stmt::Let(Reg(4), Inst::Binary(BinaryOp::Shl, Reg(2), Reg(2)));
    refuse(
        &kernel(&[(Reg(4), F)], vec![shift]),
        "kernel `k`, statement 4: register 2 is F32 x 1, but must be an integer",
    );
    let wide = Stmt::Let(Reg(4), Inst::Load { buffer: buffer(0), index: Reg(1), width: 2 });
    refuse(
        &kernel(&[(Reg(4), F)], vec![wide]),
        "kernel `k`, statement 4: register 4 is F32 x 1, but must be F32 x 2",
    );
    let choice = Stmt::Let(Reg(4), Inst::Select(Reg(1), Reg(2), Reg(2)));
    let text = "kernel `k`, statement 4: register 1 is U32 x 1, but must be Bool of one component or as many as the operands";
    refuse(&kernel(&[(Reg(4), F)], vec![choice]), text);
}

#[test]
fn scopes_are_checked() {
    let get = Stmt::Let(Reg(4), Inst::Get(VarId(0)));
    refuse(
        &kernel(&[(Reg(4), F)], vec![get.clone()]),
        "kernel `k`, statement 4: there is no variable 0 here",
    );
    let inner =
        Stmt::If { condition: Reg(3), then: vec![Stmt::Declare(VarId(0), Reg(2))], otherwise: vec![get] };
    refuse(&kernel(&[(Reg(4), F)], vec![inner]), "kernel `k`, statement 4.0: there is no variable 0 here");
    let inner =
        Stmt::If { condition: Reg(3), then: vec![Stmt::Let(Reg(4), Inst::F32(0))], otherwise: Vec::new() };
    let after = Stmt::Store { buffer: buffer(0), index: Reg(1), value: Reg(4) };
    let text = "kernel `k`, statement 5: register 4 is read where it is not defined";
    refuse(&kernel(&[(Reg(4), F)], vec![inner, after]), text);
    let again = Stmt::Let(Reg(2), Inst::F32(0));
    refuse(&kernel(&[], vec![again]), "kernel `k`, statement 4: register 2 is defined twice");
}

#[test]
fn stores_are_checked() {
    let store = |b, value| Stmt::Store { buffer: buffer(b), index: Reg(1), value };
    refuse(&kernel(&[], vec![store(2, Reg(2))]), "kernel `k`, statement 4: store to the read-only buffer 2");
    let text = "kernel `k`, statement 4: register 1 is U32 x 1, but must be whole words of 4 elements";
    refuse(&kernel(&[], vec![store(1, Reg(1))]), text);
    refuse(&kernel(&[], vec![store(9, Reg(1))]), "kernel `k`, statement 4: there is no buffer 9 here");
}

#[test]
fn control_flow_is_checked() {
    let under = |condition, stmt| Stmt::If { condition, then: vec![stmt], otherwise: Vec::new() };
    let barrier = under(Reg(3), Stmt::Barrier);
    refuse(
        &kernel(&[], vec![barrier]),
        "kernel `k`, statement 4.0: a barrier in control flow that is not uniform",
    );
    let add = Stmt::Let(Reg(4), Inst::Subgroup(SubgroupOp::Add, Reg(2)));
    let text = "kernel `k`, statement 4: subgroups are used, but the kernel has no subgroup size";
    refuse(&kernel(&[(Reg(4), F)], vec![add.clone()]), text);
    let mut varying = kernel(&[(Reg(4), F)], vec![under(Reg(3), add)]);
    varying.subgroup_size = Some(4);
    refuse(&varying, "kernel `k`, statement 4.0: a subgroup operation in control flow that is not uniform");
    varying.subgroup_size = Some(3);
    refuse(
        &varying,
        "kernel `k`: the subgroup size is 3, but must be a power of two that divides the workgroup size",
    );
}

/// A barrier under a condition that is the same for the workgroup, and a subgroup operation under one that is the same for each subgroup.
#[test]
fn uniform_control_flow_is_accepted() {
    let mut b = Builder::new("k", 8);
    b.set_subgroup_size(4);
    let x = b.buffer("x", Storage::U32, 8, Access::Read, 1);
    let (group, local, four, one) = (b.group(), b.local(), b.u32(4), b.u32(1));
    let first = b.load(x, group, 1);
    let bound = b.binary(BinaryOp::Lt, first, four);
    b.if_then(bound, Builder::barrier);
    let subgroup = b.binary(BinaryOp::Div, local, four);
    let second = b.binary(BinaryOp::Eq, subgroup, one);
    b.if_then(second, |b| {
        b.subgroup(SubgroupOp::Add, local);
    });
    let kernel = b.finish(2);
    verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(fits(&kernel, &DeviceProfile { subgroup_size: Some(4), ..DeviceProfile::web() }), Ok(()));
    let error = fits(&kernel, &DeviceProfile::web()).expect_err("the web has no subgroups");
    assert_eq!(error.to_string(), "kernel `k`: 4 lanes in a subgroup, exactly, but the device grants 0");
}

#[test]
fn limits_are_checked() {
    let web = DeviceProfile::web();
    let mut k = kernel(&[], Vec::new());
    assert_eq!(fits(&k, &web), Ok(()));
    k.shared[0].elements = 5000;
    let error = fits(&k, &web).expect_err("20000 bytes");
    assert_eq!(error.to_string(), "kernel `k`: 20000 bytes of shared memory, but the device grants 16384");
    k.buffers[2].storage = Storage::F16;
    let error = fits(&k, &web).expect_err("no f16");
    assert_eq!(error.to_string(), "kernel `k`: 1 native half-float buffers, but the device grants 0");
}
