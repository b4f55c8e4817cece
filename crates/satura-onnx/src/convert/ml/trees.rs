//! Ensembles of decision trees, in the form with numbered nodes of numbered trees and in the later one.

use super::rows;
use super::scores::{Labels, Transform, best, column, complement, two_columns};
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Attributes, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::ops::{self, TreeAggregate, TreeEnsemble, TreeTest};
use satura_ir::{ValueId, ops::ReduceKind};
use satura_tensor::{Elements, Tensor};
use std::collections::{HashMap, HashSet};

const AGGREGATES: &[(&str, TreeAggregate)] = &[
    ("AVERAGE", TreeAggregate::Average),
    ("SUM", TreeAggregate::Sum),
    ("MIN", TreeAggregate::Min),
    ("MAX", TreeAggregate::Max),
];

const TESTS: &[(&str, TreeTest)] = &[
    ("BRANCH_LEQ", TreeTest::AtMost),
    ("BRANCH_LT", TreeTest::Below),
    ("BRANCH_GTE", TreeTest::AtLeast),
    ("BRANCH_GT", TreeTest::Above),
    ("BRANCH_EQ", TreeTest::Equals),
    ("BRANCH_NEQ", TreeTest::Differs),
    ("BRANCH_MEMBER", TreeTest::Member),
];

fn ints(cx: &mut NodeCx<'_>, name: &str) -> Result<Vec<i64>, Diagnostic> {
    cx.attrs.ints(name)?.ok_or_else(|| Attributes::<()>::missing(name))
}

fn features(values: &[i64]) -> Result<Vec<usize>, Diagnostic> {
    sizes("nodes_featureids", values, 0)
}

/// The numbers of a float tensor.
fn reals(name: &str, tensor: &Tensor) -> Result<Vec<Real>, Diagnostic> {
    match tensor.to_elements() {
        Elements::Float(v) => Ok(v.into_iter().map(Real::from).collect()),
        _ => Err(bad_attribute(name, format!("floats are expected, found {}", tensor.dtype()))),
    }
}

/// A list of numbers that is given as it is, or as a tensor.
fn numbers(cx: &mut NodeCx<'_>, name: &str) -> Result<Option<Vec<Real>>, Diagnostic> {
    let tensor_name = format!("{name}_as_tensor");
    let tensor = if cx.version < 3 { None } else { cx.attrs.tensor(&tensor_name)? };
    let list = cx.attrs.floats(name)?;
    match (list, tensor) {
        (Some(_), Some(_)) => Err(bad_attribute(&tensor_name, "the numbers are given twice")),
        (Some(list), None) => Ok(Some(list.into_iter().map(Real::from).collect())),
        (None, Some(tensor)) => reals(&tensor_name, &tensor).map(Some),
        (None, None) => Ok(None),
    }
}

fn same_length(name: &str, length: usize, nodes: usize) -> Result<(), Diagnostic> {
    if length == nodes {
        return Ok(());
    }
    Err(bad_attribute(name, format!("{length} entries for {nodes} nodes")))
}

/// The entries that leaves have in the first form: `prefix_treeids`, `prefix_nodeids`, `prefix_ids` and `prefix_weights`.
struct Entries {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    targets: Vec<usize>,
    weights: Vec<Real>,
}

impl Entries {
    fn read(cx: &mut NodeCx<'_>, prefix: &str) -> Result<Entries, Diagnostic> {
        let trees = ints(cx, &format!("{prefix}_treeids"))?;
        let nodes = ints(cx, &format!("{prefix}_nodeids"))?;
        let ids = format!("{prefix}_ids");
        let targets = sizes(&ids, &ints(cx, &ids)?, 0)?;
        let name = format!("{prefix}_weights");
        let weights = numbers(cx, &name)?.ok_or_else(|| Attributes::<()>::missing(&name))?;
        for (name, length) in [("nodeids", nodes.len()), ("ids", targets.len()), ("weights", weights.len())] {
            if length != trees.len() {
                let message = format!("{length} entries, {} trees are named", trees.len());
                return Err(bad_attribute(&format!("{prefix}_{name}"), message));
            }
        }
        Ok(Entries { trees, nodes, targets, weights })
    }
}

