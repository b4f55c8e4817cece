//! Linear models.

use super::scores::{Labels, Transform, best, column, complement, two_columns};
use super::{matrix, rows, vector};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, sizes};
use satura_import::{Attributes, Diagnostic};
use satura_ir::ValueId;
use satura_tensor::DType;

/// `x w^T + b` for a matrix of coefficients with one row for each result.
fn affine(cx: &mut NodeCx<'_>, x: ValueId, coefficients: Vec<f32>, results: usize) -> Emitted {
    let x = rows(cx, x, false)?;
    let weights = matrix(cx, "coefficients", coefficients, results)?;
    let weights = cx.transpose(weights, &[1, 0])?;
    let product = cx.matmul(x, weights)?;
    match cx.attrs.floats("intercepts")?.filter(|list| !list.is_empty()) {
        Some(intercepts) => {
            let intercepts = vector(cx, intercepts)?;
            cx.add(product, intercepts)
        }
        None => Ok(product),
    }
}

fn coefficients(cx: &mut NodeCx<'_>) -> Result<Vec<f32>, Diagnostic> {
    cx.attrs.floats("coefficients")?.ok_or_else(|| Attributes::<()>::missing("coefficients"))
}

pub(in crate::convert) fn regressor(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let targets = cx.attrs.int("targets")?.unwrap_or(1);
    let targets = sizes("targets", &[targets], 1)?[0];
    let transform = Transform::read(cx)?;
    let coefficients = coefficients(cx)?;
    let y = affine(cx, x, coefficients, targets)?;
    Ok(vec![transform.apply_to_targets(cx, y, targets)?])
}

/// Gives labels and scores. Two classes may share one row of coefficients: its score is that of the second class, and the other one has the rest to 1.
pub(in crate::convert) fn classifier(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    // One class against the rest or against each other: the scores are the same.
    cx.attrs.ignore("multi_class");
    let labels = Labels::read(cx, "classlabels_strings", "classlabels_ints")?;
    let transform = Transform::read(cx)?;
    let coefficients = coefficients(cx)?;
    let features = {
        let dims = cx.dims(x, "features")?;
        let last = dims.last().cloned().unwrap_or_else(|| 1.into());
        cx.constant_dim(&last, "the number of features")?
    };
    let single = labels.len() <= 2 && coefficients.len() == features;
    let results = if single { 1 } else { labels.len() };
    let scores = affine(cx, x, coefficients, results)?;
    if !single {
        let class = best(cx, scores)?;
        return Ok(vec![labels.pick(cx, class)?, transform.apply(cx, scores)?]);
    }
    let score = column(cx, scores, 0)?;
    let zero = cx.scalar(DType::F32, 0.0)?;
    let second = cx.less(zero, score)?;
    let label = labels.second_where(cx, second)?;
    let scores = match transform {
        Transform::Logistic | Transform::Probit => transform.apply(cx, scores)?,
        // Of one score they say nothing.
        Transform::None | Transform::Softmax | Transform::SoftmaxZero => scores,
    };
    let other = complement(cx, scores)?;
    Ok(vec![label, two_columns(cx, other, scores)?])
}
