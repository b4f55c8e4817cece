//! Einstein summation, as diagonals, sums, transpositions and products of matrices.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops::ReduceKind;
use satura_ir::{ValueId, ops};
use satura_tensor::Dim;

/// What names an axis: a letter, or the place of an axis that `...` stands for, counted from the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Label {
    Letter(char),
    Rest(usize),
}

/// An operand while it is worked on: no label occurs twice.
#[derive(Clone)]
struct Operand {
    value: ValueId,
    labels: Vec<Label>,
}

impl Operand {
    fn axis(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|l| *l == label)
    }
}

/// One term of the equation: letters before `...`, whether there is a `...`, letters behind it.
struct Term {
    before: Vec<char>,
    rest: bool,
    behind: Vec<char>,
}

fn wrong(message: impl Into<String>) -> Diagnostic {
    bad_attribute("equation", message)
}

fn term(text: &str) -> Result<Term, Diagnostic> {
    let letters = |part: &str| -> Result<Vec<char>, Diagnostic> {
        match part.chars().find(|c| !c.is_ascii_alphabetic()) {
            Some(c) => Err(wrong(format!("{c:?} is no name of an axis"))),
            None => Ok(part.chars().collect()),
        }
    };
    Ok(match text.split_once("...") {
        Some((before, behind)) => Term { before: letters(before)?, rest: true, behind: letters(behind)? },
        None => Term { before: letters(text)?, rest: false, behind: Vec::new() },
    })
}

impl Term {
    fn letters(&self) -> impl Iterator<Item = char> {
        self.before.iter().chain(&self.behind).copied()
    }

    /// The labels, `...` standing for that many axes.
    fn labels(&self, rest: usize) -> Vec<Label> {
        let between = (0..rest).rev().map(Label::Rest);
        let (before, behind) = (self.before.iter(), self.behind.iter());
        before.map(|c| Label::Letter(*c)).chain(between).chain(behind.map(|c| Label::Letter(*c))).collect()
    }
}

/// The equation may leave out its right side: then it is `...`, and the letters that occur once in alphabetical order.
pub(super) fn einsum(cx: &mut NodeCx<'_>) -> Converted {
    let inputs = cx.variadic()?;
    let equation = cx.attrs.string("equation")?.ok_or_else(|| Attributes::<()>::missing("equation"))?;
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms = left.split(',').map(term).collect::<Result<Vec<_>, _>>()?;
    if terms.len() != inputs.len() {
        return Err(wrong(format!("{} operands are named, there are {}", terms.len(), inputs.len())));
    }
    let mut operands = Vec::new();
    let mut most_rest = 0;
    for (term, value) in terms.iter().zip(&inputs) {
        let rank = cx.need_rank(*value, "the equation")?;
        let named = term.letters().count();
        let rest = rank.checked_sub(named).filter(|rest| term.rest || *rest == 0);
        let rest = rest.ok_or_else(|| wrong(format!("{named} axes are named, the operand has {rank}")))?;
        most_rest = most_rest.max(rest);
        operands.push(diagonals(cx, Operand { value: *value, labels: term.labels(rest) })?);
    }
    let output = match right {
        Some(right) => {
            let right = term(right)?;
            right.labels(if right.rest { most_rest } else { 0 })
        }
        None => {
            let letters: Vec<char> = terms.iter().flat_map(Term::letters).collect();
            let mut once: Vec<char> =
                letters.iter().copied().filter(|c| letters.iter().filter(|d| *d == c).count() == 1).collect();
            once.sort_unstable();
            Term { before: Vec::new(), rest: true, behind: once }.labels(most_rest)
        }
    };
    for (at, label) in output.iter().enumerate() {
        if output[..at].contains(label) {
            return Err(wrong("an axis of the result is named twice"));
        }
        if !operands.iter().any(|operand| operand.labels.contains(label)) {
            return Err(wrong("an axis of the result is in no operand"));
        }
    }
    drop_ones(cx, &mut operands)?;
    let mut rest = operands.into_iter();
    let first = rest.next().ok_or_else(|| wrong("there are no operands"))?;
    let mut rest: Vec<Operand> = rest.collect();
    let mut result = first;
    while !rest.is_empty() {
        let next = rest.remove(0);
        let needed = |label: &Label| {
            output.contains(label) || rest.iter().any(|operand| operand.labels.contains(label))
        };
        result = contract(cx, result, next, &needed)?;
    }
    let result = sum_out(cx, result, &|label| output.contains(label))?;
    let perm: Vec<usize> = output.iter().filter_map(|label| result.axis(*label)).collect();
    Ok(vec![cx.transpose(result.value, &perm)?])
}

