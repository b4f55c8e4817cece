//! Support vector machines.

use super::scores::{Labels, Transform, best, complement, two_columns};
use super::{matrix, rows, vector};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Attributes, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ReduceKind};
use satura_tensor::{DType, Tensor};

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Linear,
    Poly,
    Rbf,
    Sigmoid,
}

/// How similar two rows of features are.
struct Kernel {
    shape: Shape,
    gamma: f64,
    offset: f64,
    degree: f64,
}

impl Kernel {
    fn read(cx: &mut NodeCx<'_>) -> Result<Kernel, Diagnostic> {
        let shapes = [
            ("LINEAR", Shape::Linear),
            ("POLY", Shape::Poly),
            ("RBF", Shape::Rbf),
            ("SIGMOID", Shape::Sigmoid),
        ];
        let shape = cx.attrs.choice("kernel_type", &shapes)?.unwrap_or(Shape::Linear);
        let parameters = cx.attrs.floats("kernel_params")?.unwrap_or_default();
        let at = |i: usize| parameters.get(i).copied().map_or(0.0, f64::from);
        if !matches!(parameters.len(), 0 | 3) {
            return Err(bad_attribute("kernel_params", format!("3 numbers, not {}", parameters.len())));
        }
        Ok(Kernel { shape, gamma: at(0), offset: at(1), degree: at(2) })
    }

    /// Each row of `x: [N, F]` against each of `vectors: [S, F]`: `[N, S]`.
    fn apply(&self, cx: &mut NodeCx<'_>, x: ValueId, vectors: ValueId) -> Emitted {
        if self.shape == Shape::Rbf {
            let (x, vectors) = (cx.unsqueeze(x, &[1])?, cx.unsqueeze(vectors, &[0])?);
            let difference = cx.sub(x, vectors)?;
            let square = cx.mul(difference, difference)?;
            let distance = cx.reduce(ReduceKind::Sum, square, Some(&[2]))?;
            let distance = cx.squeeze(distance, &[2])?;
            let scaled = cx.scale(distance, -self.gamma)?;
            return cx.map(ops::Exp {}, scaled);
        }
        let columns = cx.transpose(vectors, &[1, 0])?;
        let product = cx.matmul(x, columns)?;
        if self.shape == Shape::Linear {
            return Ok(product);
        }
        let scaled = cx.scale(product, self.gamma)?;
        let shifted = cx.add_scalar(scaled, self.offset)?;
        if self.shape == Shape::Sigmoid {
            return cx.map(ops::Tanh {}, shifted);
        }
        let degree = cx.scalar_like(shifted, self.degree)?;
        cx.one(ops::Pow {}, &[shifted, degree])
    }
}

fn needed(cx: &mut NodeCx<'_>, name: &str) -> Result<Vec<f32>, Diagnostic> {
    cx.attrs.floats(name)?.ok_or_else(|| Attributes::<()>::missing(name))
}

/// A sum of similarities to support vectors, or, without any, a linear function.
pub(in crate::convert) fn regressor(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let kernel = Kernel::read(cx)?;
    let supports = cx.attrs.int("n_supports")?.unwrap_or(0);
    let supports = sizes("n_supports", &[supports], 0)?[0];
    let one_class = cx.attrs.flag("one_class")?.unwrap_or(false);
    let transform = Transform::read(cx)?;
    let (coefficients, rho) = (needed(cx, "coefficients")?, needed(cx, "rho")?);
    let vectors = cx.attrs.floats("support_vectors")?.unwrap_or_default();
    let x = rows(cx, x, false)?;
    let weights = matrix(cx, "coefficients", coefficients, 1)?;
    let sum = if supports > 0 {
        let vectors = matrix(cx, "support_vectors", vectors, supports)?;
        let similar = kernel.apply(cx, x, vectors)?;
        let weights = cx.transpose(weights, &[1, 0])?;
        cx.matmul(similar, weights)?
    } else {
        Kernel { shape: Shape::Linear, ..kernel }.apply(cx, x, weights)?
    };
    let offset = rho.first().copied().ok_or_else(|| bad_attribute("rho", "one number is needed"))?;
    let y = cx.add_scalar(sum, f64::from(offset))?;
    if !one_class {
        return Ok(vec![transform.apply_to_targets(cx, y, 1)?]);
    }
    let zero = cx.scalar_like(y, 0.0)?;
    let inside = cx.less(zero, y)?;
    let (plus, minus) = (cx.scalar_like(y, 1.0)?, cx.scalar_like(y, -1.0)?);
    Ok(vec![cx.select(inside, plus, minus)?])
}

