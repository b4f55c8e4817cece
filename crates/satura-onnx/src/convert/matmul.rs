//! Matrix products.

use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::{ValueId, ops};

/// A product of matrices; a vector is a row on the left and a column on the right, and its axis is dropped from the result.
pub(super) fn matmul(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    product(cx, a, b)
}

/// The product of two values as the op defines it.
pub(super) fn product(cx: &mut NodeCx<'_>, a: ValueId, b: ValueId) -> Converted {
    let (rank_a, rank_b) = (cx.rank(a), cx.rank(b));
    if rank_a == Some(0) || rank_b == Some(0) {
        return Err(Diagnostic::error(Code::Shape, "a product of matrices does not take scalars"));
    }
    let (row, column) = (rank_a == Some(1), rank_b == Some(1));
    let left = if row { cx.one(ops::Unsqueeze { axes: vec![0] }, &[a])? } else { a };
    let right = if column { cx.one(ops::Unsqueeze { axes: vec![1] }, &[b])? } else { b };
    let product = cx.one(ops::MatMul {}, &[left, right])?;
    let dropped: Vec<i64> =
        [(row, -2), (column, -1)].into_iter().filter(|(is, _)| *is).map(|(_, axis)| axis).collect();
    if dropped.is_empty() {
        return Ok(vec![product]);
    }
    cx.emit(ops::Squeeze { axes: Some(dropped) }, &[product])
}

/// `alpha * op(a) * op(b) + beta * c`, `op` being the transpose where the node says so.
pub(super) fn gemm(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], [c]) = cx.args()?;
    for (input, matrix) in [a, b].into_iter().enumerate() {
        if let Some(rank) = cx.rank(matrix).filter(|rank| *rank != 2) {
            return Err(Diagnostic::error(Code::Shape, format!("a matrix is expected, the rank is {rank}"))
                .at_input(input));
        }
    }
    let alpha = cx.attrs.float("alpha")?.unwrap_or(1.0);
    let beta = cx.attrs.float("beta")?.unwrap_or(1.0);
    let (trans_a, trans_b) =
        (cx.attrs.flag("transA")?.unwrap_or(false), cx.attrs.flag("transB")?.unwrap_or(false));
    let mut operand = |matrix: ValueId, transposed: bool| match transposed {
        true => cx.one(ops::Transpose { perm: vec![1, 0] }, &[matrix]),
        false => Ok(matrix),
    };
    let (left, right) = (operand(a, trans_a)?, operand(b, trans_b)?);
    let product = cx.one(ops::MatMul {}, &[left, right])?;
    let product = scaled(cx, product, alpha)?;
    let Some(c) = c.filter(|_| beta != 0.0) else { return Ok(vec![product]) };
    let c = scaled(cx, c, beta)?;
    cx.emit(ops::Add {}, &[product, c])
}

fn scaled(cx: &mut NodeCx<'_>, x: ValueId, factor: f32) -> Result<ValueId, Diagnostic> {
    if factor == 1.0 {
        return Ok(x);
    }
    if cx.dtype(x)?.is_int() && factor.fract() != 0.0 {
        return Err(Diagnostic::error(Code::Unsupported, format!("integers scaled by {factor}")));
    }
    let factor = cx.scalar_like(x, f64::from(factor))?;
    cx.emit(ops::Mul {}, &[x, factor]).map(|outputs| outputs[0])
}
