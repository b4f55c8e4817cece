//! Elementwise programs: a fused chain of functions, run over blocks that stay in the nearest cache.
//!
//! A program computes a tensor of `dims` (adjacent axes merged) element by element, in row-major order. Each operand has strides for these axes, so broadcasting and movement ops cost no pass of
//! their own. Instructions work on registers of [`BLOCK`] elements.

use crate::lanes::{self, Binary, Operands, Unary};
use crate::memory::{Memory, Span, StorageId, with_scratch};
use satura_ir::OpError;

/// Elements of a register.
pub(crate) const BLOCK: usize = 512;

/// Where an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    Register(usize),
    Operand(usize),
    Number(f32),
}

/// One function; the first field is the register written, which differs from those read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Instruction {
    Unary(usize, Unary, Source),
    Binary(usize, Binary, Source, Source),
    Select(usize, Source, Source, Source),
}

impl Instruction {
    pub(crate) fn target(&self) -> usize {
        match self {
            Instruction::Unary(target, ..)
            | Instruction::Binary(target, ..)
            | Instruction::Select(target, ..) => *target,
        }
    }
}

/// An input of a program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operand {
    pub(crate) storage: StorageId,
    pub(crate) offset: usize,
    /// One per axis of the program.
    pub(crate) strides: Vec<isize>,
    /// Whether element `i` of the program reads element `offset + i`.
    pub(crate) dense: bool,
}

/// A fused elementwise computation.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) dims: Vec<usize>,
    pub(crate) operands: Vec<Operand>,
    pub(crate) code: Vec<Instruction>,
    pub(crate) result: Source,
    /// Registers of the code; operands that are not dense use one more each.
    pub(crate) registers: usize,
}

/// What an instruction reads for the current block.
#[derive(Clone, Copy)]
enum Arg<'a> {
    Slice(&'a [f32]),
    Number(f32),
}

/// A program bound to the memory of a run.
pub(crate) struct Bound<'a> {
    program: &'a Program,
    spans: Vec<Span>,
}

impl Program {
    /// Elements computed.
    pub(crate) fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// Working memory that [`Bound::run`] needs, in elements.
    pub(crate) fn scratch(&self) -> usize {
        // Two more for arguments that are one number where a slice is needed.
        (self.registers + self.operands.len() + 3) * BLOCK
    }

    pub(crate) fn bind(&self, memory: &Memory<'_>) -> Bound<'_> {
        Bound { program: self, spans: self.operands.iter().map(|o| memory.span(o.storage)).collect() }
    }

    /// A rough count of the work per element, to decide about threads.
    pub(crate) fn weight(&self) -> usize {
        1 + self.operands.len() + self.code.len()
    }
}

impl Bound<'_> {
    /// Computes elements `start..start + out.len()` of the program into a range of `out`, with [`Program::scratch`] elements of working memory.
    ///
    /// # Safety
    /// The operands' memory is alive, nothing else writes what they read, and nothing else uses the range of `out`. `out` may be a dense operand's own memory at the same elements.
    pub(crate) unsafe fn run(&self, start: usize, out: Span, at: usize, len: usize, scratch: &mut [f32]) {
        let program = self.program;
        // A block is read before it is written, so an operand may be overwritten in place, by way of a register.
        let in_place = program.operands.iter().zip(&self.spans).any(|(o, s)| o.dense && s.same_start(out));
        let mut done = 0;
        while done < len {
            let n = BLOCK.min(len - done);
            // SAFETY: the caller's promise; with `in_place` no operand slice is alive when the block is written.
            unsafe { self.block(start + done, out, at + done, n, in_place, scratch) };
            done += n;
        }
    }

