//! Reductions, positions of extremes, cumulative sums.

use super::movement::axes;
use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::ops::{ArgKind, ReduceKind};
use satura_ir::{ValueId, ops};

/// What is reduced over.
struct Reduction {
    axes: Option<Vec<i64>>,
    keep: bool,
}

impl Reduction {
    fn apply(&self, cx: &mut NodeCx<'_>, kind: ReduceKind, x: ValueId) -> Result<ValueId, Diagnostic> {
        cx.one(ops::Reduce { kind, axes: self.axes.clone(), keep: self.keep }, &[x])
    }
}

/// The axes are an input from operator set `since` on. No axes are all axes, or none where the node says so.
fn reduction(cx: &mut NodeCx<'_>, since: i64) -> Result<(ValueId, Reduction), Diagnostic> {
    let ([x], [input]) = cx.args()?;
    let keep = cx.attrs.flag("keepdims")?.unwrap_or(true);
    let none =
        if cx.version >= since { cx.attrs.flag("noop_with_empty_axes")?.unwrap_or(false) } else { false };
    let axes = axes(cx, input, since)?.filter(|axes| !axes.is_empty());
    let axes = if none && axes.is_none() { Some(Vec::new()) } else { axes };
    Ok((x, Reduction { axes, keep }))
}

pub(super) fn reduce(cx: &mut NodeCx<'_>, kind: ReduceKind, since: i64) -> Converted {
    let (x, reduction) = reduction(cx, since)?;
    Ok(vec![reduction.apply(cx, kind, x)?])
}

pub(super) fn mean(cx: &mut NodeCx<'_>) -> Converted {
    let (x, Reduction { axes, keep }) = reduction(cx, 18)?;
    cx.emit(ops::Mean { axes, keep }, &[x])
}

/// Sum of magnitudes.
pub(super) fn l1(cx: &mut NodeCx<'_>) -> Converted {
    let (x, reduction) = reduction(cx, 18)?;
    let magnitude = cx.one(ops::Abs {}, &[x])?;
    Ok(vec![reduction.apply(cx, ReduceKind::Sum, magnitude)?])
}

/// Square root of the sum of squares.
pub(super) fn l2(cx: &mut NodeCx<'_>) -> Converted {
    let sum = sum_square(cx)?;
    cx.emit(ops::Sqrt {}, &sum)
}

pub(super) fn sum_square(cx: &mut NodeCx<'_>) -> Converted {
    let (x, reduction) = reduction(cx, 18)?;
    let square = cx.one(ops::Mul {}, &[x, x])?;
    Ok(vec![reduction.apply(cx, ReduceKind::Sum, square)?])
}

pub(super) fn log_sum(cx: &mut NodeCx<'_>) -> Converted {
    let (x, reduction) = reduction(cx, 18)?;
    let sum = reduction.apply(cx, ReduceKind::Sum, x)?;
    cx.emit(ops::Log {}, &[sum])
}

/// `log(sum(exp(x - m))) + m` with the maximum `m`, taken as 0 where it is infinite.
pub(super) fn log_sum_exp(cx: &mut NodeCx<'_>) -> Converted {
    let (x, reduction) = reduction(cx, 18)?;
    let with_axes = Reduction { axes: reduction.axes.clone(), keep: true };
    let mut finite_max = |reduction: &Reduction| {
        let greatest = reduction.apply(cx, ReduceKind::Max, x)?;
        let magnitude = cx.one(ops::Abs {}, &[greatest])?;
        let (infinity, zero) = (cx.scalar_like(x, f64::INFINITY)?, cx.scalar_like(x, 0.0)?);
        let finite = cx.one(ops::Less {}, &[magnitude, infinity])?;
        cx.one(ops::Select {}, &[finite, greatest, zero])
    };
    let (kept, result) = (finite_max(&with_axes)?, finite_max(&reduction)?);
    let shifted = cx.one(ops::Sub {}, &[x, kept])?;
    let raised = cx.one(ops::Exp {}, &[shifted])?;
    let sum = reduction.apply(cx, ReduceKind::Sum, raised)?;
    let log = cx.one(ops::Log {}, &[sum])?;
    cx.emit(ops::Add {}, &[log, result])
}

pub(super) fn arg(cx: &mut NodeCx<'_>, kind: ArgKind) -> Converted {
    let ([x], []) = cx.args()?;
    let axis = cx.attrs.int("axis")?.unwrap_or(0);
    let keep = cx.attrs.flag("keepdims")?.unwrap_or(true);
    let last = if cx.version < 12 { false } else { cx.attrs.flag("select_last_index")?.unwrap_or(false) };
    cx.emit(ops::ArgReduce { kind, axis, keep, last }, &[x])
}

pub(super) fn cumulative(cx: &mut NodeCx<'_>, kind: ReduceKind) -> Converted {
    let ([x, axis], []) = cx.args()?;
    let exclusive = cx.attrs.flag("exclusive")?.unwrap_or(false);
    let reverse = cx.attrs.flag("reverse")?.unwrap_or(false);
    let [axis] = cx.need_ints(axis, "the axis")?[..] else {
        return Err(Diagnostic::error(Code::Shape, "the axis must be one number"));
    };
    cx.emit(ops::Scan { kind, axis, exclusive, reverse }, &[x])
}
