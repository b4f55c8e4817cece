//! Making kernels: typed instructions with constant folding and sharing.

use crate::ir::{
    Access, BinaryOp, Buffer, BufferId, Inst, Kernel, Reg, Scalar, Shared, SharedId, Stmt, Storage,
    SubgroupOp, Ty, UnaryOp, VarId,
};
use std::collections::HashMap;

/// Builds a [`Kernel`]. Instructions that read nothing mutable are shared while they are in scope, and integer arithmetic on constants is done at once.
pub struct Builder {
    kernel: Kernel,
    /// Open blocks, innermost last.
    blocks: Vec<Block>,
    constants: Vec<Option<Inst>>,
    /// For each register, the number of blocks open around its definition.
    depths: Vec<usize>,
}

#[derive(Default)]
struct Block {
    stmts: Vec<Stmt>,
    shared: HashMap<Inst, Reg>,
    /// Whether it runs only under a condition: loads must not leave it.
    conditional: bool,
}

impl Builder {
    /// An empty kernel.
    pub fn new(name: &str, workgroup_size: u32) -> Self {
        Builder {
            kernel: Kernel {
                name: name.to_owned(),
                buffers: Vec::new(),
                shared: Vec::new(),
                params: 0,
                workgroup_size,
                groups: 1,
                subgroup_size: None,
                regs: Vec::new(),
                vars: Vec::new(),
                body: Vec::new(),
            },
            blocks: vec![Block::default()],
            constants: Vec::new(),
            depths: Vec::new(),
        }
    }

    /// Ends the kernel, which runs `groups` workgroups.
    ///
    /// # Panics
    /// If a block is still open.
    pub fn finish(mut self, groups: u32) -> Kernel {
        assert_eq!(self.blocks.len(), 1, "every opened block was closed");
        self.kernel.groups = groups;
        self.kernel.body = self.blocks.pop().map(|b| b.stmts).unwrap_or_default();
        self.kernel
    }

    /// Declares that the kernel is for exactly this subgroup size.
    pub fn set_subgroup_size(&mut self, size: u32) {
        self.kernel.subgroup_size = Some(size);
    }

    /// Adds a buffer.
    pub fn buffer(
        &mut self,
        name: &str,
        storage: Storage,
        elements: usize,
        access: Access,
        vector: u8,
    ) -> BufferId {
        self.kernel.buffers.push(Buffer { name: name.to_owned(), storage, elements, access, vector });
        BufferId(self.kernel.buffers.len() as u32 - 1)
    }

    /// The buffers so far.
    pub fn buffers(&self) -> &[Buffer] {
        &self.kernel.buffers
    }

    /// Adds a shared array.
    pub fn shared(&mut self, scalar: Scalar, elements: usize) -> SharedId {
        self.kernel.shared.push(Shared { scalar, elements });
        SharedId(self.kernel.shared.len() as u32 - 1)
    }

    /// The type of a register.
    pub fn ty(&self, reg: Reg) -> Ty {
        self.kernel.regs[reg.0 as usize]
    }

    fn new_reg(&mut self, ty: Ty) -> Reg {
        self.kernel.regs.push(ty);
        self.constants.push(None);
        self.depths.push(self.blocks.len() - 1);
        Reg(self.kernel.regs.len() as u32 - 1)
    }

    fn push(&mut self, stmt: Stmt) {
        self.blocks.last_mut().expect("the outermost block is never closed").stmts.push(stmt);
    }

