//! How much arithmetic a graph is, from its shapes.

use satura_ir::{Graph, Node, Op, ValueId};
use satura_tensor::{Dim, Shape};

/// Operations of one run: 2 for each multiply-add of a matrix product or convolution, 1 for each output element of every other primitive that does not only move
/// elements; a composite counts as what it decomposes into, a branch as the costlier one. `None` where a shape is not known.
pub(crate) fn flops(graph: &Graph) -> Option<Dim> {
    graph.nodes().try_fold(Dim::from(0), |sum, (_, node)| Some(sum + node_flops(graph, node)?))
}

fn node_flops(graph: &Graph, node: &Node) -> Option<Dim> {
    if matches!(node.op, Op::Const(_)) || node.op.algebra().movement {
        return Some(Dim::from(0));
    }
    if !node.regions.is_empty() {
        let costs: Option<Vec<Dim>> = node.regions.iter().map(flops).collect();
        return costs.map(|costs| costs.iter().fold(Dim::from(0), |most, cost| most.maximum(cost)));
    }
    let shape = |id: &ValueId| graph.ty(*id).shape();
    let two_times = |elements: Dim, terms: Dim| Some(Dim::from(2) * elements * terms);
    match &node.op {
        Op::MatMul(_) => {
            two_times(shape(node.outputs.first()?)?.elements(), shape(node.inputs.first()?)?.last()?.clone())
        }
        // Each output element sums over the input channels of its group and the kernel: all axes of the weight but the first.
        Op::Conv(_) => {
            two_times(shape(node.outputs.first()?)?.elements(), weight_terms(shape(node.inputs.get(1)?)?))
        }
        // Each input element is spread over the output channels of its group and the kernel.
        Op::ConvTranspose(_) => {
            two_times(shape(node.inputs.first()?)?.elements(), weight_terms(shape(node.inputs.get(1)?)?))
        }
        op if op.prim().is_none() => decomposed(graph, node),
        _ => node.outputs.iter().try_fold(Dim::from(0), |sum, id| Some(sum + shape(id)?.elements())),
    }
}

fn weight_terms(weight: &Shape) -> Dim {
    weight.iter().skip(1).fold(Dim::from(1), |product, dim| product * dim.clone())
}

fn decomposed(graph: &Graph, node: &Node) -> Option<Dim> {
    let mut scratch = Graph::new("decomposition");
    let inputs: Vec<ValueId> = node
        .inputs
        .iter()
        .map(|id| {
            let value = graph.value(*id);
            if let Some(constant) = graph.constant(*id) {
                let op = Op::from(satura_ir::ops::Const { value: constant.clone() });
                return scratch.add_node(op, Vec::new(), Vec::new()).ok()?.first().copied();
            }
            let input = scratch.add_input("x", value.ty.clone());
            scratch.value_mut(input).known = value.known.clone();
            Some(input)
        })
        .collect::<Option<_>>()?;
    node.op.decompose(&mut scratch, &inputs)?.ok()?;
    flops(&scratch)
}

#[cfg(test)]
mod tests {
    use satura_ir::{OpRegistry, parse_module};

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let text = format!("graph @f({body} }}");
        let module = parse_module(&text, &Default::default(), &OpRegistry::default()).expect("parses");
        let actual = super::flops(&module.graphs[0]).map_or("unknown".to_owned(), |dim| dim.to_string());
        assert_eq!(actual, expected, "{text}");
    }

    #[test]
    fn counts_follow_the_shapes() {
        check("%x: f32[N, 8], %w: f32[8, 5]) { %0 = matmul %x, %w  return %0", "80*N");
        check("%x: f32[2, 3], %y: f32[3]) { %0 = add %x, %y  %1 = transpose{perm=[1, 0]} %0  return %1", "6");
        check(
            "%x: f32[1, 4, 6, 6], %w: f32[8, 2, 3, 3]) { %0 = conv{strides=[1, 1], pads_low=[1, 1], pads_high=[1, 1], dilations=[1, 1], groups=2} %x, %w  return %0",
            "10368",
        );
        check("%x: f32[N]) { %0 = relu %x  return %0", "N");
        check("%x: f32[*]) { %0 = exp %x  return %0", "unknown");
    }
}