/// The trees of the first form.
fn numbered_trees(
    cx: &mut NodeCx<'_>,
    entries: &Entries,
    targets: usize,
    aggregate: TreeAggregate,
) -> Result<TreeEnsemble, Diagnostic> {
    cx.attrs.ignore("nodes_hitrates");
    cx.attrs.ignore("nodes_hitrates_as_tensor");
    let (trees, ids) = (ints(cx, "nodes_treeids")?, ints(cx, "nodes_nodeids")?);
    let count = ids.len();
    let modes = cx.attrs.strings("nodes_modes")?.ok_or_else(|| Attributes::<()>::missing("nodes_modes"))?;
    let looked_at = features(&ints(cx, "nodes_featureids")?)?;
    let values = numbers(cx, "nodes_values")?.ok_or_else(|| Attributes::<()>::missing("nodes_values"))?;
    let (when_true, when_false) = (ints(cx, "nodes_truenodeids")?, ints(cx, "nodes_falsenodeids")?);
    let missing = cx.attrs.ints("nodes_missing_value_tracks_true")?.filter(|list| !list.is_empty());
    let missing = missing.unwrap_or_else(|| vec![0; count]);
    for (name, length) in [
        ("nodes_treeids", trees.len()),
        ("nodes_modes", modes.len()),
        ("nodes_featureids", looked_at.len()),
        ("nodes_values", values.len()),
        ("nodes_truenodeids", when_true.len()),
        ("nodes_falsenodeids", when_false.len()),
        ("nodes_missing_value_tracks_true", missing.len()),
    ] {
        same_length(name, length, count)?;
    }
    let mut positions: HashMap<(i64, i64), usize> = HashMap::new();
    for (at, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        if positions.insert(key, at).is_some() {
            let message = format!("node {} of tree {} is there twice", key.1, key.0);
            return Err(bad_attribute("nodes_nodeids", message));
        }
    }
    let mut tests = Vec::with_capacity(count);
    for mode in &modes {
        let test = TESTS.iter().find(|(name, _)| name == mode).map(|(_, test)| *test);
        if (test.is_none() && mode != "LEAF") || test == Some(TreeTest::Member) {
            let known = "LEAF, BRANCH_LEQ, _LT, _GTE, _GT, _EQ or _NEQ";
            return Err(bad_attribute(
                "nodes_modes",
                format!("{known}, not \"{}\"", satura_import::escape(mode)),
            ));
        }
        tests.push(test);
    }
    // Where each node is to be found: nodes with a test and leaves are numbered apart.
    let mut places = Vec::with_capacity(count);
    let (mut nodes, mut leaves) = (0i64, 0i64);
    for test in &tests {
        match test {
            Some(_) => {
                places.push(nodes);
                nodes += 1;
            }
            None => {
                places.push(-1 - leaves);
                leaves += 1;
            }
        }
    }
    let mut leaf_entries: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (entry, key) in entries.trees.iter().copied().zip(entries.nodes.iter().copied()).enumerate() {
        let Some(at) = positions.get(&key) else {
            let message = format!("there is no node {} of tree {}", key.1, key.0);
            return Err(bad_attribute("nodes_nodeids", message));
        };
        leaf_entries[*at].push(entry);
    }
    let mut ensemble = empty(targets, aggregate);
    let mut reached: HashSet<usize> = HashSet::new();
    for (at, test) in tests.iter().enumerate() {
        let Some(test) = test else {
            for entry in &leaf_entries[at] {
                ensemble.leaf_targets.push(entries.targets[*entry]);
                ensemble.leaf_weights.push(entries.weights[*entry]);
            }
            ensemble.leaf_ends.push(ensemble.leaf_targets.len());
            continue;
        };
        let mut way = |name: &str, id: i64| match positions.get(&(trees[at], id)) {
            Some(next) => {
                reached.insert(*next);
                Ok(places[*next])
            }
            None => Err(bad_attribute(name, format!("there is no node {id} in tree {}", trees[at]))),
        };
        ensemble.when_true.push(way("nodes_truenodeids", when_true[at])?);
        ensemble.when_false.push(way("nodes_falsenodeids", when_false[at])?);
        ensemble.features.push(looked_at[at]);
        ensemble.tests.push(*test);
        ensemble.splits.push(values[at]);
        ensemble.nan_is_true.push(missing[at] != 0);
    }
    let mut seen: HashSet<i64> = HashSet::new();
    for (at, tree) in trees.iter().enumerate() {
        if !reached.contains(&at) && seen.insert(*tree) {
            ensemble.roots.push(places[at]);
        }
    }
    let all: HashSet<i64> = trees.iter().copied().collect();
    match all.into_iter().find(|tree| !seen.contains(tree)) {
        Some(tree) => Err(bad_attribute("nodes_nodeids", format!("tree {tree} has no node to start from"))),
        None => Ok(ensemble),
    }
}

