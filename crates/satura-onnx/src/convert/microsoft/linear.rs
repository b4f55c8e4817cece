//! Inverses and distances, complex products, Fourier transforms.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops::{self, ArgKind, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim};

/// Larger matrices would unroll into too many nodes.
const MOST_ROWS: usize = 64;

/// Inverses of matrices by Gauss-Jordan elimination with the greatest pivot of each column, unrolled.
pub(in crate::convert) fn inverse(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let to = cx.dtype(x)?;
    let dims = cx.dims(x, "its inverse")?;
    let [batch @ .., rows, columns] = &dims[..] else {
        return Err(Diagnostic::error(Code::Shape, "a matrix is expected"));
    };
    let (n, m) = (cx.constant_dim(rows, "the rows")?, cx.constant_dim(columns, "the columns")?);
    if n != m {
        return Err(Diagnostic::error(
            Code::Shape,
            format!("a matrix of {n} rows and {m} columns has no inverse"),
        ));
    }
    if n > MOST_ROWS {
        return Err(unsupported(format!("the inverse of a matrix of {n} rows")));
    }
    let count = batch.iter().cloned().fold(Dim::from(1), |product, extent| product * extent);
    let size = Dim::from(n);
    let wide = if to == DType::F64 { DType::F64 } else { DType::F32 };
    let x = cx.cast(x, wide)?;
    let flat = cx.reshape(x, vec![count.clone(), size.clone(), size.clone()])?;
    // `[A | 1]` becomes `[1 | inverse]`.
    let row = cx.iota(DType::I64, vec![size.clone(), Dim::from(1)], 0)?;
    let column = cx.iota(DType::I64, vec![size.clone()], 0)?;
    let diagonal = cx.equal(row, column)?;
    let identity = cx.cast(diagonal, wide)?;
    let identity = cx.broadcast(identity, vec![count.clone(), size.clone(), size.clone()])?;
    let mut both = cx.concat(&[flat, identity], 2)?;
    let width = Dim::from(2 * n);
    let never = cx.scalar(wide, -1.0)?;
    for step in 0..n {
        let here = cx.constant(satura_tensor::Tensor::scalar(i64::try_from(step).unwrap_or(i64::MAX)))?;
        let pivots = cx.part(both, 2, Dim::from(step), Dim::from(1))?;
        let pivots = cx.map(ops::Abs {}, pivots)?;
        let done = cx.less(row, here)?;
        let pivots = cx.select(done, never, pivots)?;
        let best = ops::ArgReduce { kind: ArgKind::Max, axis: 1, keep: true, last: false };
        let best = cx.one(best, &[pivots])?;
        let at = cx.broadcast(best, vec![count.clone(), Dim::from(1), width.clone()])?;
        let pivot_row = cx.one(ops::GatherElements { axis: 1 }, &[both, at])?;
        let first_row = cx.part(both, 1, Dim::from(step), Dim::from(1))?;
        let is_pivot = cx.equal(row, best)?;
        both = cx.select(is_pivot, first_row, both)?;
        let head = cx.part(pivot_row, 2, Dim::from(step), Dim::from(1))?;
        let unit_row = cx.div(pivot_row, head)?;
        let factors = cx.part(both, 2, Dim::from(step), Dim::from(1))?;
        let share = cx.mul(factors, unit_row)?;
        let rest = cx.sub(both, share)?;
        let is_here = cx.equal(row, here)?;
        both = cx.select(is_here, unit_row, rest)?;
    }
    let inverse = cx.part(both, 2, size.clone(), size)?;
    let inverse = cx.reshape(inverse, dims)?;
    Ok(vec![cx.cast(inverse, to)?])
}

/// Distances of all rows of `a: [M, K]` from all rows of `b: [N, K]`.
pub(in crate::convert) fn distances(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    let metrics = [("euclidean", true), ("sqeuclidean", false)];
    let root = cx.attrs.choice("metric", &metrics)?.unwrap_or(false);
    let (a, b) = (cx.unsqueeze(a, &[1])?, cx.unsqueeze(b, &[0])?);
    let difference = cx.sub(a, b)?;
    let square = cx.mul(difference, difference)?;
    let sum = cx.reduce(ReduceKind::Sum, square, Some(&[2]))?;
    let sum = cx.squeeze(sum, &[2])?;
    Ok(vec![if root { cx.map(ops::Sqrt {}, sum)? } else { sum }])
}

