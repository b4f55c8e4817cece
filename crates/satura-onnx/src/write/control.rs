//! Control flow: regions as subgraphs.

use super::attribute::graph;
use super::cx::{Cx, Form};
use satura_ir::ops;

/// The branches read what they capture from around them, so only the condition is an input.
pub(super) fn if_op(cx: &mut Cx<'_>, _: &ops::If) -> Form {
    let condition = cx.input(0);
    let (then, other) = (cx.region(0), cx.region(1));
    cx.result("If", &[condition], vec![graph("then_branch", then), graph("else_branch", other)])
}
