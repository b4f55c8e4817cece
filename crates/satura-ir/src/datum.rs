//! What a value holds at run time: a tensor, or one of the containers of the type system.

use crate::{OpError, Type};
use satura_tensor::Tensor;

/// A run-time value.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A tensor.
    Tensor(Tensor),
    /// Any number of values of one type.
    Sequence(Vec<Datum>),
    /// A value or none.
    Optional(Option<Box<Datum>>),
    /// Values by key, in the order of the map. Keys are one tensor (integers or strings) of rank 1.
    Map {
        /// The keys.
        keys: Tensor,
        /// The values, one per key.
        values: Vec<Datum>,
    },
}

impl Datum {
    /// The tensor, if it is one.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Datum::Tensor(tensor) => Some(tensor),
            Datum::Sequence(_) | Datum::Optional(_) | Datum::Map { .. } => None,
        }
    }

    /// The tensor, or a dtype error that says what it is.
    pub fn into_tensor(self) -> Result<Tensor, OpError> {
        match self {
            Datum::Tensor(tensor) => Ok(tensor),
            other => Err(OpError::dtype(format!("a tensor is expected, got {}", other.kind()))),
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Datum::Tensor(_) => "a tensor",
            Datum::Sequence(_) => "a sequence",
            Datum::Optional(_) => "an optional",
            Datum::Map { .. } => "a map",
        }
    }

    /// Whether a value of type `ty` may be this: the same containers and dtypes, and no constant extent that differs.
    pub fn fits(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Datum::Tensor(tensor), Type::Tensor(_)) => ty.accepts(&Type::of(tensor.dtype(), tensor.shape())),
            (Datum::Sequence(items), Type::Sequence(item)) => items.iter().all(|i| i.fits(item)),
            (Datum::Optional(item), Type::Optional(ty)) => item.as_ref().is_none_or(|i| i.fits(ty)),
            (Datum::Map { keys, values }, Type::Map(key, ty)) => {
                keys.dtype() == *key && values.iter().all(|v| v.fits(ty))
            }
            _ => false,
        }
    }

    /// A short description: `f32[2, 3]`, `sequence of 3`.
    pub fn describe(&self) -> String {
        match self {
            Datum::Tensor(tensor) => Type::of(tensor.dtype(), tensor.shape()).to_string(),
            Datum::Sequence(items) => format!("sequence of {}", items.len()),
            Datum::Optional(None) => "an empty optional".to_owned(),
            Datum::Optional(Some(item)) => format!("optional {}", item.describe()),
            Datum::Map { values, .. } => format!("map of {}", values.len()),
        }
    }
}

impl From<Tensor> for Datum {
    fn from(tensor: Tensor) -> Self {
        Datum::Tensor(tensor)
    }
}
