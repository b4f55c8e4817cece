//! Decomposing composites.

use satura_ir::Op;
use satura_pass::{Contract, OptionHelp, PassInfo, PassOptions, Patch, Skip, View};

/// Replaces every composite by its decomposition, to any depth, except those named in `keep`. One whose decomposition needs values that are not known stays.
pub const DECOMPOSE: PassInfo = PassInfo {
    name: "decompose",
    summary: "Replaces composites by primitives.",
    contract: Contract::Rounding,
    options: PassOptions::of::<Options>(&[OptionHelp {
        name: "keep",
        summary: "names of composites that stay, such as [softmax, gelu]; none by default",
    }]),
    run: |graph, cx| {
        let options: Options = cx.options()?;
        cx.rewrite(graph, "decompose", &|g, n| {
            decompose(g, n, &|op| options.keep.iter().any(|k| k == op.name()))
        })
        .map(|_| ())
    },
};

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    keep: Vec<String>,
}

/// The decomposition of a composite that is not kept.
pub(crate) fn decompose(
    g: &View<'_>,
    n: satura_ir::NodeId,
    keeps: &dyn Fn(&Op) -> bool,
) -> Result<Patch, Skip> {
    let node = g.node(n);
    if node.op.prim().is_some() {
        return Err(Skip::NoMatch);
    }
    if keeps(&node.op) {
        return Err(Skip::CheckFailed("kept"));
    }
    let mut patch = g.patch(n);
    let values = node.op.decompose(patch.emit(), &node.inputs).ok_or(Skip::NoMatch)??;
    patch.replace_all(&node.outputs, &values);
    Ok(patch.finish())
}
