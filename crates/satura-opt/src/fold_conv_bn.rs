//! Scales and shifts after convolutions and matrix products.

use crate::matching::{eval_one, same_shape};
use satura_ir::{Node, NodeId, Op, ValueId, ops};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};
use satura_tensor::{DType, Shape, Tensor};

/// Multiplies a constant factor for each channel into the constant weights of the convolution, transposed convolution or matrix product before it, through a constant bias in between; adds up
/// constant biases; and writes a batch norm with constant statistics as factor and bias, so that it folds the same way. Only where nothing else reads the intermediate values.
pub const FOLD_CONV_BN: PassInfo = PassInfo {
    name: "fold-conv-bn",
    summary: "Folds batch norms, factors and biases into the weights before them.",
    contract: Contract::Rounding,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "batch-norm", &batch_norm)?;
        cx.rewrite(graph, "scale", &|g, n| match scale(g, n) {
            Err(Skip::NoMatch) => bias(g, n),
            done => done,
        })
        .map(|_| ())
    },
};

/// A product with constant weights that only one node reads.
struct Product<'g> {
    node: &'g Node,
    weights: &'g Tensor,
    /// Axis of the output channels in the output, and in the weights.
    axis: usize,
    weight_axis: usize,
    channels: usize,
}

fn product<'g>(g: &'g View<'_>, value: ValueId) -> Option<Product<'g>> {
    let (_, node) = g.producer(value)?;
    let rank = g.ty(value).shape()?.len();
    let (axis, weight_axis) = match &node.op {
        Op::Conv(_) => (1, 0),
        Op::ConvTranspose(op) if op.groups == 1 => (1, 1),
        Op::MatMul(_) => (rank - 1, g.constant(node.inputs[1])?.rank() - 1),
        _ => return None,
    };
    let weights = g.constant(node.inputs[1])?;
    let float = matches!(weights.dtype(), DType::F32 | DType::F64 | DType::F16 | DType::BF16);
    (float && g.use_count(value) == 1).then(|| Product {
        node,
        weights,
        axis,
        weight_axis,
        channels: weights.shape()[weight_axis],
    })
}

/// A constant that broadcasts along every axis but `axis` of an output of `rank` axes, as a vector of 1 or `channels` elements.
fn per_channel(constant: &Tensor, rank: usize, axis: usize, channels: usize) -> Option<Tensor> {
    let offset = rank.checked_sub(constant.rank())?;
    let fits = constant
        .shape()
        .iter()
        .enumerate()
        .all(|(i, size)| *size == 1 || (i + offset == axis && *size == channels));
    if fits { constant.reshaped(&[constant.elements()]) } else { None }
}

/// `vector` laid along `axis` of `rank` axes.
fn along(vector: &Tensor, rank: usize, axis: usize) -> Result<Tensor, Skip> {
    let mut sizes = vec![1; rank];
    sizes[axis] = vector.elements();
    vector.reshaped(&sizes).ok_or(Skip::CheckFailed("the factor is not a vector"))
}

/// The value and the constant of `value op constant`; with `swap`, of `constant op value` too.
fn with_constant<'g>(g: &'g View<'_>, node: &'g Node, swap: bool) -> Option<(ValueId, &'g Tensor)> {
    let (a, b) = (node.inputs[0], node.inputs[1]);
    match (g.constant(a), g.constant(b)) {
        (None, Some(constant)) => Some((a, constant)),
        (Some(constant), None) if swap => Some((b, constant)),
        _ => None,
    }
}

/// A value that adds a constant, as the value before and what is added.
fn shifted(g: &View<'_>, value: ValueId) -> Option<(ValueId, Tensor)> {
    let (_, node) = g.producer(value).filter(|_| g.use_count(value) == 1)?;
    added(g, node)
}

fn added(g: &View<'_>, node: &Node) -> Option<(ValueId, Tensor)> {
    match node.op {
        Op::Add(_) => with_constant(g, node, true).map(|(value, constant)| (value, constant.clone())),
        Op::Sub(_) => {
            let (value, constant) = with_constant(g, node, false)?;
            Some((value, eval_one(ops::Neg {}, std::slice::from_ref(constant)).ok()?))
        }
        _ => None,
    }
}

