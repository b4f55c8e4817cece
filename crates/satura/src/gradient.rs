//! Gradients for models that ask for them, lent to the readers.

use satura_autodiff::{GradientError, gradients};
use satura_import::{Code, Diagnostic};
use satura_ir::{Graph, ValueId};

/// [`gradients`] of the sum of the elements of `y`, with errors as a reader reports them.
pub(crate) fn differentiate(
    graph: &mut Graph,
    y: ValueId,
    xs: &[ValueId],
) -> Result<Vec<ValueId>, Diagnostic> {
    gradients(graph, y, None, xs).map_err(|error| {
        let message = error.to_string();
        match error {
            GradientError::Op { error, .. } => Diagnostic { message, ..Diagnostic::from(error) },
            GradientError::NotFloat { .. } => Diagnostic::error(Code::DType, message),
            _ => Diagnostic::error(Code::Unsupported, message),
        }
    })
}