    /// # Safety
    /// As [`Bound::run`].
    unsafe fn block(
        &self,
        start: usize,
        out: Span,
        at: usize,
        n: usize,
        in_place: bool,
        scratch: &mut [f32],
    ) {
        let program = self.program;
        let (registers, rest) = scratch.split_at_mut(program.registers * BLOCK);
        let (loads, rest) = rest.split_at_mut(program.operands.len() * BLOCK);
        let (temporaries, rest) = rest.split_at_mut(2 * BLOCK);
        let mut args: [Arg<'_>; MAX_OPERANDS] = [Arg::Number(0.0); MAX_OPERANDS];
        for (i, (load, operand)) in loads.chunks_exact_mut(BLOCK).zip(&program.operands).enumerate() {
            // SAFETY: nothing writes what operands read, but for this block, which is written at the end.
            args[i] = unsafe { operand.load(self.spans[i], &program.dims, start, &mut load[..n]) };
        }
        let registers = Span::of_mut(registers);
        let register = |r: usize| {
            // SAFETY: registers are this call's own, and an instruction reads none that it writes.
            unsafe { registers.slice(r * BLOCK..r * BLOCK + n) }
        };
        let arg = |source: Source| match source {
            Source::Register(r) => Arg::Slice(register(r)),
            Source::Operand(i) => args[i],
            Source::Number(x) => Arg::Number(x),
        };
        let last = program.code.len().wrapping_sub(1);
        for (i, instruction) in program.code.iter().enumerate() {
            let target = if i == last && !in_place {
                // SAFETY: the block is this call's own and no operand's.
                unsafe { out.slice_mut(at..at + n) }
            } else {
                let r = instruction.target() * BLOCK;
                // SAFETY: as for `register`.
                unsafe { registers.slice_mut(r..r + n) }
            };
            match *instruction {
                Instruction::Unary(_, f, a) => {
                    let a = as_slice(arg(a), &mut temporaries[..n]);
                    lanes::unary(f, target, a);
                }
                Instruction::Binary(_, f, a, b) => {
                    let operands = match (arg(a), arg(b)) {
                        (Arg::Slice(a), Arg::Slice(b)) => Operands::Both(a, b),
                        (Arg::Slice(a), Arg::Number(b)) => Operands::First(a, b),
                        (Arg::Number(a), Arg::Slice(b)) => Operands::Second(a, b),
                        (a, Arg::Number(b)) => Operands::First(as_slice(a, &mut temporaries[..n]), b),
                    };
                    lanes::binary(f, target, operands);
                }
                Instruction::Select(_, c, a, b) => {
                    let (first, second) = temporaries.split_at_mut(BLOCK);
                    let c = as_slice(arg(c), &mut first[..n]);
                    let a = as_slice(arg(a), &mut second[..n]);
                    let b = as_slice(arg(b), &mut rest[..n]);
                    lanes::select(target, c, a, b);
                }
            }
        }
        if in_place || program.code.is_empty() {
            match arg(program.result) {
                Arg::Slice(result) if program.code.is_empty() && in_place => {
                    temporaries[..n].copy_from_slice(result);
                    // SAFETY: the block is this call's own; what an operand read of it was copied.
                    unsafe { out.slice_mut(at..at + n) }.copy_from_slice(&temporaries[..n]);
                }
                // SAFETY: the block is this call's own; the result lies elsewhere.
                Arg::Slice(result) => unsafe { out.slice_mut(at..at + n) }.copy_from_slice(result),
                // SAFETY: the block is this call's own.
                Arg::Number(x) => unsafe { out.slice_mut(at..at + n) }.fill(x),
            }
        }
    }
}

/// Operands of a program at most.
pub(crate) const MAX_OPERANDS: usize = 24;

fn as_slice<'a>(arg: Arg<'a>, temporary: &'a mut [f32]) -> &'a [f32] {
    match arg {
        Arg::Slice(slice) => slice,
        Arg::Number(x) => {
            temporary.fill(x);
            temporary
        }
    }
}

impl Operand {
    /// The operand's elements for the block of `load.len()` elements from `start`, read where they are or gathered into `load`.
    ///
    /// # Safety
    /// Nothing writes what is read while the result is used.
    unsafe fn load<'a>(&self, span: Span, dims: &[usize], start: usize, load: &'a mut [f32]) -> Arg<'a> {
        let n = load.len();
        if self.dense {
            // SAFETY: the caller's promise.
            return Arg::Slice(unsafe { span.slice(self.offset + start..self.offset + start + n) });
        }
        let Some((inner, outer)) = dims.split_last() else {
            // SAFETY: the caller's promise.
            return Arg::Number(unsafe { span.slice(self.offset..self.offset + 1) }[0]);
        };
        // SAFETY: the caller's promise.
        let all = unsafe { span.slice(0..span.len()) };
        let step = self.strides[dims.len() - 1];
        let (row, mut column) = (start / inner, start % inner);
        let mut rows = Rows::new(outer, &self.strides, self.offset, row);
        if step == 0 && column + n <= *inner {
            return Arg::Number(all[rows.at as usize]);
        }
        let mut done = 0;
        while done < n {
            let len = (inner - column).min(n - done);
            strided(&mut load[done..done + len], all, rows.at + column as isize * step, step);
            done += len;
            column = 0;
            rows.next();
        }
        Arg::Slice(load)
    }
}

