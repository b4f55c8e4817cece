//! What can be wrong with one op: its inputs, its attributes, or the sizes they lead to.

use std::fmt;

/// The class of an [`OpError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpErrorKind {
    /// A wrong number of inputs, outputs or regions.
    Arity,
    /// An input has a dtype that the op does not take.
    DType,
    /// Shapes that do not fit each other or the attributes.
    Shape,
    /// An attribute out of its range.
    Attribute,
    /// The rank or a needed value is not known. Inference goes on with an unknown shape.
    Unknown,
    /// A tensor beyond the element limit.
    Limit,
    /// A run-time value out of range, such as an index.
    Value,
    /// A combination that is valid but not implemented.
    Unsupported,
}

/// An error of one op, without its place: whoever knows the node adds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpError {
    /// The class.
    pub kind: OpErrorKind,
    /// What is wrong, one sentence without a full stop, naming input or attribute.
    pub message: String,
}

macro_rules! constructors {
    ($($name:ident $kind:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name(message: impl Into<String>) -> Self {
            OpError { kind: OpErrorKind::$kind, message: message.into() }
        }
    )*};
}

impl OpError {
    constructors! {
        arity Arity "A wrong number of inputs, outputs or regions.";
        dtype DType "An input of a dtype that the op does not take.";
        shape Shape "Shapes that do not fit.";
        attribute Attribute "An attribute out of its range.";
        unknown Unknown "A rank or value that is not known yet.";
        limit Limit "A tensor beyond the element limit.";
        value Value "A run-time value out of range.";
        unsupported Unsupported "Valid, but not implemented.";
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OpError {}
