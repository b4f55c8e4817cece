//! What the printer must know of a kernel before it prints: how often and where registers are used, which are constants, and which indices are multiples of 2 or 4.

use satura_kernel::{BinaryOp, Inst, Kernel, Reg, Stmt, Storage};

/// Facts about the registers of one kernel.
pub(crate) struct Analysis {
    /// Reads of each register.
    pub(crate) uses: Vec<u32>,
    /// The definition of each register; `None` for loop counters.
    pub(crate) defs: Vec<Option<Inst>>,
    /// Binary zeros at the end of each register's value, at most [`MAX_ALIGNMENT`].
    alignment: Vec<u32>,
    /// The loop in which each register is defined; 0 is outside all.
    def_loop: Vec<u32>,
    /// The loop in which each register was read last.
    use_loop: Vec<u32>,
    loops: u32,
    current: u32,
    /// Whether the kernel reads the number of its workgroup, invocation, lane.
    pub(crate) group: bool,
    /// See `group`.
    pub(crate) local: bool,
    /// See `group`.
    pub(crate) lane: bool,
    /// Whether it uses subgroup operations.
    pub(crate) subgroups: bool,
    /// Whether it has native half floats.
    pub(crate) half: bool,
}

/// More alignment than this is of no use.
const MAX_ALIGNMENT: u32 = 4;

impl Analysis {
    pub(crate) fn of(kernel: &Kernel) -> Self {
        let n = kernel.regs.len();
        let mut this = Analysis {
            uses: vec![0; n],
            defs: vec![None; n],
            alignment: vec![0; n],
            def_loop: vec![0; n],
            use_loop: vec![0; n],
            loops: 0,
            current: 0,
            group: false,
            local: false,
            lane: false,
            subgroups: false,
            half: kernel.buffers.iter().any(|b| b.storage == Storage::F16),
        };
        this.block(&kernel.body);
        this
    }

    /// Whether a register is read once, in the loop that defines it: then its expression may stand where it is read.
    pub(crate) fn used_once_in_place(&self, reg: Reg) -> bool {
        let i = reg.0 as usize;
        self.uses[i] == 1 && self.def_loop[i] == self.use_loop[i]
    }

    /// Whether a register's value is a multiple of `count`, a power of two, in every invocation.
    pub(crate) fn multiple_of(&self, reg: Reg, count: usize) -> bool {
        self.alignment[reg.0 as usize] >= count.trailing_zeros()
    }

    /// The constant that a register holds in all components.
    pub(crate) fn constant(&self, reg: Reg) -> Option<&Inst> {
        match self.defs[reg.0 as usize].as_ref()? {
            Inst::Splat(_, x) => self.constant(*x),
            inst @ (Inst::Bool(_) | Inst::I32(_) | Inst::U32(_) | Inst::F32(_)) => Some(inst),
            _ => None,
        }
    }

    fn read(&mut self, reg: Reg) {
        self.uses[reg.0 as usize] += 1;
        self.use_loop[reg.0 as usize] = self.current;
    }

    fn block(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            match stmt {
                Stmt::Let(reg, inst) => {
                    operands(inst).for_each(|r| self.read(r));
                    match inst {
                        Inst::Group => self.group = true,
                        Inst::Local => self.local = true,
                        Inst::Lane => self.lane = true,
                        Inst::Broadcast(..) | Inst::Subgroup(..) => self.subgroups = true,
                        _ => {}
                    }
                    let i = reg.0 as usize;
                    self.alignment[i] = self.zeros(inst).min(MAX_ALIGNMENT);
                    self.def_loop[i] = self.current;
                    self.defs[i] = Some(inst.clone());
                }
                Stmt::Declare(_, value) | Stmt::Set(_, value) => self.read(*value),
                Stmt::Store { index, value, .. } | Stmt::StoreShared { index, value, .. } => {
                    self.read(*index);
                    self.read(*value);
                }
                Stmt::Barrier => {}
                Stmt::For { var, start, end, step, body } => {
                    self.read(*start);
                    self.read(*end);
                    self.alignment[var.0 as usize] =
                        self.alignment[start.0 as usize].min(step.trailing_zeros()).min(MAX_ALIGNMENT);
                    let outer = self.current;
                    self.loops += 1;
                    self.current = self.loops;
                    self.block(body);
                    self.current = outer;
                }
                Stmt::If { condition, then, otherwise } => {
                    self.read(*condition);
                    self.block(then);
                    self.block(otherwise);
                }
            }
        }
    }

    /// Binary zeros at the end of an instruction's result. Arithmetic modulo 2^32 keeps them.
    fn zeros(&self, inst: &Inst) -> u32 {
        let of = |r: &Reg| self.alignment[r.0 as usize];
        match inst {
            Inst::U32(value) => value.trailing_zeros(),
            Inst::I32(value) => value.trailing_zeros(),
            Inst::Binary(op, a, b) => match op {
                BinaryOp::Mul => of(a) + of(b),
                BinaryOp::Add
                | BinaryOp::Sub
                | BinaryOp::Min
                | BinaryOp::Max
                | BinaryOp::Rem
                | BinaryOp::Or
                | BinaryOp::Xor => of(a).min(of(b)),
                BinaryOp::And => of(a).max(of(b)),
                BinaryOp::Shl => match self.constant(*b) {
                    Some(Inst::U32(by)) => of(a) + by.min(&MAX_ALIGNMENT),
                    _ => of(a),
                },
                BinaryOp::Div
                | BinaryOp::Pow
                | BinaryOp::Shr
                | BinaryOp::Eq
                | BinaryOp::Lt
                | BinaryOp::Le => 0,
            },
            Inst::Select(_, a, b) => of(a).min(of(b)),
            Inst::Bitcast(_, a) => of(a),
            _ => 0,
        }
    }
}

/// The registers that an instruction reads.
pub(crate) fn operands(inst: &Inst) -> impl Iterator<Item = Reg> + '_ {
    let (fixed, list): ([Option<Reg>; 3], &[Reg]) = match inst {
        Inst::Bool(_)
        | Inst::I32(_)
        | Inst::U32(_)
        | Inst::F32(_)
        | Inst::Group
        | Inst::Local
        | Inst::Lane
        | Inst::Param(_)
        | Inst::Get(_) => ([None; 3], &[]),
        Inst::Unary(_, a)
        | Inst::Convert(_, a)
        | Inst::Bitcast(_, a)
        | Inst::Splat(_, a)
        | Inst::Extract(a, _)
        | Inst::Broadcast(a, _)
        | Inst::Subgroup(_, a) => ([Some(*a), None, None], &[]),
        Inst::Load { index, .. } | Inst::LoadShared { index, .. } => ([Some(*index), None, None], &[]),
        Inst::Binary(_, a, b) => ([Some(*a), Some(*b), None], &[]),
        Inst::Fma(a, b, c) | Inst::Select(a, b, c) => ([Some(*a), Some(*b), Some(*c)], &[]),
        Inst::Compose(parts) => ([None; 3], parts),
    };
    fixed.into_iter().flatten().chain(list.iter().copied())
}