/// Products of complex numbers, whose parts are the last axis; the right ones conjugated first where that is meant.
pub(in crate::convert) fn complex_product(cx: &mut NodeCx<'_>, conjugate: bool) -> Converted {
    let ([a, b], []) = cx.args()?;
    let parts = |cx: &mut NodeCx<'_>, x: ValueId| {
        let axis = cx.need_rank(x, "its parts")?.saturating_sub(1);
        let real = cx.part(x, axis, Dim::from(0), Dim::from(1))?;
        Ok::<[ValueId; 2], Diagnostic>([real, cx.part(x, axis, Dim::from(1), Dim::from(1))?])
    };
    let [a, b] = [parts(cx, a)?, parts(cx, b)?];
    let turned = if conjugate { cx.map(ops::Neg {}, b[1])? } else { b[1] };
    let (straight, across) = (cx.mul(a[0], b[0])?, cx.mul(a[1], turned)?);
    let real = cx.sub(straight, across)?;
    let (straight, across) = (cx.mul(a[0], turned)?, cx.mul(a[1], b[0])?);
    let imaginary = cx.add(straight, across)?;
    let rank = cx.need_rank(real, "its parts")?;
    Ok(vec![cx.concat(&[real, imaginary], rank - 1)?])
}

/// How many of the last axes a transform is over.
fn signal_axes(cx: &mut NodeCx<'_>) -> Result<usize, Diagnostic> {
    let count = cx.attrs.int("signal_ndim")?.unwrap_or(1);
    let count = sizes("signal_ndim", &[count], 1)?[0];
    if !cx.attrs.flag("onesided")?.unwrap_or(true) {
        return Err(unsupported("a spectrum with both sides").at_attribute("onesided"));
    }
    if cx.attrs.flag("normalized")?.unwrap_or(false) {
        return Err(unsupported("a transform that is normalised").at_attribute("normalized"));
    }
    Ok(count)
}

fn transform(cx: &mut NodeCx<'_>, x: ValueId, axis: usize, inverse: bool, onesided: bool) -> Emitted {
    let axis = i64::try_from(axis).unwrap_or(i64::MAX);
    cx.one(Op::from(ops::Dft { axis, length: None, inverse, onesided }), &[x])
}

/// The spectrum of real numbers over the last axes, of which the last has only its first half; the parts are a new last axis.
pub(in crate::convert) fn spectrum(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let count = signal_axes(cx)?;
    let rank = cx.need_rank(x, "its spectrum")?;
    if count > rank {
        return Err(bad_attribute("signal_ndim", format!("{count} of {rank} axes")));
    }
    let mut y = cx.unsqueeze(x, &[-1])?;
    y = transform(cx, y, rank - 1, false, true)?;
    for axis in rank - count..rank - 1 {
        y = transform(cx, y, axis, false, false)?;
    }
    Ok(vec![y])
}

/// The way back, to an even number of elements.
pub(in crate::convert) fn signal(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let count = signal_axes(cx)?;
    let rank = cx.need_rank(x, "its signal")?;
    if count + 1 > rank {
        return Err(bad_attribute("signal_ndim", format!("{count} of {rank} axes")));
    }
    let mut y = x;
    for axis in rank - 1 - count..rank - 2 {
        y = transform(cx, y, axis, true, false)?;
    }
    y = transform(cx, y, rank - 2, true, true)?;
    Ok(vec![cx.squeeze(y, &[-1])?])
}

/// Whether all elements of all inputs are finite, or at least not NaN, or at least not infinite.
pub(in crate::convert) fn all_finite(cx: &mut NodeCx<'_>) -> Converted {
    let inputs = cx.variadic()?;
    let only_nan = cx.attrs.flag("isnan_only")?.unwrap_or(false);
    let only_infinite = cx.attrs.flag("isinf_only")?.unwrap_or(false);
    let mut result = None;
    for x in inputs {
        let is_nan = cx.map(ops::IsNan {}, x)?;
        let size = cx.map(ops::Abs {}, x)?;
        let infinity = cx.scalar_like(x, f64::INFINITY)?;
        let infinite = cx.equal(size, infinity)?;
        let bad = match (only_nan, only_infinite) {
            (true, false) => is_nan,
            (false, true) => infinite,
            _ => cx.one(ops::Or {}, &[is_nan, infinite])?,
        };
        let any = cx.reduce(ReduceKind::Max, bad, None)?;
        let good = cx.map(ops::Not {}, any)?;
        result = Some(match result {
            Some(result) => cx.and(result, good)?,
            None => good,
        });
    }
    result.map(|result| vec![result]).ok_or_else(|| Attributes::<()>::missing("input"))
}