/// The decisions between each two of several classes.
struct Decisions {
    /// `[N, pairs]`: above 0 for the first class of the pair.
    scores: ValueId,
    /// `[N, classes]`: how many decisions each class wins.
    votes: ValueId,
}

/// Weights of the support vectors in each decision, from the rows of coefficients that the format keeps: a vector of class `i` has its weight against class `j` in row `j - 1` for
/// `i < j` and in row `j` for `i > j`.
fn pair_weights(coefficients: &[f32], counts: &[usize]) -> Vec<f32> {
    let total: usize = counts.iter().sum();
    let starts: Vec<usize> =
        counts.iter().scan(0, |at, count| Some(std::mem::replace(at, *at + count))).collect();
    let mut weights = Vec::new();
    for i in 0..counts.len() {
        for j in i + 1..counts.len() {
            let mut row = vec![0.0; total];
            for (class, line) in [(i, j - 1), (j, i)] {
                let range = starts[class]..starts[class] + counts[class];
                row[range.clone()].copy_from_slice(&coefficients[line * total..][range]);
            }
            weights.extend(row);
        }
    }
    weights
}

fn decide(
    cx: &mut NodeCx<'_>,
    similar: ValueId,
    coefficients: &[f32],
    counts: &[usize],
    rho: Vec<f32>,
) -> Result<Decisions, Diagnostic> {
    let classes = counts.len();
    let pairs = classes * (classes - 1) / 2;
    if rho.len() != pairs {
        return Err(bad_attribute("rho", format!("{} numbers for {pairs} pairs of classes", rho.len())));
    }
    let weights = matrix(cx, "coefficients", pair_weights(coefficients, counts), pairs)?;
    let weights = cx.transpose(weights, &[1, 0])?;
    let sums = cx.matmul(similar, weights)?;
    let rho = vector(cx, rho)?;
    let scores = cx.add(sums, rho)?;
    // A decision is a vote for the first class or for the second one.
    let (mut first, mut second) = (vec![0.0f32; pairs * classes], vec![0.0f32; pairs * classes]);
    let mut pair = 0;
    for i in 0..classes {
        for j in i + 1..classes {
            first[pair * classes + i] = 1.0;
            second[pair * classes + j] = 1.0;
            pair += 1;
        }
    }
    let (first, second) = (
        cx.constant(Tensor::from_vec(first, &[pairs, classes]))?,
        cx.constant(Tensor::from_vec(second, &[pairs, classes]))?,
    );
    let zero = cx.scalar_like(scores, 0.0)?;
    let wins = cx.less(zero, scores)?;
    let wins = cx.cast(wins, DType::F32)?;
    let losses = complement(cx, wins)?;
    let (of_first, of_second) = (cx.matmul(wins, first)?, cx.matmul(losses, second)?);
    Ok(Decisions { scores, votes: cx.add(of_first, of_second)? })
}

