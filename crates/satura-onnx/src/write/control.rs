//! Control flow: regions as subgraphs.

use super::attribute::graph;
use super::cx::{Cx, Form, NoForm};
use super::takes::{
    BFLOAT, BOOL, COMPLEX, FLOAT4, FLOATS, FLOATS8, INTS2, INTS4, SCALE8, SMALL_INTS, STRING, Takes,
    WIDE_INTS, is_taken,
};
use satura_ir::{Type, ops};

/// Elements of the tensors, also of those in containers, that go into and out of subgraphs.
const PASSED: &Takes = &[
    (1, FLOATS),
    (16, BFLOAT),
    (1, WIDE_INTS),
    (1, SMALL_INTS),
    (1, BOOL),
    (1, STRING),
    (1, COMPLEX),
    (19, FLOATS8),
    (21, INTS4),
    (23, FLOAT4),
    (24, SCALE8),
    (25, INTS2),
];

/// An error unless a value of that type may go into or out of a subgraph.
fn need_passed(cx: &Cx<'_>, op: &str, ty: &Type) -> Form {
    let refused = || Err(NoForm::new(format!("{op} of operator set {} takes no {ty}", cx.version())));
    let tensor = |ty: &Type| ty.dtype().is_some_and(|dtype| is_taken(PASSED, cx.version(), dtype));
    let plain = |ty: &Type| match ty {
        Type::Sequence(item) => tensor(item),
        other => tensor(other),
    };
    let taken = match ty {
        Type::Optional(item) => cx.version() >= 16 && plain(item),
        other => plain(other),
    };
    if taken { Ok(()) } else { refused() }
}

/// The branches read what they capture from around them, so only the condition is an input.
pub(super) fn if_op(cx: &mut Cx<'_>, _: &ops::If) -> Form {
    for ty in cx.output_types() {
        need_passed(cx, "If", ty)?;
    }
    let condition = cx.input(0);
    let (then, other) = (cx.region(0), cx.region(1));
    cx.result("If", &[condition], vec![graph("then_branch", then), graph("else_branch", other)])
}

/// The body reads what it captures from around it. A number of repetitions that is never reached is left out.
pub(super) fn loop_op(cx: &mut Cx<'_>, op: &ops::Loop) -> Form {
    for ty in cx.output_types().chain((0..op.carried).map(|i| cx.ty(2 + i))) {
        need_passed(cx, "Loop", ty)?;
    }
    let endless = cx.ints(0).is_some_and(|limit| limit == [i64::MAX]);
    let mut inputs = vec![if endless { "".into() } else { cx.one_element(0) }, cx.one_element(1)];
    inputs.extend((0..op.carried).map(|i| cx.input(2 + i)));
    let body = cx.region(0);
    cx.result("Loop", &inputs, vec![graph("body", body)])
}
