//! From scores to what a classifier gives: transformed scores and labels.

use super::texts;
use crate::emit::Emitted;
use crate::node::{NodeCx, bad_attribute};
use satura_import::{Attributes, Diagnostic};
use satura_ir::ops::{self, ArgKind, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{Dim, Tensor};
use std::f64::consts::{PI, SQRT_2};

/// What becomes of scores at the end.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Transform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

const TRANSFORMS: &[(&str, Transform)] = &[
    ("NONE", Transform::None),
    ("SOFTMAX", Transform::Softmax),
    ("LOGISTIC", Transform::Logistic),
    ("SOFTMAX_ZERO", Transform::SoftmaxZero),
    ("PROBIT", Transform::Probit),
];

impl Transform {
    pub(super) fn read(cx: &mut NodeCx<'_>) -> Result<Transform, Diagnostic> {
        Ok(cx.attrs.choice("post_transform", TRANSFORMS)?.unwrap_or(Transform::None))
    }

    /// By its number in later forms.
    pub(super) fn numbered(number: i64) -> Result<Transform, Diagnostic> {
        let at = usize::try_from(number).ok().and_then(|at| TRANSFORMS.get(at));
        at.map(|(_, transform)| *transform)
            .ok_or_else(|| bad_attribute("post_transform", format!("{number} is not one of 0 to 4")))
    }

    /// Applied to what a regression gives. A single number is no score of a class: only the inverse of a distribution changes it, as in onnxruntime.
    pub(super) fn apply_to_targets(self, cx: &mut NodeCx<'_>, x: ValueId, targets: usize) -> Emitted {
        if targets > 1 || self == Transform::Probit { self.apply(cx, x) } else { Ok(x) }
    }

    /// Applied to rows of scores.
    pub(super) fn apply(self, cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
        match self {
            Transform::None => Ok(x),
            Transform::Softmax => cx.one(Op::from(ops::Softmax { axis: -1 }), &[x]),
            Transform::Logistic => cx.map(ops::Sigmoid {}, x),
            Transform::SoftmaxZero => softmax_zero(cx, x),
            Transform::Probit => probit(cx, x),
        }
    }
}

/// A softmax in which scores of 0 stay 0.
fn softmax_zero(cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
    let greatest = cx.reduce(ReduceKind::Max, x, Some(&[-1]))?;
    let shifted = cx.sub(x, greatest)?;
    let raised = cx.map(ops::Exp {}, shifted)?;
    let size = cx.map(ops::Abs {}, x)?;
    let (least, zero) = (cx.scalar_like(x, 1e-7)?, cx.scalar_like(x, 0.0)?);
    let counts = cx.less(least, size)?;
    let raised = cx.select(counts, raised, zero)?;
    let sum = cx.reduce(ReduceKind::Sum, raised, Some(&[-1]))?;
    let one = cx.scalar_like(x, 1.0)?;
    let none = cx.equal(sum, zero)?;
    let sum = cx.select(none, one, sum)?;
    cx.div(raised, sum)
}

/// The inverse of the normal distribution, by Winitzki's approximation of the inverse error function (2008), as runtimes compute it.
fn probit(cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
    const A: f64 = 0.147;
    let double = cx.scale(x, 2.0)?;
    let y = cx.add_scalar(double, -1.0)?;
    let square = cx.mul(y, y)?;
    let one = cx.scalar_like(x, 1.0)?;
    let rest = cx.sub(one, square)?;
    let log = cx.map(ops::Log {}, rest)?;
    let half = cx.scale(log, 0.5)?;
    let v = cx.add_scalar(half, 2.0 / (PI * A))?;
    let w = cx.scale(log, 1.0 / A)?;
    let v_square = cx.mul(v, v)?;
    let difference = cx.sub(v_square, w)?;
    let root = cx.map(ops::Sqrt {}, difference)?;
    let under = cx.sub(root, v)?;
    let size = cx.map(ops::Sqrt {}, under)?;
    let sign = cx.map(ops::Sign {}, y)?;
    let signed = cx.mul(size, sign)?;
    cx.scale(signed, SQRT_2)
}

/// The labels of classes, which are texts or numbers.
pub(super) enum Labels {
    Texts(Vec<Vec<u8>>),
    Numbers(Vec<i64>),
}

impl Labels {
    /// Reads the two attributes, of which one is given.
    pub(super) fn read(cx: &mut NodeCx<'_>, names: &str, numbers: &str) -> Result<Labels, Diagnostic> {
        let texts = cx.attrs.byte_strings(names)?.filter(|list| !list.is_empty());
        let ints = cx.attrs.ints(numbers)?.filter(|list| !list.is_empty());
        match (texts, ints) {
            (Some(texts), None) => Ok(Labels::Texts(texts)),
            (None, Some(ints)) => Ok(Labels::Numbers(ints)),
            (None, None) => Err(Attributes::<()>::missing(numbers)),
            (Some(_), Some(_)) => Err(bad_attribute(numbers, "the labels are given twice")),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Labels::Texts(list) => list.len(),
            Labels::Numbers(list) => list.len(),
        }
    }

    /// The labels at positions among the classes.
    pub(super) fn pick(self, cx: &mut NodeCx<'_>, positions: ValueId) -> Emitted {
        let labels = match self {
            Labels::Texts(list) => texts(cx, list)?,
            Labels::Numbers(list) => cx.vector(list)?,
        };
        cx.one(ops::Gather { axis: 0 }, &[labels, positions])
    }

    /// Of two classes the second one where a condition holds. A single class is that one, and there is a label for none of it: 0, or no text.
    pub(super) fn second_where(self, cx: &mut NodeCx<'_>, condition: ValueId) -> Emitted {
        let labels = match self {
            Labels::Texts(list) if list.len() == 1 => Labels::Texts([vec![Vec::new()], list].concat()),
            Labels::Numbers(list) if list.len() == 1 => Labels::Numbers([vec![0], list].concat()),
            labels => labels,
        };
        let (zero, one) = (cx.constant(Tensor::scalar(0i64))?, cx.constant(Tensor::scalar(1i64))?);
        let position = cx.select(condition, one, zero)?;
        labels.pick(cx, position)
    }
}

/// The position of the greatest score of each row, the first of several.
pub(super) fn best(cx: &mut NodeCx<'_>, scores: ValueId) -> Emitted {
    cx.one(ops::ArgReduce { kind: ArgKind::Max, axis: 1, keep: false, last: false }, &[scores])
}

/// A single column as two: `[other, x]`.
pub(super) fn two_columns(cx: &mut NodeCx<'_>, other: ValueId, x: ValueId) -> Emitted {
    cx.concat(&[other, x], 1)
}

/// `1 - x`.
pub(super) fn complement(cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
    let one = cx.scalar_like(x, 1.0)?;
    cx.sub(one, x)
}

/// A column as a vector.
pub(super) fn column(cx: &mut NodeCx<'_>, x: ValueId, at: usize) -> Emitted {
    let part = cx.part(x, 1, Dim::from(at), Dim::from(1))?;
    cx.squeeze(part, &[1])
}
