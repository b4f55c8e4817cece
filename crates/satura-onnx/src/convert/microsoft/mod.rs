//! What onnxruntime adds in the domain `com.microsoft`: fused and quantised forms, and layers of transformers.

pub(super) mod activation;
pub(super) mod attention;
pub(super) mod embed;
pub(super) mod grouped;
pub(super) mod linear;
pub(super) mod lstm;
pub(super) mod matmul;
pub(super) mod moe;
pub(super) mod movement;
pub(super) mod norm;
pub(super) mod quantized;
pub(super) mod rotary;
pub(super) mod weights;

use crate::node::{Convert, Converted, NodeCx};

/// An op whose form is that of the standard one at a version of the standard domain.
pub(super) fn as_standard(cx: &mut NodeCx<'_>, version: i64, run: Convert) -> Converted {
    cx.version = version;
    run(cx)
}
