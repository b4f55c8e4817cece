//! Classic machine learning, the domain `ai.onnx.ml`: features, labels, linear models, support vectors, trees.

pub(super) mod features;
pub(super) mod labels;
pub(super) mod linear;
mod scores;
pub(super) mod svm;
pub(super) mod trees;

use crate::emit::Emitted;
use crate::node::NodeCx;
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_tensor::{DType, Dim, Tensor};

/// Numbers of an attribute as a constant vector of f32.
fn vector(cx: &mut NodeCx<'_>, values: Vec<f32>) -> Emitted {
    let len = values.len();
    cx.constant(Tensor::from_vec(values, &[len]))
}

/// Texts as a constant vector.
fn texts(cx: &mut NodeCx<'_>, values: Vec<Vec<u8>>) -> Emitted {
    let len = values.len();
    cx.constant(Tensor::from_strings(values.into_iter().map(Into::into).collect(), &[len]))
}

/// Numbers of an attribute as a constant matrix of f32 of that many rows.
fn matrix(cx: &mut NodeCx<'_>, name: &str, values: Vec<f32>, rows: usize) -> Emitted {
    if rows == 0 || !values.len().is_multiple_of(rows) {
        let message = format!("{} numbers do not make {rows} rows", values.len());
        return Err(Diagnostic::error(Code::BadAttribute, message).at_attribute(name));
    }
    let columns = values.len() / rows;
    cx.constant(Tensor::from_vec(values, &[rows, columns]))
}

/// The input as a matrix: a vector is one row. Doubles stay doubles where `keep` says so; other numbers become f32.
fn rows(cx: &mut NodeCx<'_>, x: ValueId, keep: bool) -> Emitted {
    let dims = cx.dims(x, "rows of features")?;
    let x = match &dims[..] {
        [_, _] => x,
        [features] => cx.reshape(x, vec![Dim::from(1), features.clone()])?,
        _ => {
            let message = format!("rows of features are needed, the rank is {}", dims.len());
            return Err(Diagnostic::error(Code::Shape, message));
        }
    };
    if keep && cx.dtype(x)? == DType::F64 { Ok(x) } else { cx.cast(x, DType::F32) }
}
