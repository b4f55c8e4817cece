//! Rewrites that only kernels profit from, made on the graph before fusion.

use crate::LowerError;
use satura_ir::ops::{Const, Conv, ConvTranspose, Pad, Reshape, Slice, Transpose};
use satura_ir::{Emit, Graph, NodeId, OpError, PrimOp, Type, ValueId, evaluate};
use satura_tensor::{Dim, Shape};

/// The graph with transposed convolutions as convolutions at the resolution of their input, whose channels are then laid out by an index map ("sub-pixel convolution", Shi et al. 2016).
///
/// With stride `s` and a kernel of `q * s` taps (zeros added behind it), output `s * i + r` is the sum over `j < q` of `x[i - j] * w[j * s + r]`: for each of the `s` remainders an ordinary
/// convolution with `q` taps, those of the kernel in reverse order.
pub(crate) fn prepare(graph: &Graph) -> Result<Graph, LowerError> {
    let mut out = graph.clone();
    let found: Vec<(NodeId, ConvTranspose)> = graph
        .nodes()
        .filter_map(|(id, node)| match node.op.prim() {
            Some(PrimOp::ConvTranspose(op)) if is_dense(graph, node.inputs[0], node.inputs[1], op) => {
                Some((id, op.clone()))
            }
            _ => None,
        })
        .collect();
    for (id, op) in found {
        let node = graph.node(id);
        let (x, w, old) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let first = out.node_bound();
        let new = as_convolution(&mut out, x, w, &op).map_err(|error| {
            LowerError::internal(&format!("a transposed convolution as a convolution: {error}"))
        })?;
        for added in first..out.node_bound() {
            out.node_mut(NodeId(added)).label = node.label.clone();
        }
        out.replace_uses(old, new);
        out.remove_node(id);
    }
    Ok(out)
}

/// Whether the taps lie side by side, and nothing is added to the output beyond them.
fn is_dense(graph: &Graph, x: ValueId, w: ValueId, op: &ConvTranspose) -> bool {
    let (Some(input), Some(weights)) = (graph.ty(x).sizes(), graph.ty(w).sizes()) else { return false };
    let reaches = (0..op.strides.len()).all(|a| {
        let (stride, kernel) = (op.strides[a], weights[a + 2]);
        let whole = (input[a + 2] + kernel.div_ceil(stride) - 1) * stride;
        let wanted =
            (input[a + 2] - 1) * stride + kernel + op.output_padding[a] - op.pads_high[a].min(kernel);
        op.dilations[a] == 1 && wanted <= whole
    });
    !input.contains(&0) && !weights.contains(&0) && weights.len() > 2 && reaches
}

fn as_convolution(graph: &mut Graph, x: ValueId, w: ValueId, op: &ConvTranspose) -> Result<ValueId, OpError> {
    let weights = phase_weights(graph, w, op)?;
    let emit: &mut dyn Emit = graph;
    let (xs, ws) = (emit.sizes(x)?, emit.sizes(w)?);
    let (rank, channels) = (xs.len() - 2, op.groups * ws[1]);
    let taps: Vec<usize> = (0..rank).map(|a| ws[a + 2].div_ceil(op.strides[a])).collect();
    let margins: Vec<usize> = taps.iter().map(|q| q - 1).collect();
    let conv = Conv {
        strides: vec![1; rank],
        pads_low: margins.clone(),
        pads_high: margins,
        dilations: vec![1; rank],
        groups: op.groups,
    };
    let phases = emit.one(conv, &[x, weights])?;
    // [N, O * S.., I..] -> [N, O, S.., I..] -> [N, O, I_0, S_0, ..] -> [N, O, I_0 * S_0, ..].
    let extents: Vec<usize> = (0..rank).map(|a| xs[a + 2] + taps[a] - 1).collect();
    let reshape = |sizes: &[usize]| Reshape { shape: Shape::of(sizes) };
    let apart = emit.one(reshape(&[&[xs[0], channels], &op.strides[..], &extents].concat()), &[phases])?;
    let perm = [0, 1].into_iter().chain((0..rank).flat_map(|a| [2 + rank + a, 2 + a])).collect();
    let woven = emit.one(Transpose { perm }, &[apart])?;
    let wide: Vec<usize> =
        [xs[0], channels].into_iter().chain((0..rank).map(|a| extents[a] * op.strides[a])).collect();
    let woven = emit.one(reshape(&wide), &[woven])?;
    let out: Vec<usize> = [xs[0], channels]
        .into_iter()
        .chain((0..rank).map(|a| {
            (xs[a + 2] - 1) * op.strides[a] + ws[a + 2] + op.output_padding[a]
                - op.pads_low[a]
                - op.pads_high[a]
        }))
        .collect();
    let starts = [0, 0].iter().chain(&op.pads_low).map(|n| Dim::from(*n)).collect();
    let sizes = out.iter().map(|n| Dim::from(*n)).collect();
    emit.one(Slice { starts, sizes, steps: vec![1; rank + 2] }, &[woven])
}

