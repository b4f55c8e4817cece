//! Random small graphs for differential tests.

use crate::{Rng, Values, random_tensor};
use satura_ir::{Emit, Graph, Op, Type, ValueId, ops};
use satura_tensor::{DType, Dim, Shape, Tensor};

/// What random graphs look like.
#[derive(Clone, Copy, Debug)]
pub struct GraphConfig {
    /// Attempts to add a node; some of them fail, so it is the greatest number of nodes.
    pub steps: usize,
    /// The greatest extent of an axis.
    pub extent: usize,
    /// Whether ops whose rounding depends on the order of evaluation may appear (sums, matrix products).
    pub contractions: bool,
}

impl Default for GraphConfig {
    fn default() -> Self {
        GraphConfig { steps: 20, extent: 4, contractions: true }
    }
}

/// A random graph of f32 tensors, of known sizes: elementwise ops, movement, reductions and, if asked for, matrix products, on one to three inputs and a few constants. Values that nothing reads are
/// its outputs. The result is verified.
pub fn random_graph(rng: &mut Rng, config: GraphConfig) -> Graph {
    let mut graph = Graph::new("random");
    let mut pool: Vec<ValueId> = Vec::new();
    for i in 0..1 + rng.below(3) {
        let sizes = random_sizes(rng, config.extent);
        pool.push(graph.add_input(&format!("x{i}"), Type::of(DType::F32, &sizes)));
    }
    for _ in 0..config.steps {
        let x = *rng.pick(&pool);
        // An op that does not fit its inputs is refused by inference: another is tried in the next step.
        if let Ok(value) = step(rng, &mut graph, &pool, x, config) {
            pool.push(value);
        }
    }
    let uses = graph.use_counts();
    let loose: Vec<ValueId> =
        pool.into_iter().filter(|v| uses[v.0 as usize] == 0 && graph.producer(*v).is_some()).collect();
    if loose.is_empty() {
        let first = graph.inputs()[0];
        graph.add_output("y0", first);
    }
    for (i, value) in loose.into_iter().enumerate() {
        graph.add_output(&format!("y{i}"), value);
    }
    graph
}

fn random_sizes(rng: &mut Rng, extent: usize) -> Vec<usize> {
    (0..rng.below(4)).map(|_| if rng.one_in(4) { 1 } else { 1 + rng.below(extent) }).collect()
}

fn step(
    rng: &mut Rng,
    graph: &mut Graph,
    pool: &[ValueId],
    x: ValueId,
    config: GraphConfig,
) -> Result<ValueId, satura_ir::OpError> {
    let sizes = graph.ty(x).sizes().expect("every value of a random graph has known sizes");
    let rank = sizes.len();
    let emit: &mut dyn Emit = graph;
    match rng.below(if config.contractions { 12 } else { 10 }) {
        0 | 1 => {
            let unary: [Op; 8] = [
                ops::Neg {}.into(),
                ops::Abs {}.into(),
                ops::Relu {}.into(),
                ops::Sigmoid {}.into(),
                ops::Tanh {}.into(),
                ops::Floor {}.into(),
                ops::Sign {}.into(),
                ops::Exp {}.into(),
            ];
            emit.one(rng.pick(&unary).clone(), &[x])
        }
        2..=4 => {
            let binary: [Op; 5] = [
                ops::Add {}.into(),
                ops::Sub {}.into(),
                ops::Mul {}.into(),
                ops::Max {}.into(),
                ops::Min {}.into(),
            ];
            let y = match rng.below(3) {
                0 => emit.constant(random_tensor(rng, DType::F32, &sizes, Values::Plain))?,
                1 => emit.scalar(DType::F32, f64::from(rng.below(3) as u8) - 1.0)?,
                _ => *rng.pick(pool),
            };
            let inputs = if rng.one_in(2) { [x, y] } else { [y, x] };
            emit.one(rng.pick(&binary).clone(), &inputs)
        }
        5 => {
            let mut perm: Vec<usize> = (0..rank).collect();
            (1..rank).for_each(|i| perm.swap(i, rng.below(i + 1)));
            emit.one(ops::Transpose { perm }, &[x])
        }
        6 => {
            let flat = [sizes.iter().product::<usize>()];
            let mut shape = if rng.one_in(2) { flat.to_vec() } else { sizes };
            shape.insert(rng.below(shape.len() + 1), 1);
            emit.one(ops::Reshape { shape: Shape::of(&shape) }, &[x])
        }
        7 => {
            let cut: Vec<(usize, usize, i64)> = sizes
                .iter()
                .map(|size| {
                    let start = rng.below(*size);
                    let reversed = rng.one_in(4);
                    let room = if reversed { start + 1 } else { size - start };
                    (start, 1 + rng.below(room), if reversed { -1 } else { 1 })
                })
                .collect();
            let slice = ops::Slice {
                starts: cut.iter().map(|c| Dim::from(c.0)).collect(),
                sizes: cut.iter().map(|c| Dim::from(c.1)).collect(),
                steps: cut.iter().map(|c| c.2).collect(),
            };
            emit.one(slice, &[x])
        }
        8 => {
            let axis = rng.below(rank.max(1)) as i64;
            let other = *rng.pick(pool);
            emit.one(ops::Concat { axis }, &[x, if rng.one_in(2) { x } else { other }])
        }
        9 => {
            let amount = |rng: &mut Rng| (0..rank).map(|_| Dim::from(rng.below(2))).collect::<Vec<_>>();
            let zero = emit.constant(Tensor::scalar(0.5f32))?;
            emit.one(ops::Pad { low: amount(rng), high: amount(rng) }, &[x, zero])
        }
        10 => {
            let kind = *rng.pick(&[ops::ReduceKind::Sum, ops::ReduceKind::Max, ops::ReduceKind::Min]);
            let axes = (rank > 0).then(|| vec![rng.below(rank) as i64]);
            emit.one(ops::Reduce { kind, axes, keep: rng.one_in(2) }, &[x])
        }
        _ => {
            let Some(inner) = sizes.last().filter(|_| rank >= 2) else { return emit.one(ops::Relu {}, &[x]) };
            let columns = 1 + rng.below(config.extent);
            let weights = random_tensor(rng, DType::F32, &[*inner, columns], Values::Plain);
            let weights = emit.constant(weights)?;
            emit.one(ops::MatMul {}, &[x, weights])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_verify_and_run() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let graph = random_graph(&mut rng, GraphConfig::default());
            satura_ir::verify(&graph).expect("a random graph is valid");
            let inputs = crate::random_inputs(&graph, &mut rng, Values::Plain).expect("sizes are known");
            crate::check_same_results(&graph, &graph.compacted(), &inputs, None)
                .expect("compaction changes nothing");
        }
    }
}