fn empty(targets: usize, aggregate: TreeAggregate) -> TreeEnsemble {
    TreeEnsemble {
        roots: Vec::new(),
        features: Vec::new(),
        tests: Vec::new(),
        splits: Vec::new(),
        nan_is_true: Vec::new(),
        when_true: Vec::new(),
        when_false: Vec::new(),
        set_ends: Vec::new(),
        members: Vec::new(),
        leaf_ends: Vec::new(),
        leaf_targets: Vec::new(),
        leaf_weights: Vec::new(),
        targets,
        aggregate,
    }
}

/// `x + base`, one number or one for each column.
fn based(cx: &mut NodeCx<'_>, x: ValueId, base: Option<Vec<Real>>) -> Result<ValueId, Diagnostic> {
    let Some(base) = base.filter(|base| !base.is_empty()) else { return Ok(x) };
    let len = base.len();
    let base = cx.constant(Tensor::from_vec(base.into_iter().map(Real::get).collect(), &[len]))?;
    let base = cx.cast(base, cx.dtype(x)?)?;
    cx.add(x, base)
}

pub(in crate::convert) fn regressor(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let targets = cx.attrs.int("n_targets")?.unwrap_or(1);
    let targets = sizes("n_targets", &[targets], 1)?[0];
    let aggregate = cx.attrs.choice("aggregate_function", AGGREGATES)?.unwrap_or(TreeAggregate::Sum);
    let transform = Transform::read(cx)?;
    let base = numbers(cx, "base_values")?;
    let entries = Entries::read(cx, "target")?;
    let ensemble = numbered_trees(cx, &entries, targets, aggregate)?;
    let x = rows(cx, x, true)?;
    let scores = cx.one(ensemble, &[x])?;
    let scores = based(cx, scores, base)?;
    let scores = transform.apply_to_targets(cx, scores, targets)?;
    Ok(vec![cx.cast(scores, satura_tensor::DType::F32)?])
}

/// Gives labels and scores. Two classes may have the weights of one class only: they say how much the second class is to be preferred.
pub(in crate::convert) fn classifier(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let labels = Labels::read(cx, "classlabels_strings", "classlabels_int64s")?;
    let transform = Transform::read(cx)?;
    let base = numbers(cx, "base_values")?;
    let entries = Entries::read(cx, "class")?;
    let classes = labels.len();
    let used: HashSet<usize> = entries.targets.iter().copied().collect();
    let positive = entries.weights.iter().all(|weight| weight.get() >= 0.0);
    let ensemble = numbered_trees(cx, &entries, classes, TreeAggregate::Sum)?;
    let x = rows(cx, x, true)?;
    let scores = cx.one(ensemble, &[x])?;
    let scores = cx.cast(scores, satura_tensor::DType::F32)?;
    if classes > 2 || used.len() > 1 {
        let scores = based(cx, scores, base)?;
        let class = best(cx, scores)?;
        return Ok(vec![labels.pick(cx, class)?, transform.apply(cx, scores)?]);
    }
    // All weights are of one class: their sum is the score.
    let of_second = classes == 2 && used.contains(&1);
    let mut score = cx.reduce(ReduceKind::Sum, scores, Some(&[1]))?;
    if let Some(base) = base.as_ref().and_then(|base| if of_second { base.last() } else { base.first() }) {
        score = cx.add_scalar(score, base.get())?;
    }
    let bound = cx.scalar_like(score, if positive && classes == 2 { 0.5 } else { 0.0 })?;
    let single = column(cx, score, 0)?;
    let second = cx.less(bound, single)?;
    let label = labels.second_where(cx, second)?;
    if classes == 1 {
        return Ok(vec![label, transform.apply_to_targets(cx, score, 1)?]);
    }
    if of_second {
        let scores = based(cx, scores, base)?;
        return Ok(vec![label, transform.apply(cx, scores)?]);
    }
    let other = if positive && transform != Transform::Logistic {
        complement(cx, score)?
    } else {
        cx.map(ops::Neg {}, score)?
    };
    let both = two_columns(cx, other, score)?;
    let both = if transform == Transform::Logistic { transform.apply(cx, both)? } else { both };
    Ok(vec![label, both])
}