/// The weights `[G * C, O, k..]` as those of the phases, `[G * O * S.., C, q..]`; constants stay constants.
fn phase_weights(graph: &mut Graph, w: ValueId, op: &ConvTranspose) -> Result<ValueId, OpError> {
    let Some(constant) = graph.constant(w).cloned() else { return emit_phase_weights(graph, w, op) };
    let mut alone = Graph::new("weights");
    let input = alone.add_input("w", Type::of(constant.dtype(), constant.shape()));
    let output = emit_phase_weights(&mut alone, input, op)?;
    alone.add_output("phases", output);
    let mut value = evaluate(&alone, &[constant]).map_err(|error| OpError::value(error.to_string()))?;
    let value = value.pop().ok_or_else(|| OpError::value("the weights have no value"))?;
    let emit: &mut dyn Emit = graph;
    emit.one(Const { value }, &[])
}

fn emit_phase_weights(emit: &mut dyn Emit, w: ValueId, op: &ConvTranspose) -> Result<ValueId, OpError> {
    let sizes = emit.sizes(w)?;
    let (rank, groups, outputs) = (sizes.len() - 2, op.groups, sizes[1]);
    let inputs = sizes[0] / groups;
    let taps: Vec<usize> = (0..rank).map(|a| sizes[a + 2].div_ceil(op.strides[a])).collect();
    let missing = |a: usize| taps[a] * op.strides[a] - sizes[a + 2];
    let zero = emit.scalar_like(w, 0.0)?;
    let high: Vec<Dim> = [0, 0].into_iter().chain((0..rank).map(missing)).map(Dim::from).collect();
    let whole = emit.one(Pad { low: vec![Dim::from(0); rank + 2], high }, &[w, zero])?;
    // [G, C, O, (q, S)..], the taps in reverse.
    let split: Vec<usize> = [groups, inputs, outputs]
        .into_iter()
        .chain((0..rank).flat_map(|a| [taps[a], op.strides[a]]))
        .collect();
    let split_value = emit.one(Reshape { shape: Shape::of(&split) }, &[whole])?;
    let is_tap = |axis: usize| axis >= 3 && (axis - 3) % 2 == 0;
    let starts = (0..split.len()).map(|a| Dim::from(if is_tap(a) { split[a] - 1 } else { 0 })).collect();
    let steps = (0..split.len()).map(|a| if is_tap(a) { -1 } else { 1 }).collect();
    let reversed = emit
        .one(Slice { starts, sizes: split.iter().map(|n| Dim::from(*n)).collect(), steps }, &[split_value])?;
    // [G, O, S.., C, q..].
    let perm = [0, 2]
        .into_iter()
        .chain((0..rank).map(|a| 4 + 2 * a))
        .chain([1])
        .chain((0..rank).map(|a| 3 + 2 * a))
        .collect();
    let ordered = emit.one(Transpose { perm }, &[reversed])?;
    let strides: usize = op.strides.iter().product();
    let shape = [&[groups * outputs * strides, inputs], &taps[..]].concat();
    emit.one(Reshape { shape: Shape::of(&shape) }, &[ordered])
}
