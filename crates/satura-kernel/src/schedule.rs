//! Schedules: the choices that change a kernel's speed but not its results (beyond the order of a sum). Plain data, so that a tuner can search, a cache can keep and a test
//! can enumerate them.

use std::fmt;

/// How a contraction (matrix product or convolution) is tiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractionSchedule {
    /// One output element per invocation: the baseline that speed is measured against.
    Naive {
        /// Invocations in a workgroup.
        workgroup: u32,
    },
    /// Register tiles of `rows` x (`vectors` x 4) outputs per invocation, operands read straight from memory: for devices without subgroups and slow barriers.
    Register {
        /// Rows per invocation.
        rows: u32,
        /// Vectors of 4 columns per invocation.
        vectors: u32,
        /// Invocations in a workgroup.
        workgroup: u32,
    },
    /// `rows` x 4 outputs per lane, lanes side by side along the columns; the row operand is loaded once per subgroup and broadcast from lane to lane. No barriers.
    Subgroup {
        /// Rows per lane: a multiple of the subgroup size, or a divisor of it.
        rows: u32,
        /// Subgroups in a workgroup.
        subgroups: u32,
    },
    /// Tiles staged in shared memory, `rows` x `columns` per workgroup and `inner` steps of the summed axis at a time; each invocation keeps `thread_rows` x `thread_columns` outputs.
    Shared {
        /// Rows of a workgroup's tile.
        rows: u32,
        /// Columns of a workgroup's tile.
        columns: u32,
        /// Depth of a stage.
        inner: u32,
        /// Rows per invocation.
        thread_rows: u32,
        /// Columns per invocation.
        thread_columns: u32,
    },
}

/// How rows (reductions, softmax, norms) are spread over invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowSchedule {
    /// One invocation per row.
    Serial {
        /// Invocations in a workgroup.
        workgroup: u32,
    },
    /// One subgroup per row, lanes along the row.
    Subgroup {
        /// Subgroups in a workgroup.
        subgroups: u32,
    },
    /// One workgroup per row, partial results combined in shared memory.
    Shared {
        /// Invocations in a workgroup, a power of two.
        workgroup: u32,
    },
}

/// The schedule of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schedule {
    /// Elementwise: each invocation computes `per_invocation` vectors of `vector` consecutive elements.
    Elementwise {
        /// 1, 2 or 4.
        vector: u8,
        /// Vectors per invocation.
        per_invocation: u32,
        /// Invocations in a workgroup.
        workgroup: u32,
    },
    /// Rows.
    Row(RowSchedule),
    /// A contraction.
    Contraction(ContractionSchedule),
}

impl fmt::Display for ContractionSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContractionSchedule::Naive { workgroup } => write!(f, "naive, workgroup {workgroup}"),
            ContractionSchedule::Register { rows, vectors, workgroup } => {
                write!(f, "register {rows} x {vectors} vectors, workgroup {workgroup}")
            }
            ContractionSchedule::Subgroup { rows, subgroups } => {
                write!(f, "subgroup {rows} rows, {subgroups} in a workgroup")
            }
            ContractionSchedule::Shared { rows, columns, inner, thread_rows, thread_columns } => {
                write!(f, "shared {rows} x {columns} x {inner}, {thread_rows} x {thread_columns} each")
            }
        }
    }
}

impl fmt::Display for RowSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowSchedule::Serial { workgroup } => write!(f, "serial, workgroup {workgroup}"),
            RowSchedule::Subgroup { subgroups } => write!(f, "subgroup, {subgroups} in a workgroup"),
            RowSchedule::Shared { workgroup } => write!(f, "shared, workgroup {workgroup}"),
        }
    }
}

/// One line for people and for snapshots: `elementwise 4 x 1, workgroup 64`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Elementwise { vector, per_invocation, workgroup } => {
                write!(f, "elementwise {vector} x {per_invocation}, workgroup {workgroup}")
            }
            Schedule::Row(rows) => write!(f, "rows {rows}"),
            Schedule::Contraction(contraction) => write!(f, "contraction {contraction}"),
        }
    }
}
