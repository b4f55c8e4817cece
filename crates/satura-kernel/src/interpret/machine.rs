//! One workgroup after another, all invocations of it together.
//!
//! Registers lie component by component, and within a component by invocation, so that an instruction is a loop over neighbouring words. Instructions without effect run for all invocations;
//! those with effects, and assignments, only for the active ones.

use super::memory::{Bound, Memory, SharedArray};
use super::{AccessFault, InterpretError, ops};
use crate::ir::{BinaryOp, Inst, Kernel, Reg, Scalar, Stmt, SubgroupOp, VarId};

/// Runs all workgroups of a verified kernel over the bound ranges of `stores`.
pub(super) fn run(
    kernel: &Kernel,
    params: &[u32],
    stores: &mut [Vec<u8>],
    bound: &[Bound],
) -> Result<(), InterpretError> {
    if params.len() != kernel.params as usize {
        let message = format!(
            "kernel `{}` takes {} parameters, {} were given",
            kernel.name,
            kernel.params,
            params.len()
        );
        return Err(InterpretError::Arguments(message));
    }
    let lanes = kernel.workgroup_size as usize;
    let layout = |types: &[crate::Ty]| {
        let mut next = 0;
        let mut starts = Vec::new();
        for ty in types {
            starts.push(next);
            next += usize::from(ty.width) * lanes;
        }
        (starts, next)
    };
    let (starts, words): (Vec<usize>, usize) = layout(&kernel.regs);
    let (var_starts, var_words): (Vec<usize>, usize) = layout(&kernel.vars);
    let mut machine = Machine {
        kernel,
        params,
        lanes,
        regs: vec![0; words],
        starts,
        vars: vec![0; var_words],
        var_starts,
        shared: kernel.shared.iter().map(|s| SharedArray::new(s.elements)).collect(),
        memory: Memory::new(kernel, stores, bound)?,
        group: 0,
        phase: 1,
    };
    let all: Vec<u32> = (0..kernel.workgroup_size).collect();
    for group in 0..kernel.groups {
        machine.group = group;
        machine.phase = 1;
        machine.shared.iter_mut().for_each(SharedArray::clear);
        machine.block(&kernel.body, &all)?;
    }
    Ok(())
}

struct Machine<'a> {
    kernel: &'a Kernel,
    params: &'a [u32],
    lanes: usize,
    regs: Vec<u32>,
    /// Where each register starts in `regs`.
    starts: Vec<usize>,
    vars: Vec<u32>,
    var_starts: Vec<usize>,
    shared: Vec<SharedArray>,
    memory: Memory<'a>,
    group: u32,
    /// One more than the barriers passed.
    phase: u32,
}