/// Fills `to` with the elements from `at` on, `step` apart.
#[inline(always)]
fn strided(to: &mut [f32], all: &[f32], at: isize, step: isize) {
    match step {
        0 => to.fill(all[at as usize]),
        1 => to.copy_from_slice(&all[at as usize..at as usize + to.len()]),
        _ => {
            let last = at + (to.len() as isize - 1) * step;
            assert!(at.min(last) >= 0 && (at.max(last) as usize) < all.len(), "elements within the storage");
            for (i, to) in to.iter_mut().enumerate() {
                // SAFETY: between the first and the last element, which were checked.
                *to = unsafe { *all.get_unchecked((at + i as isize * step) as usize) };
            }
        }
    }
}

/// Walks through the rows of a strided tensor in order.
struct Rows<'a> {
    dims: &'a [usize],
    strides: &'a [isize],
    indices: [usize; MAX_AXES],
    at: isize,
}

/// Axes of a program at most.
pub(crate) const MAX_AXES: usize = 16;

impl<'a> Rows<'a> {
    /// Begins at the row of that number.
    fn new(dims: &'a [usize], strides: &'a [isize], offset: usize, row: usize) -> Rows<'a> {
        let (mut rest, mut at, mut indices) = (row, offset as isize, [0; MAX_AXES]);
        for axis in (0..dims.len()).rev() {
            indices[axis] = rest % dims[axis];
            at += indices[axis] as isize * strides[axis];
            rest /= dims[axis];
        }
        Rows { dims, strides, indices, at }
    }

    fn next(&mut self) {
        for axis in (0..self.dims.len()).rev() {
            self.indices[axis] += 1;
            self.at += self.strides[axis];
            if self.indices[axis] < self.dims[axis] {
                return;
            }
            self.at -= self.strides[axis] * self.dims[axis] as isize;
            self.indices[axis] = 0;
        }
    }
}

/// Where a program's result goes: row-major over `dims`, of which the last is contiguous.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) storage: StorageId,
    pub(crate) offset: usize,
    /// Axes outside the contiguous rows.
    pub(crate) outer: Vec<usize>,
    /// Their strides.
    pub(crate) strides: Vec<isize>,
    /// Elements of a contiguous row.
    pub(crate) row: usize,
}

/// A program as a step of its own.
pub(crate) struct Elementwise {
    pub(crate) program: Program,
    pub(crate) to: Destination,
    pub(crate) threads: usize,
}

/// Work below this, in elements times weight, is not worth a second thread.
const SERIAL_WORK: usize = 1 << 17;
/// Rows of the destination shorter than this are computed many at once and then put into place.
const SHORT_ROW: usize = 128;

impl crate::memory::Kernel for Elementwise {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let total = self.program.elements();
        if total == 0 {
            return Ok(());
        }
        let bound = self.program.bind(memory);
        let out = memory.span(self.to.storage);
        let parts = if total * self.program.weight() < SERIAL_WORK { 1 } else { self.threads };
        let chunk = total.div_ceil(parts).next_multiple_of(BLOCK);
        crate::parallel::for_each(total.div_ceil(chunk), |part| {
            let (mut at, end) = (part * chunk, total.min((part + 1) * chunk));
            with_scratch(self.program.scratch() + BLOCK, |scratch| {
                let (block, scratch) = scratch.split_at_mut(BLOCK);
                let block = Span::of_mut(block);
                let mut rows = Rows::new(&self.to.outer, &self.to.strides, self.to.offset, at / self.to.row);
                let mut column = at % self.to.row;
                let short = self.to.row < SHORT_ROW && !self.to.outer.is_empty();
                while at < end {
                    let len = if short { BLOCK.min(end - at) } else { (self.to.row - column).min(end - at) };
                    if short {
                        // SAFETY: the block is this call's own.
                        unsafe { bound.run(at, block, 0, len, scratch) };
                        // SAFETY: the program is done with the block.
                        let mut from = unsafe { block.slice(0..len) };
                        while !from.is_empty() {
                            let n = (self.to.row - column).min(from.len());
                            let base = rows.at as usize + column;
                            // SAFETY: parts and rows are disjoint.
                            unsafe { out.slice_mut(base..base + n) }.copy_from_slice(&from[..n]);
                            from = &from[n..];
                            column += n;
                            if column == self.to.row {
                                column = 0;
                                rows.next();
                            }
                        }
                    } else {
                        let base = rows.at as usize + column;
                        // SAFETY: parts and rows are disjoint, and the plan keeps operands apart from the destination or puts them at the same elements.
                        unsafe { bound.run(at, out, base, len, scratch) };
                        column += len;
                        if column == self.to.row {
                            column = 0;
                            rows.next();
                        }
                    }
                    at += len;
                }
            });
        });
        Ok(())
    }
}
