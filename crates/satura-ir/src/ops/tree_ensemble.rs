//! Ensembles of decision trees.

use super::checks::floats;
use super::support::float_dtype;
use crate::attr::Real;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::attr_enum! {
    /// When a node goes its true way.
    pub enum TreeTest {
        /// The feature is at most the split.
        AtMost = "at_most",
        /// It is below.
        Below = "below",
        /// It is at least the split.
        AtLeast = "at_least",
        /// It is above.
        Above = "above",
        /// It equals the split.
        Equals = "equals",
        /// It differs.
        Differs = "differs",
        /// It is in the node's set.
        Member = "member",
    }
}

crate::attr_enum! {
    /// How the weights of the leaves that the trees lead to are combined, for each target.
    pub enum TreeAggregate {
        /// Their sum.
        Sum = "sum",
        /// Their sum by the number of trees.
        Average = "average",
        /// The least one; 0 of none.
        Min = "min",
        /// The greatest one; 0 of none.
        Max = "max",
    }
}

crate::op_struct! {
    /// What decision trees say of the rows of `x: [N, F]`: `[N, targets]`. Floats, combined in f64.
    ///
    /// Nodes and leaves lie in vectors. A place in a tree is `k` for node `k` and `-1 - k` for leaf `k`. Every place must exist, and no node may be reached from itself; both are
    /// checked when the op is added to a graph.
    pub struct TreeEnsemble {
        /// The place that each tree starts from.
        pub roots: Vec<i64>,
        /// For each node: the feature that it looks at.
        pub features: Vec<usize>,
        /// For each node: its test.
        pub tests: Vec<TreeTest>,
        /// For each node: what the feature is compared with.
        pub splits: Vec<Real>,
        /// For each node: whether NaN goes the true way.
        pub nan_is_true: Vec<bool>,
        /// For each node: the place of the true way.
        pub when_true: Vec<i64>,
        /// For each node: the place of the other way.
        pub when_false: Vec<i64>,
        /// For each node: where its set ends in `members`; it starts where the one before ends. Empty if no node has a set.
        pub set_ends: Vec<usize>,
        /// The members of all sets.
        pub members: Vec<Real>,
        /// For each leaf: where its entries end in the next two vectors; they start where those of the one before end.
        pub leaf_ends: Vec<usize>,
        /// For each entry of a leaf: the target it counts for.
        pub leaf_targets: Vec<usize>,
        /// For each entry of a leaf: its weight.
        pub leaf_weights: Vec<Real>,
        /// The number of targets.
        pub targets: usize,
        /// How weights are combined.
        pub aggregate: TreeAggregate,
    }
}

impl TreeEnsemble {
    /// An error that says which vector has a wrong length or entry.
    fn check(&self) -> Result<(), OpError> {
        let nodes = self.features.len();
        let lengths = [
            ("tests", self.tests.len()),
            ("splits", self.splits.len()),
            ("nan_is_true", self.nan_is_true.len()),
            ("when_true", self.when_true.len()),
            ("when_false", self.when_false.len()),
        ];
        for (name, length) in lengths {
            if length != nodes {
                return Err(OpError::attribute(format!(
                    "`{name}` has {length} entries, there are {nodes} nodes"
                )));
            }
        }
        if !self.set_ends.is_empty() && self.set_ends.len() != nodes {
            let length = self.set_ends.len();
            return Err(OpError::attribute(format!(
                "`set_ends` has {length} entries, there are {nodes} nodes"
            )));
        }
        if self.leaf_targets.len() != self.leaf_weights.len() {
            return Err(OpError::attribute("`leaf_targets` and `leaf_weights` have different lengths"));
        }
        let ends = [
            ("set_ends", &self.set_ends, self.members.len()),
            ("leaf_ends", &self.leaf_ends, self.leaf_weights.len()),
        ];
        for (name, ends, most) in ends {
            if !ends.is_sorted() || ends.last().is_some_and(|last| *last > most) {
                return Err(OpError::attribute(format!("`{name}` must rise to {most} at most")));
            }
        }
        if let Some(target) = self.leaf_targets.iter().find(|target| **target >= self.targets) {
            return Err(OpError::attribute(format!("a leaf counts for target {target} of {}", self.targets)));
        }
        self.check_paths()
    }