impl Machine<'_> {
    fn start(&self, reg: Reg) -> usize {
        self.starts[reg.0 as usize]
    }

    /// The words of a register.
    fn words(&self, reg: Reg) -> usize {
        usize::from(self.kernel.regs[reg.0 as usize].width) * self.lanes
    }

    fn width(&self, reg: Reg) -> usize {
        self.kernel.regs[reg.0 as usize].width.into()
    }

    fn scalar(&self, reg: Reg) -> Scalar {
        self.kernel.regs[reg.0 as usize].scalar
    }

    /// The number of an invocation in the dispatch.
    fn invocation(&self, lane: u32) -> u32 {
        self.group.wrapping_mul(self.kernel.workgroup_size).wrapping_add(lane)
    }

    fn block(&mut self, stmts: &[Stmt], active: &[u32]) -> Result<(), InterpretError> {
        for stmt in stmts {
            match stmt {
                Stmt::Let(reg, inst) => self.inst(*reg, inst, active)?,
                Stmt::Declare(var, value) | Stmt::Set(var, value) => self.assign(*var, *value, active),
                Stmt::Store { buffer, index, value } => {
                    let (at, from, width) = (self.start(*index), self.start(*value), self.width(*value));
                    let id = buffer.0 as usize;
                    for lane in active {
                        let index = u64::from(self.regs[at + *lane as usize]);
                        let invocation = self.invocation(*lane);
                        let fail = |index, fault| self.buffer_fault(id, index, *lane, fault);
                        self.memory.aligned(id, index).map_err(|fault| fail(index, fault))?;
                        for c in 0..width {
                            let (index, bits) =
                                (index + c as u64, self.regs[from + c * self.lanes + *lane as usize]);
                            let stored = self.memory.store(id, index, bits, invocation);
                            stored.map_err(|fault| self.buffer_fault(id, index, *lane, fault))?;
                        }
                    }
                }
                Stmt::StoreShared { shared, index, value } => {
                    let (at, from) = (self.start(*index), self.start(*value));
                    for lane in active {
                        let (index, bits) =
                            (self.regs[at + *lane as usize], self.regs[from + *lane as usize]);
                        let stored = self.shared[shared.0 as usize].store(index, bits, *lane, self.phase);
                        stored.map_err(|fault| self.shared_fault(shared.0, index, *lane, fault))?;
                    }
                }
                Stmt::Barrier => self.phase += 1,
                Stmt::For { var, start, end, step, body } => {
                    let (var, start, end) = (self.start(*var), self.start(*start), self.start(*end));
                    self.regs.copy_within(start..start + self.lanes, var);
                    let mut round: Vec<u32> = active.to_vec();
                    loop {
                        round
                            .retain(|lane| self.regs[var + *lane as usize] < self.regs[end + *lane as usize]);
                        if round.is_empty() {
                            break;
                        }
                        self.block(body, &round)?;
                        for word in &mut self.regs[var..var + self.lanes] {
                            *word = word.saturating_add(*step);
                        }
                    }
                }
                Stmt::If { condition, then, otherwise } => {
                    let at = self.start(*condition);
                    let (yes, no): (Vec<u32>, Vec<u32>) =
                        active.iter().partition(|lane| self.regs[at + **lane as usize] != 0);
                    if !yes.is_empty() {
                        self.block(then, &yes)?;
                    }
                    if !no.is_empty() {
                        self.block(otherwise, &no)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn assign(&mut self, var: VarId, value: Reg, active: &[u32]) {
        let (to, from) = (self.var_starts[var.0 as usize], self.start(value));
        if active.len() == self.lanes {
            let words = self.words(value);
            self.vars[to..to + words].copy_from_slice(&self.regs[from..from + words]);
            return;
        }
        for c in 0..self.width(value) {
            for lane in active {
                let at = c * self.lanes + *lane as usize;
                self.vars[to + at] = self.regs[from + at];
            }
        }
    }

    fn inst(&mut self, reg: Reg, inst: &Inst, active: &[u32]) -> Result<(), InterpretError> {
        let (to, words, lanes) = (self.start(reg), self.words(reg), self.lanes);
        match inst {
            Inst::Bool(value) => self.fill(to, words, u32::from(*value)),
            Inst::I32(value) => self.fill(to, words, value.cast_unsigned()),
            Inst::U32(value) | Inst::F32(value) => self.fill(to, words, *value),
            Inst::Group => self.fill(to, words, self.group),
            Inst::Param(i) => self.fill(to, words, self.params[*i as usize]),
            Inst::Local => (0..lanes).for_each(|lane| self.regs[to + lane] = lane as u32),
            Inst::Lane => {
                let size = self.kernel.subgroup_size.unwrap_or(1) as usize;
                (0..lanes).for_each(|lane| self.regs[to + lane] = (lane % size) as u32);
            }
            Inst::Get(var) => {
                let from = self.var_starts[var.0 as usize];
                self.regs[to..to + words].copy_from_slice(&self.vars[from..from + words]);
            }
            Inst::Unary(op, x) => {
                let scalar = self.scalar(*x);
                self.map(to, words, *x, |x| ops::unary(*op, scalar, x));
            }
            Inst::Binary(op, a, b) => self.binary(to, words, *op, *a, *b),
            Inst::Fma(a, b, c) => {
                let (a, b, c) = (self.start(*a), self.start(*b), self.start(*c));
                for i in 0..words {
                    let [x, y, z] = [a, b, c].map(|at| f32::from_bits(self.regs[at + i]));
                    self.regs[to + i] = (x * y + z).to_bits();
                }
            }
            Inst::Select(condition, a, b) => {
                let (c, a, b) =
                    ((self.start(*condition), self.words(*condition)), self.start(*a), self.start(*b));
                for i in 0..words {
                    let from = if self.regs[c.0 + i % c.1] != 0 { a } else { b };
                    self.regs[to + i] = self.regs[from + i];
                }
            }
            Inst::Convert(scalar, x) => {
                let from = self.scalar(*x);
                self.map(to, words, *x, |x| ops::convert(from, *scalar, x));
            }
            Inst::Bitcast(_, x) => self.map(to, words, *x, |x| x),
            Inst::Splat(width, x) => {
                let x = self.start(*x);
                (0..usize::from(*width)).for_each(|c| self.regs.copy_within(x..x + lanes, to + c * lanes));
            }
            Inst::Compose(parts) => {
                for (c, part) in parts.iter().enumerate() {
                    let part = self.start(*part);
                    self.regs.copy_within(part..part + lanes, to + c * lanes);
                }
            }
            Inst::Extract(x, component) => {
                let x = self.start(*x) + usize::from(*component) * lanes;
                self.regs.copy_within(x..x + lanes, to);
            }
            Inst::Load { buffer, index, width } => {
                let (at, id) = (self.start(*index), buffer.0 as usize);
                for lane in active {
                    let index = u64::from(self.regs[at + *lane as usize]);
                    let invocation = self.invocation(*lane);
                    for c in 0..usize::from(*width) {
                        let index = index + c as u64;
                        let loaded = self.memory.load(id, index, invocation);
                        let bits = loaded.map_err(|fault| self.buffer_fault(id, index, *lane, fault))?;
                        self.regs[to + c * lanes + *lane as usize] = bits;
                    }
                }
            }
            Inst::LoadShared { shared, index } => {
                let at = self.start(*index);
                for lane in active {
                    let index = self.regs[at + *lane as usize];
                    let loaded = self.shared[shared.0 as usize].load(index, *lane, self.phase);
                    let bits = loaded.map_err(|fault| self.shared_fault(shared.0, index, *lane, fault))?;
                    self.regs[to + *lane as usize] = bits;
                }
            }
            Inst::Broadcast(x, source) => {
                let (x, size) = (self.start(*x), self.kernel.subgroup_size.unwrap_or(1) as usize);
                for i in 0..words {
                    let (c, lane) = (i / lanes, i % lanes);
                    self.regs[to + i] = self.regs[x + c * lanes + lane / size * size + *source as usize];
                }
            }
            Inst::Subgroup(op, x) => self.subgroup(to, *op, *x),
        }
        Ok(())
    }

    fn fill(&mut self, to: usize, words: usize, value: u32) {
        self.regs[to..to + words].fill(value);
    }

    fn map(&mut self, to: usize, words: usize, x: Reg, f: impl Fn(u32) -> u32) {
        let x = self.start(x);
        for i in 0..words {
            self.regs[to + i] = f(self.regs[x + i]);
        }
    }

    fn binary(&mut self, to: usize, words: usize, op: BinaryOp, a: Reg, b: Reg) {
        let scalar = self.scalar(a);
        let float = |f: fn(f32, f32) -> f32| move |x, y| f(f32::from_bits(x), f32::from_bits(y)).to_bits();
        // The commonest are spelt out so that each has a loop of its own.
        match (op, scalar) {
            (BinaryOp::Add, Scalar::U32 | Scalar::I32) => self.zip(to, words, a, b, u32::wrapping_add),
            (BinaryOp::Mul, Scalar::U32 | Scalar::I32) => self.zip(to, words, a, b, u32::wrapping_mul),
            (BinaryOp::Add, Scalar::F32) => self.zip(to, words, a, b, float(|x, y| x + y)),
            (BinaryOp::Mul, Scalar::F32) => self.zip(to, words, a, b, float(|x, y| x * y)),
            _ => self.zip(to, words, a, b, |x, y| ops::binary(op, scalar, x, y)),
        }
    }

    fn zip(&mut self, to: usize, words: usize, a: Reg, b: Reg, f: impl Fn(u32, u32) -> u32) {
        let (a, b) = (self.start(a), self.start(b));
        for i in 0..words {
            self.regs[to + i] = f(self.regs[a + i], self.regs[b + i]);
        }
    }

    /// Reduces each component over each subgroup, by halves, as devices do. Control flow is uniform in a subgroup, so its lanes are all active or none.
    fn subgroup(&mut self, to: usize, op: SubgroupOp, x: Reg) {
        let (from, width, scalar, lanes) = (self.start(x), self.width(x), self.scalar(x), self.lanes);
        let size = self.kernel.subgroup_size.unwrap_or(1) as usize;
        let mut values = vec![0; size];
        for first in (0..width * lanes).step_by(size) {
            values.copy_from_slice(&self.regs[from + first..from + first + size]);
            let mut half = size / 2;
            while half > 0 {
                for i in 0..half {
                    values[i] = ops::combine(op, scalar, values[i], values[i + half]);
                }
                half /= 2;
            }
            self.fill(to + first, size, values[0]);
        }
    }

    fn buffer_fault(&self, buffer: usize, index: u64, lane: u32, fault: AccessFault) -> InterpretError {
        self.fault(format!("buffer `{}`", self.kernel.buffers[buffer].name), index, lane, fault)
    }

    fn shared_fault(&self, shared: u32, index: u32, lane: u32, fault: AccessFault) -> InterpretError {
        self.fault(format!("shared {shared}"), index.into(), lane, fault)
    }

    fn fault(&self, place: String, index: u64, lane: u32, fault: AccessFault) -> InterpretError {
        InterpretError::Access {
            kernel: self.kernel.name.clone(),
            place,
            index,
            group: self.group,
            invocation: lane,
            fault,
        }
    }
}
