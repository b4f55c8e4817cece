//! Ops whose attributes came as values.

use crate::decompose::decompose;
use satura_ir::Op;
use satura_pass::{Contract, PassInfo, PassOptions, Skip};

/// Replaces ops that take shapes, axes or bounds as values, or depend on the rank, by primitives with attributes, where those values are known, symbols included.
pub const RESOLVE_DYNAMIC: PassInfo = PassInfo {
    name: "resolve-dynamic",
    summary: "Turns reshapes, slices, pads and the like by value into static ones.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| {
        cx.rewrite(graph, "resolve", &|g, n| {
            if is_dynamic(&g.node(n).op) { decompose(g, n, &|_| false) } else { Err(Skip::NoMatch) }
        })
        .map(|_| ())
    },
};

/// Composites that are movement once their values are known, so that their decomposition is never worse.
fn is_dynamic(op: &Op) -> bool {
    matches!(
        op,
        Op::ReshapeDyn(_)
            | Op::BroadcastDyn(_)
            | Op::SliceDyn(_)
            | Op::PadDyn(_)
            | Op::Squeeze(_)
            | Op::Unsqueeze(_)
            | Op::Flatten(_)
            | Op::Split(_)
            | Op::TileDyn(_)
            | Op::RangeDyn(_)
            | Op::Size(_)
    )
}