    /// Every place exists, and every path ends.
    fn check_paths(&self) -> Result<(), OpError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Seen {
            No,
            OnPath,
            Done,
        }
        let node = |place: i64| match self.place(place) {
            Some(Place::Node(node)) => Ok(Some(node)),
            Some(Place::Leaf(_)) => Ok(None),
            None => Err(OpError::attribute(format!("there is no place {place} in the trees"))),
        };
        let mut seen = vec![Seen::No; self.features.len()];
        for root in &self.roots {
            let mut path: Vec<(usize, u8)> = node(*root)?.map(|node| (node, 0)).into_iter().collect();
            while let Some((at, way)) = path.pop() {
                if way == 0 {
                    match seen[at] {
                        Seen::Done => continue,
                        Seen::OnPath => {
                            return Err(OpError::attribute(format!("node {at} is reached from itself")));
                        }
                        Seen::No => seen[at] = Seen::OnPath,
                    }
                }
                let next = match way {
                    0 => self.when_true[at],
                    1 => self.when_false[at],
                    _ => {
                        seen[at] = Seen::Done;
                        continue;
                    }
                };
                path.push((at, way + 1));
                path.extend(node(next)?.map(|node| (node, 0)));
            }
        }
        Ok(())
    }

    fn place(&self, place: i64) -> Option<Place> {
        if place >= 0 {
            usize::try_from(place).ok().filter(|node| *node < self.features.len()).map(Place::Node)
        } else {
            usize::try_from(-1 - place).ok().filter(|leaf| *leaf < self.leaf_ends.len()).map(Place::Leaf)
        }
    }

    /// The leaf that a row leads to.
    fn leaf(&self, root: i64, row: &[f64]) -> Option<usize> {
        let mut place = root;
        loop {
            let at = match self.place(place)? {
                Place::Leaf(leaf) => return Some(leaf),
                Place::Node(node) => node,
            };
            let (x, split) = (row[self.features[at]], self.splits[at].get());
            let holds = match self.tests[at] {
                TreeTest::AtMost => x <= split,
                TreeTest::Below => x < split,
                TreeTest::AtLeast => x >= split,
                TreeTest::Above => x > split,
                TreeTest::Equals => x == split,
                TreeTest::Differs => x != split && !x.is_nan(),
                TreeTest::Member => run(&self.set_ends, &self.members, at).iter().any(|m| m.get() == x),
            };
            let holds = holds || (x.is_nan() && self.nan_is_true[at]);
            place = if holds { self.when_true[at] } else { self.when_false[at] };
        }
    }
}

enum Place {
    Node(usize),
    Leaf(usize),
}

/// The entries of `values` that belong to number `at`.
fn run<'a, T>(ends: &[usize], values: &'a [T], at: usize) -> &'a [T] {
    let start = if at == 0 { 0 } else { ends.get(at - 1).copied().unwrap_or(0) };
    values.get(start..ends.get(at).copied().unwrap_or(start)).unwrap_or(&[])
}

impl OpDef for TreeEnsemble {
    const NAME: &'static str = "tree_ensemble";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        self.check()?;
        Ok(vec![float_dtype(cx, Self::NAME)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let x = cx.shape(0)?;
        let needed = self.features.iter().max().map_or(0, |feature| feature.saturating_add(1));
        match &x[..] {
            [_, features] if features.as_const().is_some_and(|n| Dim::from(needed).as_const() > Some(n)) => {
                Err(OpError::shape(format!("the trees look at {needed} features, the input is {x}")))
            }
            [rows, _] => Ok(vec![Shape(vec![rows.clone(), Dim::from(self.targets)])]),
            _ => Err(OpError::shape(format!("a matrix is expected, the input is {x}"))),
        }
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let [rows, width] = *x.shape() else { return Err(OpError::shape("a matrix is expected")) };
        if let Some(feature) = self.features.iter().find(|feature| **feature >= width) {
            return Err(OpError::shape(format!("the trees look at feature {feature} of {width}")));
        }
        let values = floats(Self::NAME, x)?;
        let mut out = Vec::with_capacity(rows * self.targets);
        for row in 0..rows {
            let row = &values[row * width..][..width];
            let mut scores: Vec<Option<f64>> = vec![None; self.targets];
            for root in &self.roots {
                let leaf =
                    self.leaf(*root, row).ok_or_else(|| OpError::attribute("a tree has no such place"))?;
                let targets = run(&self.leaf_ends, &self.leaf_targets, leaf);
                let weights = run(&self.leaf_ends, &self.leaf_weights, leaf);
                for (target, weight) in targets.iter().zip(weights) {
                    let weight = weight.get();
                    scores[*target] = Some(match (self.aggregate, scores[*target]) {
                        (_, None) => weight,
                        (TreeAggregate::Sum | TreeAggregate::Average, Some(score)) => score + weight,
                        (TreeAggregate::Min, Some(score)) => score.min(weight),
                        (TreeAggregate::Max, Some(score)) => score.max(weight),
                    });
                }
            }
            let trees = if self.aggregate == TreeAggregate::Average { self.roots.len().max(1) } else { 1 };
            out.extend(scores.into_iter().map(|score| score.unwrap_or(0.0) / trees as f64));
        }
        Ok(vec![Tensor::from_elements(x.dtype(), &[rows, self.targets], Elements::Float(out))])
    }
}
