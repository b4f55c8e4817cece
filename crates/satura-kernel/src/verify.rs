//! What a kernel must satisfy, beyond what its types already say.
//!
//! - Registers are defined once, before their uses and in scope; variables, buffers and shared arrays exist. Types match as each instruction says.
//! - `vector` is 1, or 4 for whole buffers of `F32`, `I32`, `U32`. Stores go to read-write buffers, and to packed ones in whole words.
//! - A barrier stands in control flow that is uniform in the workgroup, a subgroup operation in control flow that is uniform in the subgroup. Uniform in the workgroup are constants,
//!   `Group`, `Param`, loads at uniform indices from buffers that the kernel does not write, and what is computed from these. `Local` divided by a multiple of the subgroup size, and results of
//!   subgroup operations, are uniform in the subgroup. Everything else, variables included, counts as different in each invocation.
//! - Subgroup operations and `Lane` need a subgroup size that divides the workgroup size.
//!
//! Bounds are not checked here: the interpreter does. What a device grants is a separate question, [`fits`].

use crate::ir::{
    Access, BinaryOp, BufferId, Inst, Kernel, Reg, Scalar, SharedId, Stmt, Storage, Ty, UnaryOp, VarId,
};
use crate::kernel_error::{KernelError, KernelFault};
use crate::profile::DeviceProfile;

/// Most elements of a buffer, so that index arithmetic in 32 bits cannot wrap by an element's neighbours.
const MAX_ELEMENTS: usize = 1 << 31;

/// Checks every invariant of a kernel.
///
/// # Errors
/// The first statement that breaks one.
pub fn verify(kernel: &Kernel) -> Result<(), KernelError> {
    let mut checker = Checker {
        kernel,
        place: Vec::new(),
        state: vec![State::Never; kernel.regs.len()],
        spread: vec![Spread::Workgroup; kernel.regs.len()],
        constants: vec![None; kernel.regs.len()],
        vars: vec![false; kernel.vars.len()],
        control: Spread::Workgroup,
    };
    checker.declarations().and_then(|()| checker.block(&kernel.body)).map_err(|fault| KernelError {
        kernel: kernel.name.clone(),
        place: checker.place.clone(),
        fault,
    })
}

/// Whether a device can run a verified kernel.
///
/// # Errors
/// The first limit that the kernel exceeds.
pub fn fits(kernel: &Kernel, profile: &DeviceProfile) -> Result<(), KernelError> {
    let fail = |fault| KernelError { kernel: kernel.name.clone(), place: Vec::new(), fault };
    let within = |what, needs: u64, limit: u64| {
        if needs <= limit { Ok(()) } else { Err(fail(KernelFault::Limit { what, needs, limit })) }
    };
    within("bindings", kernel.buffers.len() as u64, profile.max_bindings.into())?;
    for buffer in &kernel.buffers {
        within(
            "bytes in a binding",
            buffer.storage.byte_len(buffer.elements) as u64,
            profile.max_binding_bytes,
        )?;
        within("native half-float buffers", u64::from(buffer.storage == Storage::F16), profile.f16.into())?;
    }
    let shared: u64 = kernel.shared.iter().map(|s| s.elements as u64 * 4).sum();
    within("bytes of shared memory", shared, profile.max_shared_bytes.into())?;
    within("invocations in a workgroup", kernel.workgroup_size.into(), profile.max_workgroup_size.into())?;
    within(
        "workgroups",
        kernel.groups.into(),
        u64::from(profile.max_groups_per_dimension).saturating_pow(3),
    )?;
    match (kernel.subgroup_size, profile.subgroup_size) {
        (Some(needs), granted) if granted != Some(needs) => Err(fail(KernelFault::Limit {
            what: "lanes in a subgroup, exactly",
            needs: needs.into(),
            limit: granted.unwrap_or(0).into(),
        })),
        _ => Ok(()),
    }
}

/// Over which invocations a value is the same. In order: a computation has the greatest of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spread {
    Workgroup,
    Subgroup,
    Varying,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Never,
    InScope,
    Gone,
}