/// Takes the diagonal where a label occurs twice: with both axes last and joined, its elements are `extent + 1` apart.
fn diagonals(cx: &mut NodeCx<'_>, mut operand: Operand) -> Result<Operand, Diagnostic> {
    loop {
        let labels = operand.labels.clone();
        let pair = (0..labels.len())
            .find_map(|b| labels[..b].iter().position(|label| *label == labels[b]).map(|a| (a, b)));
        let Some((a, b)) = pair else { return Ok(operand) };
        let mut perm: Vec<usize> = (0..labels.len()).filter(|axis| *axis != a && *axis != b).collect();
        let mut dims = cx.dims(operand.value, "a diagonal")?;
        let extent = cx.constant_dim(&dims[a], "an axis of which the diagonal is taken")?;
        if dims[b].as_const().is_some_and(|other| other != dims[a].as_const().unwrap_or(other)) {
            let message = format!("axes {a} and {b} have one name and extents {} and {}", dims[a], dims[b]);
            return Err(Diagnostic::error(Code::Shape, message));
        }
        let mut kept: Vec<Label> = perm.iter().map(|axis| labels[*axis]).collect();
        kept.push(labels[a]);
        let last = perm.len();
        dims = perm.iter().map(|axis| dims[*axis].clone()).collect();
        perm.extend([a, b]);
        let moved = cx.transpose(operand.value, &perm)?;
        dims.push(Dim::from(extent) * Dim::from(extent));
        let joined = cx.reshape(moved, dims)?;
        let step = i64::try_from(extent + 1).unwrap_or(i64::MAX);
        let value = cx.steps(joined, last, Dim::from(0), Dim::from(extent), step)?;
        operand = Operand { value, labels: kept };
    }
}

/// Takes axes of extent 1 out of operands that are repeated along them, as another operand has more there.
fn drop_ones(cx: &mut NodeCx<'_>, operands: &mut [Operand]) -> Result<(), Diagnostic> {
    let mut wider: Vec<Label> = Vec::new();
    for operand in operands.iter() {
        let dims = cx.dims(operand.value, "the equation")?;
        wider.extend(operand.labels.iter().zip(&dims).filter(|(_, d)| !d.is(1)).map(|(label, _)| *label));
    }
    for operand in operands.iter_mut() {
        let dims = cx.dims(operand.value, "the equation")?;
        let stays: Vec<bool> =
            operand.labels.iter().zip(&dims).map(|(label, d)| !d.is(1) || !wider.contains(label)).collect();
        if stays.iter().all(|s| *s) {
            continue;
        }
        let keep = |at: &usize| stays[*at];
        let shape = (0..dims.len()).filter(keep).map(|at| dims[at].clone()).collect();
        operand.labels = (0..dims.len()).filter(keep).map(|at| operand.labels[at]).collect();
        operand.value = cx.reshape(operand.value, shape)?;
    }
    Ok(())
}

/// Sums over the axes that nothing needs.
fn sum_out(
    cx: &mut NodeCx<'_>,
    operand: Operand,
    needed: &dyn Fn(&Label) -> bool,
) -> Result<Operand, Diagnostic> {
    let axes: Vec<i64> = (0..operand.labels.len())
        .filter(|axis| !needed(&operand.labels[*axis]))
        .filter_map(|axis| i64::try_from(axis).ok())
        .collect();
    if axes.is_empty() {
        return Ok(operand);
    }
    let op = ops::Reduce { kind: ReduceKind::Sum, axes: Some(axes), keep: false };
    let value = cx.one(op, &[operand.value])?;
    Ok(Operand { value, labels: operand.labels.into_iter().filter(|label| needed(label)).collect() })
}