    /// Defines a register, or gives the one in scope that already holds the same. Pure instructions go to the outermost block where their operands are known,
    /// so what does not change in a loop is computed before it; loads stay within the condition that guards them.
    fn inst(&mut self, inst: Inst, ty: Ty) -> Reg {
        let innermost = self.blocks.len() - 1;
        let guarded = self.blocks.iter().rposition(|b| b.conditional).unwrap_or(0);
        let operands = |regs: &[Reg]| regs.iter().map(|r| self.depths[r.0 as usize]).max().unwrap_or(0);
        let depth = match &inst {
            Inst::Bool(_) | Inst::I32(_) | Inst::U32(_) | Inst::F32(_) => 0,
            Inst::Group | Inst::Local | Inst::Lane | Inst::Param(_) => 0,
            Inst::Get(_) | Inst::LoadShared { .. } | Inst::Broadcast(..) | Inst::Subgroup(..) => innermost,
            Inst::Unary(_, a)
            | Inst::Convert(_, a)
            | Inst::Bitcast(_, a)
            | Inst::Splat(_, a)
            | Inst::Extract(a, _) => operands(&[*a]),
            Inst::Binary(_, a, b) => operands(&[*a, *b]),
            Inst::Fma(a, b, c) | Inst::Select(a, b, c) => operands(&[*a, *b, *c]),
            Inst::Compose(parts) => operands(parts),
            Inst::Load { buffer, index, .. } => {
                if self.kernel.buffers[buffer.0 as usize].access == Access::ReadWrite {
                    innermost
                } else {
                    operands(&[*index]).max(guarded)
                }
            }
        };
        let mutable = matches!(inst, Inst::Get(_) | Inst::LoadShared { .. })
            || matches!(&inst, Inst::Load { buffer, .. } if self.kernel.buffers[buffer.0 as usize].access == Access::ReadWrite);
        if !mutable && let Some(reg) = self.blocks.iter().rev().find_map(|b| b.shared.get(&inst)) {
            return *reg;
        }
        let reg = self.new_reg(ty);
        self.depths[reg.0 as usize] = depth;
        if matches!(inst, Inst::Bool(_) | Inst::I32(_) | Inst::U32(_) | Inst::F32(_)) {
            self.constants[reg.0 as usize] = Some(inst.clone());
        }
        let block = &mut self.blocks[depth];
        if !mutable {
            block.shared.insert(inst.clone(), reg);
        }
        block.stmts.push(Stmt::Let(reg, inst));
        reg
    }

    /// The value of a register that holds an unsigned constant.
    pub fn as_u32(&self, reg: Reg) -> Option<u32> {
        match self.constants[reg.0 as usize] {
            Some(Inst::U32(value)) => Some(value),
            _ => None,
        }
    }

