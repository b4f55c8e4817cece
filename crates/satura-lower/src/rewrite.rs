//! Rewrites that only kernels profit from, made on the graph before fusion.

use crate::LowerError;
use satura_ir::ops::{ConvTranspose, MatMul, Reshape, Transpose};
use satura_ir::{Emit, Graph, NodeId, PrimOp, ValueId};
use satura_tensor::Shape;

/// The graph with every transposed convolution whose windows do not overlap as a matrix product, whose columns are then laid out by an index map.
///
/// With a kernel as wide as its stride, no dilation and nothing cut off, each output element has one tap: `out[n, g*O + o, s * K + k] = sum over c of x[n, g*C + c, s] * w[g*C + c, o, k]`.
pub(crate) fn prepare(graph: &Graph) -> Result<Graph, LowerError> {
    let mut out = graph.clone();
    let found: Vec<(NodeId, ConvTranspose)> = graph
        .nodes()
        .filter_map(|(id, node)| match node.op.prim() {
            Some(PrimOp::ConvTranspose(op))
                if does_not_overlap(graph, node.inputs[0], node.inputs[1], op) =>
            {
                Some((id, op.clone()))
            }
            _ => None,
        })
        .collect();
    for (id, op) in found {
        let node = graph.node(id);
        let (x, w, old) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let first = out.node_bound();
        let new = as_product(&mut out, x, w, op.groups).map_err(|error| {
            LowerError::internal(&format!("a transposed convolution as a product: {error}"))
        })?;
        for added in first..out.node_bound() {
            out.node_mut(NodeId(added)).label = node.label.clone();
        }
        out.replace_uses(old, new);
        out.remove_node(id);
    }
    Ok(out)
}

fn does_not_overlap(graph: &Graph, x: ValueId, w: ValueId, op: &ConvTranspose) -> bool {
    let kernel = graph.ty(w).sizes().unwrap_or_default();
    let none = |list: &[usize]| list.iter().all(|n| *n == 0);
    graph.ty(x).sizes().is_some()
        && kernel.len() > 2
        && kernel[2..] == op.strides[..]
        && op.dilations.iter().all(|d| *d == 1)
        && none(&op.pads_low)
        && none(&op.pads_high)
        && none(&op.output_padding)
}

fn as_product(
    graph: &mut dyn Emit,
    x: ValueId,
    w: ValueId,
    groups: usize,
) -> Result<ValueId, satura_ir::OpError> {
    let (xs, ws) = (graph.sizes(x)?, graph.sizes(w)?);
    let (batch, spatial, kernel) = (xs[0], &xs[2..], &ws[2..]);
    let (inner, outer) = (ws[0] / groups, ws[1]);
    let taps: usize = kernel.iter().product();
    let area: usize = spatial.iter().product();
    let reshape = |sizes: &[usize]| Reshape { shape: Shape::of(sizes) };
    // [G, C, O * K] -> [1, G, O * K, C], times [N, G, C, S].
    let weights = graph.one(reshape(&[1, groups, inner, outer * taps]), &[w])?;
    let weights = graph.one(Transpose { perm: vec![0, 1, 3, 2] }, &[weights])?;
    let columns = graph.one(reshape(&[batch, groups, inner, area]), &[x])?;
    let product = graph.one(MatMul {}, &[weights, columns])?;
    // [N, G * O, K.., S..] -> [N, G * O, S_0, K_0, ..] -> [N, G * O, S_0 * K_0, ..].
    let rank = spatial.len();
    let apart = [&[batch, groups * outer], kernel, spatial].concat();
    let apart = graph.one(reshape(&apart), &[product])?;
    let perm = [0, 1].into_iter().chain((0..rank).flat_map(|a| [2 + rank + a, 2 + a])).collect();
    let woven = graph.one(Transpose { perm }, &[apart])?;
    let sizes: Vec<usize> =
        [batch, groups * outer].into_iter().chain((0..rank).map(|a| spatial[a] * kernel[a])).collect();
    graph.one(reshape(&sizes), &[woven])
}