/// The product of two operands, summed over what only they have.
fn contract(
    cx: &mut NodeCx<'_>,
    a: Operand,
    b: Operand,
    needed: &dyn Fn(&Label) -> bool,
) -> Result<Operand, Diagnostic> {
    let a = sum_out(cx, a.clone(), &|label| needed(label) || b.labels.contains(label))?;
    let b = sum_out(cx, b, &|label| needed(label) || a.labels.contains(label))?;
    let shared = |label: &&Label| b.labels.contains(label);
    let batch: Vec<Label> = a.labels.iter().filter(shared).filter(|l| needed(l)).copied().collect();
    let summed: Vec<Label> = a.labels.iter().filter(shared).filter(|l| !needed(l)).copied().collect();
    let only_a: Vec<Label> = a.labels.iter().filter(|l| !b.labels.contains(l)).copied().collect();
    let only_b: Vec<Label> = b.labels.iter().filter(|l| !a.labels.contains(l)).copied().collect();
    let (a_dims, b_dims) = (cx.dims(a.value, "the equation")?, cx.dims(b.value, "the equation")?);
    let dim = |operand: &Operand, dims: &[Dim], label: &Label| {
        operand.axis(*label).map_or(Dim::from(1), |axis| dims[axis].clone())
    };
    let labels: Vec<Label> = [&batch[..], &only_a, &only_b].concat();
    if summed.is_empty() {
        // No sum: the elements meet by broadcasting.
        let a = spread(cx, &a, &a_dims, &labels)?;
        let b = spread(cx, &b, &b_dims, &labels)?;
        return Ok(Operand { value: cx.mul(a, b)?, labels });
    }
    for label in batch.iter().chain(&summed) {
        let (x, y) = (dim(&a, &a_dims, label), dim(&b, &b_dims, label));
        if x.as_const().zip(y.as_const()).is_some_and(|(x, y)| x != y) {
            let message = format!("one name stands for axes of extents {x} and {y}");
            return Err(Diagnostic::error(Code::Shape, message));
        }
    }
    let product = |operand: &Operand, dims: &[Dim], labels: &[Label]| {
        labels.iter().fold(Dim::from(1), |product, label| product * dim(operand, dims, label))
    };
    let batch_dims: Vec<Dim> = batch.iter().map(|label| dim(&a, &a_dims, label)).collect();
    let (rows, inner, columns) =
        (product(&a, &a_dims, &only_a), product(&a, &a_dims, &summed), product(&b, &b_dims, &only_b));
    let left =
        joined(cx, &a, &[&batch, &only_a, &summed], [&batch_dims[..], &[rows, inner.clone()]].concat())?;
    let right = joined(cx, &b, &[&batch, &summed, &only_b], [&batch_dims[..], &[inner, columns]].concat())?;
    let value = cx.matmul(left, right)?;
    let mut shape = batch_dims;
    shape.extend(only_a.iter().map(|label| dim(&a, &a_dims, label)));
    shape.extend(only_b.iter().map(|label| dim(&b, &b_dims, label)));
    Ok(Operand { value: cx.reshape(value, shape)?, labels })
}

/// The axes in the order of the groups, then in another shape.
fn joined(cx: &mut NodeCx<'_>, operand: &Operand, groups: &[&Vec<Label>], dims: Vec<Dim>) -> Emitted {
    let perm: Vec<usize> =
        groups.iter().flat_map(|group| group.iter()).filter_map(|l| operand.axis(*l)).collect();
    let moved = cx.transpose(operand.value, &perm)?;
    cx.reshape(moved, dims)
}

/// The axes in the order of `labels`, with extent 1 for those that the operand lacks.
fn spread(cx: &mut NodeCx<'_>, operand: &Operand, dims: &[Dim], labels: &[Label]) -> Emitted {
    let perm: Vec<usize> = labels.iter().filter_map(|label| operand.axis(*label)).collect();
    let moved = cx.transpose(operand.value, &perm)?;
    let shape =
        labels.iter().map(|l| operand.axis(*l).map_or(Dim::from(1), |axis| dims[axis].clone())).collect();
    cx.reshape(moved, shape)
}