    /// The value of a register that holds a float constant.
    pub fn as_f32(&self, reg: Reg) -> Option<f32> {
        match self.constants[reg.0 as usize] {
            Some(Inst::F32(bits)) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    /// An unsigned constant.
    pub fn u32(&mut self, value: u32) -> Reg {
        self.inst(Inst::U32(value), Ty::of(Scalar::U32))
    }

    /// A signed constant.
    pub fn i32(&mut self, value: i32) -> Reg {
        self.inst(Inst::I32(value), Ty::of(Scalar::I32))
    }

    /// A float constant.
    pub fn f32(&mut self, value: f32) -> Reg {
        self.inst(Inst::F32(value.to_bits()), Ty::of(Scalar::F32))
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) -> Reg {
        self.inst(Inst::Bool(value), Ty::of(Scalar::Bool))
    }

    /// The workgroup's number.
    pub fn group(&mut self) -> Reg {
        self.inst(Inst::Group, Ty::of(Scalar::U32))
    }

    /// The invocation's number in its workgroup.
    pub fn local(&mut self) -> Reg {
        self.inst(Inst::Local, Ty::of(Scalar::U32))
    }

    /// The invocation's number in its subgroup.
    pub fn lane(&mut self) -> Reg {
        self.inst(Inst::Lane, Ty::of(Scalar::U32))
    }

    /// A number given at dispatch.
    pub fn param(&mut self, index: u32) -> Reg {
        self.kernel.params = self.kernel.params.max(index + 1);
        self.inst(Inst::Param(index), Ty::of(Scalar::U32))
    }

    /// `op x`.
    pub fn unary(&mut self, op: UnaryOp, x: Reg) -> Reg {
        let ty = self.ty(x);
        let ty = if op == UnaryOp::IsNan { Ty { scalar: Scalar::Bool, ..ty } } else { ty };
        self.inst(Inst::Unary(op, x), ty)
    }

    /// `a op b`. A scalar operand is splat to the width of the other. Unsigned arithmetic on constants, and with 0 and 1, is folded.
    pub fn binary(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Reg {
        let width = self.ty(a).width.max(self.ty(b).width);
        if let Some(folded) = self.fold(op, a, b).filter(|_| width == 1) {
            return folded;
        }
        let (a, b) = (self.widen(a, width), self.widen(b, width));
        let ty = if op.compares() { Ty::vec(Scalar::Bool, width) } else { self.ty(a) };
        self.inst(Inst::Binary(op, a, b), ty)
    }

    fn fold(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Option<Reg> {
        let (x, y) = (self.as_u32(a), self.as_u32(b));
        match (op, x, y) {
            (BinaryOp::Add, Some(x), Some(y)) => Some(self.u32(x.wrapping_add(y))),
            (BinaryOp::Sub, Some(x), Some(y)) => Some(self.u32(x.wrapping_sub(y))),
            (BinaryOp::Mul, Some(x), Some(y)) => Some(self.u32(x.wrapping_mul(y))),
            (BinaryOp::Div, Some(x), Some(y)) if y != 0 => Some(self.u32(x / y)),
            (BinaryOp::Rem, Some(x), Some(y)) if y != 0 => Some(self.u32(x % y)),
            (BinaryOp::Lt, Some(x), Some(y)) => Some(self.bool(x < y)),
            (BinaryOp::Add, Some(0), _) | (BinaryOp::Mul, Some(1), _) => Some(b),
            (BinaryOp::Add | BinaryOp::Sub, _, Some(0)) | (BinaryOp::Mul | BinaryOp::Div, _, Some(1)) => {
                Some(a)
            }
            (BinaryOp::Mul, Some(0), _) | (BinaryOp::Mul, _, Some(0)) | (BinaryOp::Rem, _, Some(1)) => {
                Some(self.u32(0))
            }
            _ => None,
        }
    }

    /// `a * b + c`; scalar operands are splat.
    pub fn fma(&mut self, a: Reg, b: Reg, c: Reg) -> Reg {
        let width = self.ty(a).width.max(self.ty(b).width).max(self.ty(c).width);
        let (a, b, c) = (self.widen(a, width), self.widen(b, width), self.widen(c, width));
        self.inst(Inst::Fma(a, b, c), Ty::vec(Scalar::F32, width))
    }

    /// `condition ? a : b`; scalar operands are splat.
    pub fn select(&mut self, condition: Reg, a: Reg, b: Reg) -> Reg {
        if let Some(Inst::Bool(value)) = self.constants[condition.0 as usize] {
            return if value { a } else { b };
        }
        let width = self.ty(a).width.max(self.ty(b).width).max(self.ty(condition).width);
        let (a, b) = (self.widen(a, width), self.widen(b, width));
        let ty = self.ty(a);
        self.inst(Inst::Select(condition, a, b), ty)
    }

    /// A scalar as a vector of `width` equal components; a vector of that width as it is.
    pub fn widen(&mut self, x: Reg, width: u8) -> Reg {
        let ty = self.ty(x);
        if ty.width == width { x } else { self.inst(Inst::Splat(width, x), Ty::vec(ty.scalar, width)) }
    }

    /// Conversion to another scalar type.
    pub fn convert(&mut self, to: Scalar, x: Reg) -> Reg {
        let ty = self.ty(x);
        if ty.scalar == to { x } else { self.inst(Inst::Convert(to, x), Ty { scalar: to, ..ty }) }
    }

    /// The same bits as another 32-bit type.
    pub fn bitcast(&mut self, to: Scalar, x: Reg) -> Reg {
        let ty = self.ty(x);
        if ty.scalar == to { x } else { self.inst(Inst::Bitcast(to, x), Ty { scalar: to, ..ty }) }
    }

    /// A vector of scalars; one scalar as it is.
    pub fn compose(&mut self, parts: &[Reg]) -> Reg {
        if let [one] = parts {
            return *one;
        }
        if parts.iter().all(|p| *p == parts[0]) {
            return self.widen(parts[0], parts.len() as u8);
        }
        let ty = Ty::vec(self.ty(parts[0]).scalar, parts.len() as u8);
        self.inst(Inst::Compose(parts.to_vec()), ty)
    }

    /// A component of a vector; a scalar as it is.
    pub fn extract(&mut self, x: Reg, component: u8) -> Reg {
        let ty = self.ty(x);
        if ty.width == 1 { x } else { self.inst(Inst::Extract(x, component), Ty::of(ty.scalar)) }
    }

    /// Loads `width` consecutive elements.
    pub fn load(&mut self, buffer: BufferId, index: Reg, width: u8) -> Reg {
        let scalar = self.kernel.buffers[buffer.0 as usize].storage.scalar();
        self.inst(Inst::Load { buffer, index, width }, Ty::vec(scalar, width))
    }

    /// Stores the components of `value` from element `index` on.
    pub fn store(&mut self, buffer: BufferId, index: Reg, value: Reg) {
        self.push(Stmt::Store { buffer, index, value });
    }

    /// Loads an element of shared memory.
    pub fn load_shared(&mut self, shared: SharedId, index: Reg) -> Reg {
        let scalar = self.kernel.shared[shared.0 as usize].scalar;
        self.inst(Inst::LoadShared { shared, index }, Ty::of(scalar))
    }

    /// Stores an element of shared memory.
    pub fn store_shared(&mut self, shared: SharedId, index: Reg, value: Reg) {
        self.push(Stmt::StoreShared { shared, index, value });
    }

    /// The value that `lane` has.
    pub fn broadcast(&mut self, x: Reg, lane: u32) -> Reg {
        let ty = self.ty(x);
        self.inst(Inst::Broadcast(x, lane), ty)
    }

    /// A reduction over the subgroup.
    pub fn subgroup(&mut self, op: SubgroupOp, x: Reg) -> Reg {
        let ty = self.ty(x);
        self.inst(Inst::Subgroup(op, x), ty)
    }

    /// Declares a variable.
    pub fn declare(&mut self, init: Reg) -> VarId {
        let ty = self.ty(init);
        self.kernel.vars.push(ty);
        let var = VarId(self.kernel.vars.len() as u32 - 1);
        self.push(Stmt::Declare(var, init));
        var
    }

    /// Reads a variable.
    pub fn get(&mut self, var: VarId) -> Reg {
        let ty = self.kernel.vars[var.0 as usize];
        self.inst(Inst::Get(var), ty)
    }

    /// Assigns a variable.
    pub fn set(&mut self, var: VarId, value: Reg) {
        self.push(Stmt::Set(var, value));
    }

    /// A barrier.
    pub fn barrier(&mut self) {
        self.push(Stmt::Barrier);
    }

    /// A counted loop; the body gets the counter.
    pub fn for_range(&mut self, start: Reg, end: Reg, step: u32, body: impl FnOnce(&mut Self, Reg)) {
        let var = self.open_for();
        body(self, var);
        self.close_for(var, start, end, step);
    }

    /// Opens the body of a loop and gives its counter; [`close_for`](Self::close_for) ends it.
    pub fn open_for(&mut self) -> Reg {
        self.blocks.push(Block::default());
        self.new_reg(Ty::of(Scalar::U32))
    }

    /// Ends the loop that was opened last, with `var` = `start`, `start + step`, .. below `end`.
    pub fn close_for(&mut self, var: Reg, start: Reg, end: Reg, step: u32) {
        let block = self.blocks.pop().expect("a loop is open");
        self.push(Stmt::For { var, start, end, step, body: block.stmts });
    }

    /// A conditional block. Nothing happens for a constant `false`.
    pub fn if_then(&mut self, condition: Reg, then: impl FnOnce(&mut Self)) {
        if self.open_if(condition) {
            then(self);
            self.close_if(condition);
        }
    }

    /// Opens a conditional block, which [`close_if`](Self::close_if) ends; gives `false` and opens nothing if the condition is a constant `false`.
    pub fn open_if(&mut self, condition: Reg) -> bool {
        let never = self.constants[condition.0 as usize] == Some(Inst::Bool(false));
        if !never {
            self.blocks.push(Block { conditional: true, ..Block::default() });
        }
        !never
    }

    /// Ends the conditional block that was opened last.
    pub fn close_if(&mut self, condition: Reg) {
        let block = self.blocks.pop().expect("a conditional block is open");
        self.push(Stmt::If { condition, then: block.stmts, otherwise: Vec::new() });
    }

    /// Declares a buffer as an array of vec4, if its storage and length allow it.
    pub fn declare_vectors(&mut self, buffer: BufferId) {
        let buffer = &mut self.kernel.buffers[buffer.0 as usize];
        if matches!(buffer.storage, Storage::F32 | Storage::I32 | Storage::U32)
            && buffer.elements.is_multiple_of(4)
        {
            buffer.vector = 4;
        }
    }
}
