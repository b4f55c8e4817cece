//! The stable codes of diagnostics.

use std::fmt;

macro_rules! codes {
    ($($variant:ident $text:literal $meaning:literal;)*) => {
        /// What kind of problem a diagnostic reports. Texts do not change between versions; scripts may match them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $meaning] $variant),* }

        impl Code {
            /// Every code, in order of declaration.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The text, such as `path-escape`.
            pub fn text(self) -> &'static str {
                match self { $(Code::$variant => $text),* }
            }

            /// What it means, one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning),* }
            }
        }
    };
}

// The one table: variant, text, meaning.
codes! {
    // The file.
    Io "io" "The file could not be read.";
    NotAFile "not-a-file" "The path is a directory, a pipe, a socket or a device, not a regular file.";
    LooksLike "looks-like" "The file is of another format.";
    Parse "parse" "The bytes are not a well-formed message of the format.";
    ResourceLimit "resource-limit" "The model asks for more than a limit allows.";
    // External data.
    PathEscape "path-escape" "A file that the model names does not lie, by itself, in the model's folder.";
    ExternalData "external-data" "The place of a tensor's external data is missing, malformed or out of range.";
    Checksum "checksum" "The data has another checksum than the model says.";
    // The model as a whole.
    NoGraph "no-graph" "The model has no graph, or the graph gives nothing.";
    Version "version" "The format or operator set has a version that is not supported.";
    OpsetImport "opset-import" "The operator sets are missing or contradict each other.";
    UnsupportedOp "unsupported-op" "No converter for an op, at this version.";
    // The graph.
    Cycle "cycle" "Nodes depend on each other.";
    DuplicateName "duplicate-name" "A name is defined twice.";
    UndefinedName "undefined-name" "A name is read that nothing defines.";
    EmptyName "empty-name" "A name is empty where one is needed.";
    NotSorted "not-sorted" "Nodes come before what they read; they were sorted.";
    Function "function" "A model-local function is malformed, recursive, or called wrongly.";
    // Nodes.
    InputCount "input-count" "A node has too few or too many inputs or outputs, or a needed one is absent.";
    BadAttribute "bad-attribute" "An attribute has a wrong type or a value out of its range.";
    MissingAttribute "missing-attribute" "An attribute that the op needs is absent.";
    UnknownAttribute "unknown-attribute" "The op has no attribute of that name.";
    Unsupported "unsupported" "A valid combination that is not supported.";
    NotConstant "not-constant" "An input must be known when the model is read, and is not.";
    // Types and data.
    DType "dtype" "An element type is unknown, or not taken by the op.";
    Shape "shape" "Shapes do not fit each other or an attribute.";
    BadValue "bad-value" "A value is out of its range.";
    TensorShape "tensor-shape" "The sizes of a tensor are negative, or their product is too large.";
    TensorLength "tensor-length" "The data of a tensor has another length than its sizes need.";
    TensorData "tensor-data" "The data of a tensor is in the wrong field, in two fields, or malformed.";
    TypeConflict "type-conflict" "A declared type contradicts the inferred one.";
    Invalid "invalid-graph" "The graph breaks an invariant of the IR.";
    // Warnings only.
    Ignored "ignored" "Something was ignored, because it does not change the results.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::BTreeSet;

    #[test]
    fn texts_are_different_and_kebab_case() {
        let texts: BTreeSet<&str> = Code::ALL.iter().map(|c| c.text()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(texts.iter().all(|t| t.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }
}
