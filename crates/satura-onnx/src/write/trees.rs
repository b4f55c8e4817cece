//! Ensembles of decision trees, as the operator that version 5 of the domain `ai.onnx.ml` has for them.

use super::attribute::{int, ints, tensor};
use super::cx::{Cx, Form, NoForm, count, signed};
use super::writer::{Constant, inline};
use crate::proto::AttributeProto;
use satura_ir::ops::{TreeAggregate, TreeEnsemble, TreeTest};
use satura_tensor::{DType, Elements, Tensor};
use std::ops::Range;

/// A leaf of the format has one entry. Where leaves have more, each tree is there as often, each time with other entries.
struct Copies {
    /// How often each tree is there.
    number: usize,
    /// For each copy and leaf: target and weight.
    leaves: Vec<(usize, f64)>,
}

/// The range that each end closes; it begins where the one before ends.
fn spans(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| start..*end)
}

impl Copies {
    fn of(op: &TreeEnsemble) -> Result<Copies, NoForm> {
        let number = spans(&op.leaf_ends).map(|span| span.len()).max().unwrap_or(0).max(1);
        // The operator divides by the number of trees.
        let factor = if op.aggregate == TreeAggregate::Average { number as f64 } else { 1.0 };
        let mut leaves = Vec::with_capacity(number * op.leaf_ends.len());
        for copy in 0..number {
            for mut span in spans(&op.leaf_ends) {
                let first = span.clone().next();
                let entry = match (span.nth(copy), op.aggregate) {
                    (Some(entry), _) => Some(entry),
                    // The same one again changes no extremum.
                    (None, TreeAggregate::Min | TreeAggregate::Max) => Some(
                        first.ok_or_else(|| NoForm::new("TreeEnsemble has no leaves without a target"))?,
                    ),
                    (None, TreeAggregate::Sum | TreeAggregate::Average) => None,
                };
                let entry = entry.map(|at| (op.leaf_targets[at], op.leaf_weights[at].get() * factor));
                leaves.push(entry.unwrap_or((0, 0.0)));
            }
        }
        Ok(Copies { number, leaves })
    }
}

fn mode(test: TreeTest) -> u8 {
    match test {
        TreeTest::AtMost => 0,
        TreeTest::Below => 1,
        TreeTest::AtLeast => 2,
        TreeTest::Above => 3,
        TreeTest::Equals => 4,
        TreeTest::Differs => 5,
        TreeTest::Member => 6,
    }
}

fn function(aggregate: TreeAggregate) -> i64 {
    match aggregate {
        TreeAggregate::Average => 0,
        TreeAggregate::Sum => 1,
        TreeAggregate::Min => 2,
        TreeAggregate::Max => 3,
    }
}

/// The sets of the nodes that test for membership, each ended by a NaN.
fn sets(op: &TreeEnsemble) -> Vec<f64> {
    let of_nodes = spans(&op.set_ends).zip(&op.tests).filter(|(_, test)| **test == TreeTest::Member);
    of_nodes.flat_map(|(set, _)| op.members[set].iter().map(|m| m.get()).chain([f64::NAN])).collect()
}

/// One of the two ways of all nodes: the places, and for each whether it is that of a leaf.
struct Ways {
    places: Vec<i64>,
    are_leaves: Vec<i64>,
}

impl Ways {
    /// Those of each copy, behind each other.
    fn new(places: &[i64], copies: usize, leaves: usize) -> Ways {
        let mut ways = Ways { places: Vec::new(), are_leaves: Vec::new() };
        for copy in 0..copies {
            let (node, leaf) = (count(copy * places.len()), count(copy * leaves));
            for place in places {
                ways.places.push(if *place < 0 { leaf - 1 - place } else { node + place });
                ways.are_leaves.push(i64::from(*place < 0));
            }
        }
        ways
    }
}

fn reals(name: &str, dtype: DType, values: Vec<f64>) -> AttributeProto {
    let value = Tensor::from_elements(dtype, &[values.len()], Elements::Float(values));
    tensor(name, inline(&Constant { name: name.into(), tensor: value }))
}

/// In the precision of the numbers: f32 where that holds all of them, else f64.
pub(super) fn tree_ensemble(cx: &mut Cx<'_>, op: &TreeEnsemble) -> Form {
    if op.targets == 0 {
        return Err(NoForm::new("TreeEnsemble has at least one target"));
    }
    let Copies { number, leaves } = Copies::of(op)?;
    if number > 1 {
        cx.in_parts();
    }
    let single = |value: f64| f64::from(value as f32) == value || value.is_nan();
    let tested = || op.splits.iter().chain(&op.members).map(|value| value.get());
    let from = cx.dtype(0)?;
    let is_single = from == DType::F32 && tested().chain(leaves.iter().map(|leaf| leaf.1)).all(single);
    let dtype = if is_single { DType::F32 } else { DType::F64 };
    // A tree that is a leaf becomes a node whose ways both lead there.
    let mut lone = Vec::new();
    let mut root = |place: i64| {
        if place >= 0 {
            return place;
        }
        lone.push(place);
        count(op.features.len() + lone.len() - 1)
    };
    let roots: Vec<i64> = op.roots.iter().map(|place| root(*place)).collect();
    let nodes = op.features.len() + lone.len();
    let of_nodes = |values: Vec<i64>| {
        let all: Vec<i64> = values.into_iter().chain(lone.iter().map(|_| 0)).collect();
        all.repeat(number)
    };
    let ways = |places: &[i64]| Ways::new(&[places, &lone].concat(), number, op.leaf_ends.len());
    let (when_true, when_false) = (ways(&op.when_true), ways(&op.when_false));
    let modes: Vec<u8> = op.tests.iter().copied().map(mode).chain(lone.iter().map(|_| 0)).collect();
    let modes = Tensor::from_vec(modes.repeat(number), &[number * nodes]);
    let splits: Vec<f64> =
        op.splits.iter().map(|split| split.get()).chain(lone.iter().map(|_| 0.0)).collect();
    let roots: Vec<i64> =
        (0..number).flat_map(|copy| roots.iter().map(move |root| root + count(copy * nodes))).collect();
    let mut attributes = vec![
        int("n_targets", count(op.targets)),
        int("aggregate_function", function(op.aggregate)),
        ints("tree_roots", roots),
        ints("nodes_featureids", of_nodes(signed(&op.features))),
        tensor("nodes_modes", inline(&Constant { name: "nodes_modes".into(), tensor: modes })),
        reals("nodes_splits", dtype, splits.repeat(number)),
        ints("nodes_truenodeids", when_true.places),
        ints("nodes_trueleafs", when_true.are_leaves),
        ints("nodes_falsenodeids", when_false.places),
        ints("nodes_falseleafs", when_false.are_leaves),
        ints("leaf_targetids", leaves.iter().map(|(target, _)| count(*target)).collect()),
        reals("leaf_weights", dtype, leaves.iter().map(|(_, weight)| *weight).collect()),
    ];
    if op.nan_is_true.contains(&true) {
        let flags = op.nan_is_true.iter().map(|flag| i64::from(*flag)).collect();
        attributes.push(ints("nodes_missing_value_tracks_true", of_nodes(flags)));
    }
    if op.tests.contains(&TreeTest::Member) {
        attributes.push(reals("membership_values", dtype, sets(op).repeat(number)));
    }
    let x = cx.input(0);
    let x = cx.cast_from(&x, from, dtype);
    cx.result_of("ai.onnx.ml", 5, dtype, "TreeEnsemble", &[x], attributes)
}
