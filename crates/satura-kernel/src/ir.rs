//! The kernel IR: one structured program, run by every invocation of every workgroup.

/// A register: assigned once, by the `Let` that defines it, visible to the end of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(pub u32);

/// A mutable variable of one invocation, visible to the end of the block that declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub u32);

/// A buffer of the kernel, in binding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u32);

/// An array shared by the invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedId(pub u32);

/// The type of a scalar in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// IEEE binary32.
    F32,
    /// Signed 32-bit integer; arithmetic wraps.
    I32,
    /// Unsigned 32-bit integer; arithmetic wraps.
    U32,
    /// Truth value.
    Bool,
}

/// The type of a register: one scalar, or a vector of 2 or 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ty {
    /// The type of each component.
    pub scalar: Scalar,
    /// The number of components: 1, 2 or 4.
    pub width: u8,
}

impl Ty {
    /// One component.
    pub const fn of(scalar: Scalar) -> Ty {
        Ty { scalar, width: 1 }
    }

    /// `width` components.
    pub const fn vec(scalar: Scalar, width: u8) -> Ty {
        Ty { scalar, width }
    }
}

/// How the elements of a buffer lie in memory, and which [`Scalar`] a load gives. Indices always count elements, whatever the packing.
///
/// The packed kinds share 32-bit words between elements, so a store must write whole words: 4 consecutive elements of an 8-bit kind, 2 or 4 of a
/// 16-bit kind, at an index that is a multiple of the count. Buffers of packed kinds are padded to whole words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Storage {
    /// `f32`, a word each.
    F32,
    /// Native `f16`, two bytes each; loads give `F32`, stores round to nearest even. Needs the device's f16 feature.
    F16,
    /// `i32`, a word each. Holds 64-bit integers whose range was checked, too.
    I32,
    /// `u32`, a word each.
    U32,
    /// Two `f16` in a word; loads give `F32`.
    F16x2,
    /// Two `bf16` in a word; loads give `F32`, stores round to nearest even.
    BF16x2,
    /// Four `u8` in a word; loads give `U32`, stores keep the low 8 bits.
    U8x4,
    /// Four `i8` in a word; loads give `I32` sign-extended, stores keep the low 8 bits.
    I8x4,
    /// Two `u16` in a word; loads give `U32`.
    U16x2,
    /// Two `i16` in a word; loads give `I32`.
    I16x2,
    /// Four truth values in a word, one byte each, 0 or 1; loads give `Bool`.
    Bool8x4,
}

impl Storage {
    /// What a load gives and a store takes.
    pub fn scalar(self) -> Scalar {
        match self {
            Storage::F32 | Storage::F16 | Storage::F16x2 | Storage::BF16x2 => Scalar::F32,
            Storage::I32 | Storage::I8x4 | Storage::I16x2 => Scalar::I32,
            Storage::U32 | Storage::U8x4 | Storage::U16x2 => Scalar::U32,
            Storage::Bool8x4 => Scalar::Bool,
        }
    }

    /// Elements that a store must write together.
    pub fn per_word(self) -> usize {
        match self {
            Storage::F32 | Storage::I32 | Storage::U32 | Storage::F16 => 1,
            Storage::F16x2 | Storage::BF16x2 | Storage::U16x2 | Storage::I16x2 => 2,
            Storage::U8x4 | Storage::I8x4 | Storage::Bool8x4 => 4,
        }
    }

    /// Bytes of `elements`, padded to whole words.
    pub fn byte_len(self, elements: usize) -> usize {
        let bits = match self {
            Storage::F32 | Storage::I32 | Storage::U32 => 32,
            Storage::F16 | Storage::F16x2 | Storage::BF16x2 | Storage::U16x2 | Storage::I16x2 => 16,
            Storage::U8x4 | Storage::I8x4 | Storage::Bool8x4 => 8,
        };
        (elements * bits).div_ceil(32) * 4
    }
}

/// What a kernel does with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Reads.
    Read,
    /// Writes, and perhaps reads.
    ReadWrite,
}

/// A buffer that a kernel reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// A name for the generated text.
    pub name: String,
    /// The packing.
    pub storage: Storage,
    /// Elements; every index is below it.
    pub elements: usize,
    /// The access.
    pub access: Access,
    /// 4 if the buffer is declared as an array of vec4 (only `F32`, `I32`, `U32`, whose length is a multiple of 4), so that aligned loads and stores of 4 elements are
    /// one access; else 1. Any width may be accessed either way.
    pub vector: u8,
}

/// An array in memory that the invocations of a workgroup share. Uninitialised at start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    /// Element type, one component.
    pub scalar: Scalar,
    /// Elements.
    pub elements: usize,
}

/// Operations on one operand, component by component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnaryOp {
    /// `-x`; integers wrap.
    Neg,
    /// Absolute value.
    Abs,
    /// -1, 0 or 1; NaN stays NaN, as do both zeros.
    Sign,
    /// Round down.
    Floor,
    /// Round up.
    Ceil,
    /// Round to nearest, ties to even.
    Round,
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// Sine of radians.
    Sin,
    /// Cosine of radians.
    Cos,
    /// Tangent of radians.
    Tan,
    /// Hyperbolic tangent; right for arguments of any size.
    Tanh,
    /// `1 / (1 + e^-x)`; right for arguments of any size.
    Sigmoid,
    /// The error function, to a few units in the last place.
    Erf,
    /// Logical not of bool, bitwise not of integers.
    Not,
    /// Whether a float is NaN, by its bits.
    IsNan,
    /// The nearest float that `f16` has, ties to even; infinite beyond its range.
    RoundF16,
    /// The nearest float that `bf16` has, ties to even.
    RoundBf16,
}

