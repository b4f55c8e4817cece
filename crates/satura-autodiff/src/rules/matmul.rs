//! Matrix products.

use crate::vjp::{Emitted, Gradients, Vjp};
use satura_ir::{OpError, ValueId, ops};

/// `g b^T`, `a^T g`; matrices that several products share get the sum.
pub(super) fn matmul(cx: &mut Vjp<'_>) -> Gradients {
    let [a, b] = [cx.inputs[0], cx.inputs[1]];
    let mut gradients = vec![None, None];
    if cx.wanted[0] {
        let right = transposed(cx, b)?;
        let whole = cx.one(ops::MatMul {}, &[cx.gradient, right])?;
        gradients[0] = Some(cx.unbroadcast(whole, a)?);
    }
    if cx.wanted[1] {
        let left = transposed(cx, a)?;
        let whole = cx.one(ops::MatMul {}, &[left, cx.gradient])?;
        gradients[1] = Some(cx.unbroadcast(whole, b)?);
    }
    Ok(gradients)
}

/// With the last two axes changed for each other.
fn transposed(cx: &mut Vjp<'_>, x: ValueId) -> Emitted {
    let rank = cx.shape(x)?.len();
    let last = rank.checked_sub(2).ok_or_else(|| OpError::shape("a matrix has two axes"))?;
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(last, last + 1);
    cx.transpose(x, perm)
}
