//! Decided conditions.

use satura_ir::{NodeId, Op, infer_graph};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, Skip, View};
use satura_tensor::Elements;

/// Replaces an `if` whose condition is known by the body of the branch taken.
pub const FOLD_IF: PassInfo = PassInfo {
    name: "fold-if",
    summary: "Inlines the branch of a condition that is known.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        // Outer ones first: what stands in a branch that is never taken need not be valid.
        cx.rewrite_graph(graph, "inline", &mut |g, n| inline(g, n))?;
        cx.rewrite(graph, "inline", &inline).map(|_| ())
    },
};

fn inline(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::If(_) = node.op else { return Err(Skip::NoMatch) };
    let condition = condition(g, node.inputs[0]).ok_or(Skip::CheckFailed("the condition is not known"))?;
    let mut patch = g.patch(n);
    let mut body = node.regions[usize::from(!condition)].clone();
    // What inference knows inside follows from the types that the body's inputs have here.
    infer_graph(&mut body).map_err(|_| Skip::CheckFailed("the branch does not infer"))?;
    let results =
        patch.inline(&body, &node.inputs[1..]).map_err(|_| Skip::CheckFailed("the branch does not infer"))?;
    patch.replace_all(&node.outputs, &results);
    Ok(patch.finish())
}

fn condition(g: &View<'_>, value: satura_ir::ValueId) -> Option<bool> {
    if let Some(known) = &g.value(value).known {
        return known.elements.first()?.as_const().map(|c| c != 0);
    }
    match g.constant(value)?.to_elements() {
        Elements::Bool(v) => v.first().copied(),
        _ => None,
    }
}