/// Operations on two operands of one type, component by component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BinaryOp {
    /// Sum; integers wrap.
    Add,
    /// Difference; integers wrap.
    Sub,
    /// Product; integers wrap.
    Mul,
    /// Quotient; integers round towards zero and give 0 for a divisor of 0.
    Div,
    /// Remainder with the sign of the dividend; integers give 0 for a divisor of 0.
    Rem,
    /// Floats: `a^b` for any signs, as in C's `pow`.
    Pow,
    /// The lesser; NaN if either is.
    Min,
    /// The greater; NaN if either is.
    Max,
    /// Logical and of bool, bitwise and of integers.
    And,
    /// Logical or of bool, bitwise or of integers.
    Or,
    /// Exclusive or.
    Xor,
    /// Left shift of an integer by an amount below 32.
    Shl,
    /// Right shift of an integer by an amount below 32; of `I32` it copies the sign.
    Shr,
    /// Bool: whether equal (NaN equals nothing).
    Eq,
    /// Bool: whether less.
    Lt,
    /// Bool: whether less or equal.
    Le,
}

impl BinaryOp {
    /// Whether the result is bool whatever the operands.
    pub fn compares(self) -> bool {
        matches!(self, BinaryOp::Eq | BinaryOp::Lt | BinaryOp::Le)
    }
}

/// Operations over the lanes of a subgroup; every lane gets the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubgroupOp {
    /// Sum.
    Add,
    /// Product.
    Mul,
    /// Minimum.
    Min,
    /// Maximum.
    Max,
}

/// What a register is defined as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inst {
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    I32(i32),
    /// An unsigned integer.
    U32(u32),
    /// A float, by its bits.
    F32(u32),
    /// `U32`: the workgroup's number, `0..groups`.
    Group,
    /// `U32`: the invocation's number in its workgroup, `0..workgroup_size`.
    Local,
    /// `U32`: the invocation's number in its subgroup. Subgroup `s` of a workgroup holds the invocations `s * size .. (s + 1) * size`.
    Lane,
    /// `U32`: a number given at dispatch, the same for all invocations.
    Param(u32),
    /// The present value of a variable.
    Get(VarId),
    /// An operation on one operand.
    Unary(UnaryOp, Reg),
    /// An operation on two operands of one type.
    Binary(BinaryOp, Reg, Reg),
    /// `a * b + c` on floats, fused or not.
    Fma(Reg, Reg, Reg),
    /// `condition ? a : b`: (condition, a, b); the condition has one component or as many as the operands.
    Select(Reg, Reg, Reg),
    /// Conversion: float to integer truncates and saturates (NaN gives 0), integer to float rounds, between integers keeps the bits, to bool is `!= 0`, bool gives 0 or 1.
    Convert(Scalar, Reg),
    /// The same bits as another 32-bit type.
    Bitcast(Scalar, Reg),
    /// A vector of equal components.
    Splat(u8, Reg),
    /// A vector of 2 or 4 scalars.
    Compose(Vec<Reg>),
    /// A component of a vector.
    Extract(Reg, u8),
    /// `width` consecutive elements from `index` on.
    Load {
        /// The buffer.
        buffer: BufferId,
        /// `U32`: the first element.
        index: Reg,
        /// 1, 2 or 4.
        width: u8,
    },
    /// One element of shared memory.
    LoadShared {
        /// The array.
        shared: SharedId,
        /// `U32`: the element.
        index: Reg,
    },
    /// The value that `lane` (a constant below the subgroup size) has.
    Broadcast(Reg, u32),
    /// A reduction over the subgroup, component by component.
    Subgroup(SubgroupOp, Reg),
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stmt {
    /// Defines a register.
    Let(Reg, Inst),
    /// Declares a variable with its first value.
    Declare(VarId, Reg),
    /// Assigns a variable.
    Set(VarId, Reg),
    /// Writes the components of `value` to consecutive elements from `index` on.
    Store {
        /// The buffer.
        buffer: BufferId,
        /// `U32`: the first element.
        index: Reg,
        /// The value.
        value: Reg,
    },
    /// Writes one element of shared memory.
    StoreShared {
        /// The array.
        shared: SharedId,
        /// `U32`: the element.
        index: Reg,
        /// The value.
        value: Reg,
    },
    /// All invocations of the workgroup wait for each other; shared memory is consistent after it. Only in uniform control flow.
    Barrier,
    /// Runs `body` with `var` = `start`, `start + step`, .. while it is less than `end`. `U32`.
    For {
        /// The counter.
        var: Reg,
        /// First value.
        start: Reg,
        /// Bound, exclusive.
        end: Reg,
        /// Increment, positive.
        step: u32,
        /// The body.
        body: Vec<Stmt>,
    },
    /// Runs one of two blocks.
    If {
        /// Bool.
        condition: Reg,
        /// If true.
        then: Vec<Stmt>,
        /// If false.
        otherwise: Vec<Stmt>,
    },
}

/// A kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// What it computes, for people: `conv_relu`.
    pub name: String,
    /// The buffers, in binding order.
    pub buffers: Vec<Buffer>,
    /// The shared arrays.
    pub shared: Vec<Shared>,
    /// Numbers given at dispatch.
    pub params: u32,
    /// Invocations in a workgroup; they are numbered in one dimension.
    pub workgroup_size: u32,
    /// Workgroups. The dispatch may start more (grids are folded into three dimensions); those do nothing.
    pub groups: u32,
    /// The exact subgroup size that the kernel was made for, if it uses subgroup operations.
    pub subgroup_size: Option<u32>,
    /// The type of each register.
    pub regs: Vec<Ty>,
    /// The type of each variable.
    pub vars: Vec<Ty>,
    /// The program.
    pub body: Vec<Stmt>,
}
