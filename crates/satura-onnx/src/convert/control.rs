//! Control flow.

use crate::node::{Converted, NodeCx, Region};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops;

/// One of two branches. Both take what either of them captures.
pub(super) fn conditional(cx: &mut NodeCx<'_>) -> Converted {
    let ([condition], []) = cx.args()?;
    let mut branch = |name: &str| cx.attrs.graph(name)?.ok_or_else(|| Attributes::<()>::missing(name));
    let (Region(then), Region(other)) = (branch("then_branch")?, branch("else_branch")?);
    let results = then.outputs().len();
    if other.outputs().len() != results {
        let message = format!("the branches give {results} and {} outputs", other.outputs().len());
        return Err(Diagnostic::error(Code::InputCount, message));
    }
    let mut inputs = vec![condition];
    inputs.extend(&cx.captures);
    cx.emit_regions(ops::If { results }, &inputs, vec![then, other])
}
