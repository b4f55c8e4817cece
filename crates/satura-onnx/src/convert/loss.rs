//! Losses of classifiers.

use crate::node::{Converted, NodeCx};
use satura_import::{Code, Diagnostic};
use satura_ir::ops::{self, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::DType;

#[derive(Clone, Copy, PartialEq)]
enum Reduction {
    None,
    Sum,
    Mean,
}

/// `-x[n, target, ..]` of log probabilities `x: [N, C, ..]`, weighted by class; a target that is to be ignored counts nothing.
pub(super) fn negative_log_likelihood(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, target], [weight]) = cx.args()?;
    Ok(vec![likelihood(cx, x, target, weight)?])
}

/// The same of scores, through their log softmax, which is the second output.
pub(super) fn softmax_cross_entropy(cx: &mut NodeCx<'_>) -> Converted {
    let ([scores, target], [weight]) = cx.args()?;
    let log = cx.one(Op::from(ops::LogSoftmax { axis: 1 }), &[scores])?;
    Ok(vec![likelihood(cx, log, target, weight)?, log])
}

fn likelihood(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    target: ValueId,
    weight: Option<ValueId>,
) -> Result<ValueId, Diagnostic> {
    let reduction = cx
        .attrs
        .choice(
            "reduction",
            &[("none", Reduction::None), ("sum", Reduction::Sum), ("mean", Reduction::Mean)],
        )?
        .unwrap_or(Reduction::Mean);
    let ignored = cx.attrs.int("ignore_index")?;
    if let Some(rank) = cx.rank(x).filter(|rank| *rank < 2) {
        return Err(Diagnostic::error(Code::Shape, format!("[N, C, ..] is needed, the rank is {rank}")));
    }
    let dtype = cx.dtype(x)?;
    if !matches!(cx.dtype(target)?, DType::I32 | DType::I64) {
        return Err(Diagnostic::error(Code::DType, "the targets must be i32 or i64").at_input(1));
    }
    // An ignored target may be no class at all: class 0 takes its place, and its loss is taken away afterwards.
    let (classes, skip) = match ignored {
        None => (target, None),
        Some(index) => {
            let index = match cx.dtype(target)? {
                DType::I32 => {
                    let index = i32::try_from(index)
                        .map_err(|_| Diagnostic::error(Code::BadAttribute, "beyond the targets' type"))
                        .map_err(|error| error.at_attribute("ignore_index"))?;
                    cx.constant(satura_tensor::Tensor::scalar(index))?
                }
                _ => cx.constant(satura_tensor::Tensor::scalar(index))?,
            };
            let skip = cx.equal(target, index)?;
            let zero = cx.scalar_like(target, 0.0)?;
            (cx.select(skip, zero, target)?, Some(skip))
        }
    };
    let spread = cx.unsqueeze(classes, &[1])?;
    let picked = cx.one(ops::GatherElements { axis: 1 }, &[x, spread])?;
    let picked = cx.squeeze(picked, &[1])?;
    let mut loss = cx.map(ops::Neg {}, picked)?;
    let zero = cx.scalar(dtype, 0.0)?;
    let mut weights = match weight {
        Some(weight) => Some(cx.one(ops::Gather { axis: 0 }, &[weight, classes])?),
        None => None,
    };
    if let Some(skip) = skip {
        let full = match weights {
            Some(weights) => weights,
            None => cx.scalar(dtype, 1.0)?,
        };
        weights = Some(cx.select(skip, zero, full)?);
        // Not a product with 0: what stands at class 0 may be infinite.
        loss = cx.select(skip, zero, loss)?;
    }
    if let (Some(weights), true) = (weights, weight.is_some()) {
        loss = cx.mul(loss, weights)?;
    }
    match (reduction, weights) {
        (Reduction::None, _) => Ok(loss),
        (Reduction::Sum, _) => cx.reduce(ReduceKind::Sum, loss, None),
        (Reduction::Mean, None) => cx.one(ops::Mean { axes: None, keep: false }, &[loss]),
        (Reduction::Mean, Some(weights)) => {
            let total = cx.reduce(ReduceKind::Sum, loss, None)?;
            let count = cx.reduce(ReduceKind::Sum, weights, None)?;
            cx.div(total, count)
        }
    }
}
