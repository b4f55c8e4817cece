//! The pass `fuse-scale-shift`.

use crate::ScaleShift;
use satura_ir::attr::Real;
use satura_ir::{Custom, NodeId, Op, ValueId};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};
use satura_tensor::Elements;

/// `x * k + c` with scalar constants is `example.scale_shift{scale=k, shift=c} x`. Its decomposition is the same multiplication and addition, so not a bit changes.
pub const FUSE_SCALE_SHIFT: PassInfo = PassInfo {
    name: "fuse-scale-shift",
    summary: "Joins a multiplication and an addition of scalar constants.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| cx.rewrite(graph, "fuse", &fuse).map(|_| ()),
};

fn fuse(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::Add(_) = node.op else { return Err(Skip::NoMatch) };
    let (product, shift) = operand_and_scalar(g, &node.inputs).ok_or(Skip::NoMatch)?;
    let (_, multiply) = g.producer(product).ok_or(Skip::NoMatch)?;
    let Op::Mul(_) = multiply.op else { return Err(Skip::NoMatch) };
    if g.use_count(product) != 1 {
        return Err(Skip::CheckFailed("the product is read elsewhere too"));
    }
    let (x, scale) = operand_and_scalar(g, &multiply.inputs).ok_or(Skip::NoMatch)?;
    let mut patch = g.patch(n);
    let fused = patch.emit().one(Op::Custom(Custom::new(ScaleShift { scale, shift })), &[x])?;
    patch.replace(node.outputs[0], fused);
    Ok(patch.finish())
}

/// Of two operands, the one that is not a constant, and the other if it is a float scalar.
fn operand_and_scalar(g: &View<'_>, operands: &[ValueId]) -> Option<(ValueId, Real)> {
    let scalar = |value: ValueId| match g.constant(value).filter(|t| t.rank() == 0)?.to_elements() {
        Elements::Float(v) => v.first().copied().map(Real::from),
        _ => None,
    };
    match (scalar(operands[0]), scalar(operands[1])) {
        (None, Some(k)) => Some((operands[0], k)),
        (Some(k), None) => Some((operands[1], k)),
        _ => None,
    }
}
