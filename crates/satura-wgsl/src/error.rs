//! Why text cannot be checked or translated.

use std::fmt;

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WgslError {
    /// The text is not valid WGSL, which for a verified kernel is a fault of the printer: the checker's message, with the place.
    Invalid(String),
    /// The text is valid, but the target cannot express it: the target's name, and why.
    Untranslatable(&'static str, String),
    /// The crate was built without the feature of that name.
    Disabled(&'static str),
}

impl fmt::Display for WgslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WgslError::Invalid(message) => write!(f, "invalid WGSL: {message}"),
            WgslError::Untranslatable(target, message) => write!(f, "not expressible as {target}: {message}"),
            WgslError::Disabled(feature) => {
                write!(f, "satura-wgsl was built without its feature `{feature}`")
            }
        }
    }
}

impl std::error::Error for WgslError {}