/// `product(x, w) * k`, `(product(x, w) + c) * k`, or the same with `/ k`.
fn scale(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let (op, swap): (Op, bool) = match node.op {
        Op::Mul(_) => (ops::Mul {}.into(), true),
        Op::Div(_) => (ops::Div {}.into(), false),
        _ => return Err(Skip::NoMatch),
    };
    let (value, factor) = with_constant(g, node, swap).ok_or(Skip::NoMatch)?;
    let (at, shift) = match shifted(g, value) {
        Some((before, shift)) => (before, Some(shift)),
        None => (value, None),
    };
    let Product { node: product, weights, axis, weight_axis, channels } =
        product(g, at).ok_or(Skip::NoMatch)?;
    let rank = g.ty(at).shape().ok_or(Skip::NoMatch)?.len();
    if same_shape(g, node.outputs[0], at).is_none() {
        return Err(Skip::CheckFailed("the factor broadcasts the result"));
    }
    let vector = per_channel(factor, rank, axis, channels)
        .ok_or(Skip::CheckFailed("the factor is not one for each channel"))?;
    let new_weights = eval_one(op.clone(), &[weights.clone(), along(&vector, weights.rank(), weight_axis)?])?;
    let mut patch = g.patch(n);
    let emit = patch.emit();
    let new_weights = emit.constant(new_weights)?;
    let mut result = emit.one(product.op.clone(), &[product.inputs[0], new_weights])?;
    if let Some(shift) = shift {
        let shift = emit.constant(eval_one(op, &[shift, along(&vector, rank, axis)?])?)?;
        result = emit.one(ops::Add {}, &[result, shift])?;
    }
    patch.replace(node.outputs[0], result);
    Ok(patch.finish())
}

/// `(product(x, w) + c) + d` is `product(x, w) + (c + d)`.
fn bias(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let (value, second) = added(g, node).ok_or(Skip::NoMatch)?;
    let (before, first) = shifted(g, value).ok_or(Skip::NoMatch)?;
    if product(g, before).is_none() {
        return Err(Skip::NoMatch);
    }
    let sum = eval_one(ops::Add {}, &[first.clone(), second.clone()])?;
    // A sum of a row and a column would be a larger constant than both.
    if sum.elements() > first.elements().max(second.elements()) {
        return Err(Skip::CheckFailed("the sum of the biases is larger than they are"));
    }
    let mut patch = g.patch(n);
    let sum = patch.emit().constant(sum)?;
    let result = patch.emit().one(ops::Add {}, &[before, sum])?;
    patch.replace(node.outputs[0], result);
    Ok(patch.finish())
}

/// A batch norm whose four parameters are constants is a factor and a bias for each channel.
fn batch_norm(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::BatchNorm(op) = &node.op else { return Err(Skip::NoMatch) };
    let constant = |i: usize| {
        g.constant(node.inputs[i]).cloned().ok_or(Skip::CheckFailed("a parameter is not constant"))
    };
    let (gain, bias, mean, variance) = (constant(1)?, constant(2)?, constant(3)?, constant(4)?);
    let rank = g.ty(node.inputs[0]).shape().ok_or(Skip::CheckFailed("the rank is not known"))?.len();
    if rank < 2 {
        return Err(Skip::CheckFailed("there is no channel axis"));
    }
    let epsilon = satura_tensor::cast(&Tensor::scalar(op.epsilon.get()), variance.dtype())
        .ok_or(Skip::CheckFailed("the parameters are not numbers"))?;
    let deviation = eval_one(ops::Sqrt {}, &[eval_one(ops::Add {}, &[variance, epsilon])?])?;
    let factor = eval_one(ops::Div {}, &[gain, deviation])?;
    let shift = eval_one(ops::Sub {}, &[bias, eval_one(ops::Mul {}, &[mean, factor.clone()])?])?;
    let mut sizes = vec![1; rank - 1];
    sizes[0] = factor.elements();
    let laid = |t: &Tensor| eval_one(ops::Reshape { shape: Shape::of(&sizes) }, std::slice::from_ref(t));
    let (factor, shift) = (laid(&factor)?, laid(&shift)?);
    let mut patch = g.patch(n);
    let emit = patch.emit();
    let (factor, shift) = (emit.constant(factor)?, emit.constant(shift)?);
    let scaled = emit.one(ops::Mul {}, &[node.inputs[0], factor])?;
    let result = emit.one(ops::Add {}, &[scaled, shift])?;
    patch.replace(node.outputs[0], result);
    Ok(patch.finish())
}
