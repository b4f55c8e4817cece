//! Cheaper arithmetic.

use crate::matching::{Uniform, same_shape, uniform};
use satura_ir::{NodeId, Op, ops};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};

/// Writes powers with the exponents 2, 1/2 and -1 as product, square root and quotient: on most devices a power is a logarithm and an exponential, and not defined below zero. Floats.
pub const STRENGTH: PassInfo = PassInfo {
    name: "strength",
    summary: "Replaces powers by products, square roots and quotients.",
    contract: Contract::Rounding,
    options: PassOptions::NONE,
    run: |graph, cx| cx.rewrite(graph, "power", &power).map(|_| ()),
};

fn power(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::Pow(_) = node.op else { return Err(Skip::NoMatch) };
    let (base, output) = (node.inputs[0], node.outputs[0]);
    let Some(Uniform::Real(exponent)) = uniform(g, node.inputs[1]) else {
        return Err(Skip::CheckFailed("the exponent is not one float constant"));
    };
    if same_shape(g, base, output).is_none() {
        return Err(Skip::CheckFailed("the exponent broadcasts the base"));
    }
    let mut patch = g.patch(n);
    let emit = patch.emit();
    let value = if exponent == 2.0 {
        emit.one(ops::Mul {}, &[base, base])?
    } else if exponent == 0.5 {
        emit.one(ops::Sqrt {}, &[base])?
    } else if exponent == -1.0 {
        let one = emit.scalar_like(base, 1.0)?;
        emit.one(ops::Div {}, &[one, base])?
    } else {
        return Err(Skip::CheckFailed("no cheaper form for the exponent"));
    };
    patch.replace(output, value);
    Ok(patch.finish())
}