/// The later form: places of nodes and leaves, with sets to be a member of.
pub(in crate::convert) fn ensemble(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    cx.attrs.ignore("nodes_hitrates");
    let targets = cx.attrs.int("n_targets")?.unwrap_or(1);
    let targets = sizes("n_targets", &[targets], 1)?[0];
    let number = cx.attrs.int("aggregate_function")?.unwrap_or(1);
    let aggregate = usize::try_from(number).ok().and_then(|at| AGGREGATES.get(at)).map(|(_, kind)| *kind);
    let aggregate = aggregate
        .ok_or_else(|| bad_attribute("aggregate_function", format!("{number} is not one of 0 to 3")))?;
    let number = cx.attrs.int("post_transform")?.unwrap_or(0);
    let transform = Transform::numbered(number)?;
    let tensor = |cx: &mut NodeCx<'_>, name: &str| {
        cx.attrs.tensor(name)?.ok_or_else(|| Attributes::<()>::missing(name))
    };
    let splits = reals("nodes_splits", &tensor(cx, "nodes_splits")?)?;
    let modes = match tensor(cx, "nodes_modes")?.to_elements() {
        Elements::Int(modes) => modes,
        _ => return Err(bad_attribute("nodes_modes", "integers are expected")),
    };
    let mut ensemble = empty(targets, aggregate);
    ensemble.features = features(&ints(cx, "nodes_featureids")?)?;
    let count = ensemble.features.len();
    for mode in modes {
        let test = usize::try_from(mode).ok().and_then(|at| TESTS.get(at));
        let test =
            test.ok_or_else(|| bad_attribute("nodes_modes", format!("{mode} is not one of 0 to 6")))?;
        ensemble.tests.push(test.1);
    }
    ensemble.splits = splits;
    let missing = cx.attrs.ints("nodes_missing_value_tracks_true")?.filter(|list| !list.is_empty());
    ensemble.nan_is_true =
        missing.map_or_else(|| vec![false; count], |list| list.iter().map(|flag| *flag != 0).collect());
    for (name, length) in [
        ("nodes_modes", ensemble.tests.len()),
        ("nodes_splits", ensemble.splits.len()),
        ("nodes_missing_value_tracks_true", ensemble.nan_is_true.len()),
    ] {
        same_length(name, length, count)?;
    }
    let mut ways = |ids: &str, leaves: &str| -> Result<Vec<i64>, Diagnostic> {
        let (places, leafs) = (ints(cx, ids)?, ints(cx, leaves)?);
        same_length(ids, places.len(), count)?;
        same_length(leaves, leafs.len(), count)?;
        if let Some(place) = places.iter().find(|place| **place < 0) {
            return Err(bad_attribute(ids, format!("{place} is no place")));
        }
        let place = |(place, leaf): (&i64, &i64)| if *leaf != 0 { -1 - *place } else { *place };
        Ok(places.iter().zip(&leafs).map(place).collect())
    };
    ensemble.when_true = ways("nodes_truenodeids", "nodes_trueleafs")?;
    ensemble.when_false = ways("nodes_falsenodeids", "nodes_falseleafs")?;
    ensemble.leaf_targets = sizes("leaf_targetids", &ints(cx, "leaf_targetids")?, 0)?;
    ensemble.leaf_weights = reals("leaf_weights", &tensor(cx, "leaf_weights")?)?;
    ensemble.leaf_ends = (1..=ensemble.leaf_targets.len()).collect();
    ensemble.roots = ints(cx, "tree_roots")?;
    if let Some(root) = ensemble.roots.iter().find(|root| **root < 0) {
        return Err(bad_attribute("tree_roots", format!("{root} is no place")));
    }
    if let Some(members) = cx.attrs.tensor("membership_values")? {
        read_sets(&mut ensemble, &reals("membership_values", &members)?)?;
    } else if ensemble.tests.contains(&TreeTest::Member) {
        return Err(Attributes::<()>::missing("membership_values"));
    }
    let x = rows(cx, x, true)?;
    let scores = cx.one(ensemble, &[x])?;
    Ok(vec![transform.apply(cx, scores)?])
}

/// The sets of the nodes that test for membership, one after the other, each ended by a NaN.
fn read_sets(ensemble: &mut TreeEnsemble, values: &[Real]) -> Result<(), Diagnostic> {
    let mut sets = values.split_inclusive(|value| value.get().is_nan());
    for test in &ensemble.tests {
        if *test == TreeTest::Member {
            let set = sets.next().and_then(|set| set.split_last()).filter(|(end, _)| end.get().is_nan());
            let (_, members) = set
                .ok_or_else(|| bad_attribute("membership_values", "a node has no set, or it does not end"))?;
            ensemble.members.extend(members);
        }
        ensemble.set_ends.push(ensemble.members.len());
    }
    match sets.next() {
        Some(_) => Err(bad_attribute("membership_values", "there are more sets than nodes that need one")),
        None => Ok(()),
    }
}