struct Checker<'a> {
    kernel: &'a Kernel,
    place: Vec<usize>,
    state: Vec<State>,
    spread: Vec<Spread>,
    constants: Vec<Option<u32>>,
    vars: Vec<bool>,
    control: Spread,
}

type Checked<T> = Result<T, KernelFault>;

fn require(holds: bool, fault: impl FnOnce() -> KernelFault) -> Checked<()> {
    if holds { Ok(()) } else { Err(fault()) }
}

impl Checker<'_> {
    fn declarations(&self) -> Checked<()> {
        let kernel = self.kernel;
        let value = |what, value: u64, holds: bool, needed| {
            require(holds, || KernelFault::Value { what, value, needed })
        };
        value("the workgroup size", kernel.workgroup_size.into(), kernel.workgroup_size > 0, "positive")?;
        value("the number of workgroups", kernel.groups.into(), kernel.groups > 0, "positive")?;
        if let Some(size) = kernel.subgroup_size {
            let divides = size.is_power_of_two() && kernel.workgroup_size.is_multiple_of(size);
            value(
                "the subgroup size",
                size.into(),
                divides,
                "a power of two that divides the workgroup size",
            )?;
        }
        for buffer in &kernel.buffers {
            let elements = buffer.elements as u64;
            value(
                "a buffer's length",
                elements,
                (1..MAX_ELEMENTS).contains(&buffer.elements),
                "at least 1, below 2^31",
            )?;
            let plain = matches!(buffer.storage, Storage::F32 | Storage::I32 | Storage::U32);
            let vector =
                buffer.vector == 1 || (buffer.vector == 4 && plain && buffer.elements.is_multiple_of(4));
            value(
                "a buffer's vector",
                buffer.vector.into(),
                vector,
                "1, or 4 for a 32-bit kind and a length that is a multiple of 4",
            )?;
        }
        for shared in &kernel.shared {
            value("a shared array's length", shared.elements as u64, shared.elements > 0, "positive")?;
        }
        for ty in kernel.regs.iter().chain(&kernel.vars) {
            value("a width", ty.width.into(), matches!(ty.width, 1 | 2 | 4), "1, 2 or 4")?;
        }
        Ok(())
    }

    fn block(&mut self, stmts: &[Stmt]) -> Checked<()> {
        let mut defined = Vec::new();
        let mut declared = Vec::new();
        for (i, stmt) in stmts.iter().enumerate() {
            self.place.push(i);
            match stmt {
                Stmt::Let(reg, inst) => {
                    let (ty, spread) = self.inst(inst)?;
                    self.define(*reg, ty, spread)?;
                    self.constants[reg.0 as usize] = match inst {
                        Inst::U32(value) => Some(*value),
                        _ => None,
                    };
                    defined.push(*reg);
                }
                Stmt::Declare(var, value) => {
                    let known = self.vars.get(var.0 as usize).copied();
                    require(known == Some(false), || KernelFault::Unknown("undeclared variable", var.0))?;
                    self.assign(*var, *value)?;
                    self.vars[var.0 as usize] = true;
                    declared.push(*var);
                }
                Stmt::Set(var, value) => {
                    self.var(*var)?;
                    self.assign(*var, *value)?;
                }
                Stmt::Store { buffer, index, value } => self.store(*buffer, *index, *value)?,
                Stmt::StoreShared { shared, index, value } => {
                    let scalar = self.shared(*shared)?;
                    self.index(*index)?;
                    self.expect(*value, Ty::of(scalar))?;
                }
                Stmt::Barrier => {
                    require(self.control == Spread::Workgroup, || KernelFault::NotUniform("a barrier"))?;
                }
                Stmt::For { var, start, end, step, body } => {
                    self.index(*start)?;
                    self.index(*end)?;
                    require(*step > 0, || KernelFault::Value {
                        what: "a loop's step",
                        value: 0,
                        needed: "positive",
                    })?;
                    let spread = self.of(*start).max(self.of(*end));
                    self.define(*var, Ty::of(Scalar::U32), spread)?;
                    self.under(spread, body)?;
                    self.state[var.0 as usize] = State::Gone;
                }
                Stmt::If { condition, then, otherwise } => {
                    self.expect(*condition, Ty::of(Scalar::Bool))?;
                    let spread = self.of(*condition);
                    self.under(spread, then)?;
                    self.under(spread, otherwise)?;
                }
            }
            self.place.pop();
        }
        defined.into_iter().for_each(|r: Reg| self.state[r.0 as usize] = State::Gone);
        declared.into_iter().for_each(|v: VarId| self.vars[v.0 as usize] = false);
        Ok(())
    }

    fn under(&mut self, spread: Spread, body: &[Stmt]) -> Checked<()> {
        let outer = self.control;
        self.control = outer.max(spread);
        self.block(body)?;
        self.control = outer;
        Ok(())
    }

    fn define(&mut self, reg: Reg, ty: Ty, spread: Spread) -> Checked<()> {
        let declared =
            *self.kernel.regs.get(reg.0 as usize).ok_or(KernelFault::Unknown("register", reg.0))?;
        require(self.state[reg.0 as usize] == State::Never, || KernelFault::DefinedTwice(reg))?;
        require(declared == ty, || mismatch(reg, declared, &describe(ty)))?;
        self.state[reg.0 as usize] = State::InScope;
        self.spread[reg.0 as usize] = spread;
        Ok(())
    }

    /// The type of a register that is read.
    fn read(&self, reg: Reg) -> Checked<Ty> {
        match self.state.get(reg.0 as usize) {
            Some(State::InScope) => Ok(self.kernel.regs[reg.0 as usize]),
            _ => Err(KernelFault::Undefined(reg)),
        }
    }

    fn of(&self, reg: Reg) -> Spread {
        self.spread[reg.0 as usize]
    }

    fn expect(&self, reg: Reg, ty: Ty) -> Checked<()> {
        let found = self.read(reg)?;
        require(found == ty, || mismatch(reg, found, &describe(ty)))
    }

    fn index(&self, reg: Reg) -> Checked<()> {
        self.expect(reg, Ty::of(Scalar::U32))
    }

    fn var(&self, var: VarId) -> Checked<Ty> {
        match self.vars.get(var.0 as usize) {
            Some(true) => Ok(self.kernel.vars[var.0 as usize]),
            _ => Err(KernelFault::Unknown("variable", var.0)),
        }
    }

    fn assign(&self, var: VarId, value: Reg) -> Checked<()> {
        self.expect(value, self.kernel.vars[var.0 as usize])
    }

    fn shared(&self, shared: SharedId) -> Checked<Scalar> {
        self.kernel
            .shared
            .get(shared.0 as usize)
            .map(|s| s.scalar)
            .ok_or(KernelFault::Unknown("shared array", shared.0))
    }

    fn store(&self, id: BufferId, index: Reg, value: Reg) -> Checked<()> {
        let buffer = self.kernel.buffers.get(id.0 as usize).ok_or(KernelFault::Unknown("buffer", id.0))?;
        require(buffer.access == Access::ReadWrite, || KernelFault::ReadOnly(id))?;
        self.index(index)?;
        let ty = self.read(value)?;
        let scalar = buffer.storage.scalar();
        require(ty.scalar == scalar, || mismatch(value, ty, &format!("{scalar:?}")))?;
        let whole = usize::from(ty.width).is_multiple_of(buffer.storage.per_word());
        require(whole, || {
            mismatch(value, ty, &format!("whole words of {} elements", buffer.storage.per_word()))
        })
    }

    /// Subgroup operations need a size, and lanes that all take part.
    fn converged(&self, what: &'static str) -> Checked<()> {
        require(self.kernel.subgroup_size.is_some(), || KernelFault::NoSubgroupSize)?;
        require(self.control <= Spread::Subgroup, || KernelFault::NotUniform(what))
    }

    /// The type and spread of an instruction's result.
    fn inst(&self, inst: &Inst) -> Checked<(Ty, Spread)> {
        let uniform = |scalar| Ok((Ty::of(scalar), Spread::Workgroup));
        match inst {
            Inst::Bool(_) => uniform(Scalar::Bool),
            Inst::I32(_) => uniform(Scalar::I32),
            Inst::U32(_) | Inst::Group => uniform(Scalar::U32),
            Inst::F32(_) => uniform(Scalar::F32),
            Inst::Local => Ok((Ty::of(Scalar::U32), Spread::Varying)),
            Inst::Lane => {
                require(self.kernel.subgroup_size.is_some(), || KernelFault::NoSubgroupSize)?;
                Ok((Ty::of(Scalar::U32), Spread::Varying))
            }
            Inst::Param(i) => {
                require(*i < self.kernel.params, || KernelFault::Unknown("parameter", *i))?;
                uniform(Scalar::U32)
            }
            Inst::Get(var) => Ok((self.var(*var)?, Spread::Varying)),
            Inst::Unary(op, x) => Ok((self.unary(*op, *x)?, self.of(*x))),
            Inst::Binary(op, a, b) => self.binary(*op, *a, *b),
            Inst::Fma(a, b, c) => {
                let ty = self.read(*a)?;
                require(ty.scalar == Scalar::F32, || mismatch(*a, ty, "F32"))?;
                self.expect(*b, ty)?;
                self.expect(*c, ty)?;
                Ok((ty, self.of(*a).max(self.of(*b)).max(self.of(*c))))
            }
            Inst::Select(condition, a, b) => {
                let ty = self.read(*a)?;
                self.expect(*b, ty)?;
                let c = self.read(*condition)?;
                let holds = c.scalar == Scalar::Bool && (c.width == 1 || c.width == ty.width);
                require(holds, || {
                    mismatch(*condition, c, "Bool of one component or as many as the operands")
                })?;
                Ok((ty, self.of(*condition).max(self.of(*a)).max(self.of(*b))))
            }
            Inst::Convert(to, x) => Ok((Ty { scalar: *to, ..self.read(*x)? }, self.of(*x))),
            Inst::Bitcast(to, x) => {
                let ty = self.read(*x)?;
                require(ty.scalar != Scalar::Bool && *to != Scalar::Bool, || {
                    mismatch(*x, ty, "of 32 bits, as the result")
                })?;
                Ok((Ty { scalar: *to, ..ty }, self.of(*x)))
            }
            Inst::Splat(width, x) => {
                let ty = self.read(*x)?;
                require(ty.width == 1, || mismatch(*x, ty, "a scalar"))?;
                Ok((Ty { width: *width, ..ty }, self.of(*x)))
            }
            Inst::Compose(parts) => {
                let first = *parts.first().ok_or(KernelFault::Value {
                    what: "a vector's width",
                    value: 0,
                    needed: "2 or 4",
                })?;
                let ty = self.read(first)?;
                let mut spread = Spread::Workgroup;
                for part in parts {
                    self.expect(*part, Ty::of(ty.scalar))?;
                    spread = spread.max(self.of(*part));
                }
                let width = parts.len();
                require(matches!(width, 2 | 4), || KernelFault::Value {
                    what: "a vector's width",
                    value: width as u64,
                    needed: "2 or 4",
                })?;
                Ok((Ty::vec(ty.scalar, width as u8), spread))
            }
            Inst::Extract(x, component) => {
                let ty = self.read(*x)?;
                require(ty.width > 1 && *component < ty.width, || {
                    mismatch(*x, ty, &format!("a vector with component {component}"))
                })?;
                Ok((Ty::of(ty.scalar), self.of(*x)))
            }
            Inst::Load { buffer, index, width } => {
                let b = self
                    .kernel
                    .buffers
                    .get(buffer.0 as usize)
                    .ok_or(KernelFault::Unknown("buffer", buffer.0))?;
                self.index(*index)?;
                let spread = if b.access == Access::Read { self.of(*index) } else { Spread::Varying };
                Ok((Ty::vec(b.storage.scalar(), *width), spread))
            }
            Inst::LoadShared { shared, index } => {
                self.index(*index)?;
                Ok((Ty::of(self.shared(*shared)?), Spread::Varying))
            }
            Inst::Broadcast(x, lane) => {
                self.converged("a broadcast")?;
                let size = self.kernel.subgroup_size.unwrap_or(0);
                require(*lane < size, || KernelFault::Value {
                    what: "a lane",
                    value: (*lane).into(),
                    needed: "below the subgroup size",
                })?;
                self.subgroup_operand(*x)
            }
            Inst::Subgroup(_, x) => {
                self.converged("a subgroup operation")?;
                self.subgroup_operand(*x)
            }
        }
    }

    fn subgroup_operand(&self, x: Reg) -> Checked<(Ty, Spread)> {
        let ty = self.read(x)?;
        require(ty.scalar != Scalar::Bool, || mismatch(x, ty, "a number"))?;
        Ok((ty, self.of(x).min(Spread::Subgroup)))
    }

    fn unary(&self, op: UnaryOp, x: Reg) -> Checked<Ty> {
        let ty = self.read(x)?;
        let number = ty.scalar != Scalar::Bool;
        let float = ty.scalar == Scalar::F32;
        match op {
            UnaryOp::Neg | UnaryOp::Abs | UnaryOp::Sign => require(number, || mismatch(x, ty, "a number"))?,
            UnaryOp::Not => require(!float, || mismatch(x, ty, "bool or an integer"))?,
            UnaryOp::Floor
            | UnaryOp::Ceil
            | UnaryOp::Round
            | UnaryOp::Exp
            | UnaryOp::Log
            | UnaryOp::Sqrt
            | UnaryOp::Sin
            | UnaryOp::Cos
            | UnaryOp::Tan
            | UnaryOp::Tanh
            | UnaryOp::Sigmoid
            | UnaryOp::Erf
            | UnaryOp::IsNan
            | UnaryOp::RoundF16
            | UnaryOp::RoundBf16 => {
                require(float, || mismatch(x, ty, "F32"))?;
            }
        }
        Ok(if op == UnaryOp::IsNan { Ty { scalar: Scalar::Bool, ..ty } } else { ty })
    }

    fn binary(&self, op: BinaryOp, a: Reg, b: Reg) -> Checked<(Ty, Spread)> {
        let ty = self.read(a)?;
        self.expect(b, ty)?;
        let (holds, needed) = match op {
            BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Rem
            | BinaryOp::Min
            | BinaryOp::Max
            | BinaryOp::Lt
            | BinaryOp::Le => (ty.scalar != Scalar::Bool, "a number"),
            BinaryOp::Pow => (ty.scalar == Scalar::F32, "F32"),
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => (ty.scalar != Scalar::F32, "bool or an integer"),
            BinaryOp::Shl | BinaryOp::Shr => (matches!(ty.scalar, Scalar::I32 | Scalar::U32), "an integer"),
            BinaryOp::Eq => (true, "anything"),
        };
        require(holds, || mismatch(a, ty, needed))?;
        let result = if op.compares() { Ty { scalar: Scalar::Bool, ..ty } } else { ty };
        let spread =
            if self.is_subgroup_number(op, a, b) { Spread::Subgroup } else { self.of(a).max(self.of(b)) };
        Ok((result, spread))
    }

    /// Whether this divides the invocation's number by a multiple of the subgroup size.
    fn is_subgroup_number(&self, op: BinaryOp, a: Reg, b: Reg) -> bool {
        let (Some(size), Some(by)) = (self.kernel.subgroup_size, self.constants[b.0 as usize]) else {
            return false;
        };
        let divisor = match op {
            BinaryOp::Div => by,
            BinaryOp::Shr if by < 32 => 1 << by,
            _ => return false,
        };
        let local = self.kernel.body.iter().any(|s| matches!(s, Stmt::Let(r, Inst::Local) if *r == a));
        local && divisor > 0 && divisor.is_multiple_of(size)
    }
}

fn describe(ty: Ty) -> String {
    format!("{:?} x {}", ty.scalar, ty.width)
}

fn mismatch(reg: Reg, found: Ty, needed: &str) -> KernelFault {
    KernelFault::Type { what: format!("register {}", reg.0), found, needed: needed.to_owned() }
}