/// Gives labels and scores: probabilities where the model has them, else the decisions between each two classes.
pub(in crate::convert) fn classifier(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let kernel = Kernel::read(cx)?;
    let labels = Labels::read(cx, "classlabels_strings", "classlabels_ints")?;
    let transform = Transform::read(cx)?;
    let (coefficients, rho) = (needed(cx, "coefficients")?, needed(cx, "rho")?);
    let vectors = cx.attrs.floats("support_vectors")?.unwrap_or_default();
    let counts = cx.attrs.ints("vectors_per_class")?.unwrap_or_default();
    let counts = sizes("vectors_per_class", &counts, 0)?;
    let (prob_a, prob_b) =
        (cx.attrs.floats("prob_a")?.unwrap_or_default(), cx.attrs.floats("prob_b")?.unwrap_or_default());
    let x = rows(cx, x, false)?;
    let total: usize = counts.iter().sum();
    if total == 0 {
        return linear_classifier(cx, x, labels, transform, coefficients, rho);
    }
    let classes = labels.len();
    if counts.len() != classes || classes < 2 {
        let message = format!("{} numbers for {classes} classes", counts.len());
        return Err(bad_attribute("vectors_per_class", message));
    }
    if coefficients.len() != total * (classes - 1) {
        let message = format!("{} numbers, {} are needed", coefficients.len(), total * (classes - 1));
        return Err(bad_attribute("coefficients", message));
    }
    let vectors = matrix(cx, "support_vectors", vectors, total)?;
    let similar = kernel.apply(cx, x, vectors)?;
    let Decisions { scores, votes } = decide(cx, similar, &coefficients, &counts, rho)?;
    // The votes decide, even where there are probabilities.
    let class = best(cx, votes)?;
    let label = labels.pick(cx, class)?;
    if !prob_a.is_empty() {
        let probabilities = probabilities(cx, scores, prob_a, prob_b, classes)?;
        return Ok(vec![label, transform.apply(cx, probabilities)?]);
    }
    let shown =
        if classes == 2 { two_scores(cx, transform, scores)? } else { transform.apply(cx, scores)? };
    Ok(vec![label, shown])
}

/// The one decision between two classes as two scores: with its negative or, where the two are to sum to 1, with the rest to 1.
fn two_scores(cx: &mut NodeCx<'_>, transform: Transform, score: ValueId) -> Emitted {
    match transform {
        Transform::None | Transform::Logistic => {
            let minus = cx.map(ops::Neg {}, score)?;
            let both = two_columns(cx, minus, score)?;
            transform.apply(cx, both)
        }
        Transform::Softmax | Transform::SoftmaxZero | Transform::Probit => {
            let other = complement(cx, score)?;
            two_columns(cx, other, score)
        }
    }
}

/// The probabilities of the classes, from the decisions by Platt's sigmoids with these slopes and offsets.
fn probabilities(
    cx: &mut NodeCx<'_>,
    scores: ValueId,
    slopes: Vec<f32>,
    offsets: Vec<f32>,
    classes: usize,
) -> Emitted {
    if slopes.len() != offsets.len() {
        return Err(bad_attribute(
            "prob_b",
            format!("{} numbers, prob_a has {}", offsets.len(), slopes.len()),
        ));
    }
    let (slopes, offsets) = (vector(cx, slopes)?, vector(cx, offsets)?);
    let scaled = cx.mul(scores, slopes)?;
    let shifted = cx.add(scaled, offsets)?;
    let minus = cx.map(ops::Neg {}, shifted)?;
    let pairs = cx.map(ops::Sigmoid {}, minus)?;
    let pairs = cx.clip(pairs, 1e-7, 1.0 - 1e-7)?;
    cx.one(ops::PairCoupling { classes }, &[pairs])
}

/// Without support vectors: a linear function for each class.
fn linear_classifier(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    labels: Labels,
    transform: Transform,
    coefficients: Vec<f32>,
    rho: Vec<f32>,
) -> Converted {
    let weights = matrix(cx, "coefficients", coefficients, labels.len())?;
    let weights = cx.transpose(weights, &[1, 0])?;
    let sums = cx.matmul(x, weights)?;
    let offset = rho.first().copied().ok_or_else(|| bad_attribute("rho", "one number is needed"))?;
    let scores = cx.add_scalar(sums, f64::from(offset))?;
    let class = best(cx, scores)?;
    Ok(vec![labels.pick(cx, class)?, transform.apply(cx, scores)?])
}
