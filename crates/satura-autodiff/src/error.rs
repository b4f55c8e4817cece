//! Why a gradient cannot be derived.

use satura_ir::OpError;
use std::fmt;

/// Why a gradient cannot be derived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GradientError {
    /// An op on the way has no rule, or none for these attributes.
    NoRule {
        /// The node: its op and, where it has one, its name in the source model.
        node: String,
        /// What is missing.
        reason: String,
    },
    /// A value that is no tensor of floats: it has no gradient.
    NotFloat {
        /// Its name or number.
        value: String,
        /// Its type.
        ty: String,
    },
    /// The seed has another type than the value that is differentiated.
    Seed {
        /// The type of the value.
        wanted: String,
        /// That of the seed.
        given: String,
    },
    /// What a rule adds does not infer, such as where a rank is not known.
    Op {
        /// The node whose rule it is.
        node: String,
        /// The error of the op that was added.
        error: OpError,
    },
}

impl fmt::Display for GradientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GradientError::NoRule { node, reason } => write!(f, "no gradient of {node}: {reason}"),
            GradientError::NotFloat { value, ty } => {
                write!(f, "{value} is {ty}: only tensors of floats have gradients")
            }
            GradientError::Seed { wanted, given } => {
                write!(f, "the seed is {given}, the value that is differentiated is {wanted}")
            }
            GradientError::Op { node, error } => write!(f, "no gradient of {node}: {error}"),
        }
    }
}

impl std::error::Error for GradientError {}
