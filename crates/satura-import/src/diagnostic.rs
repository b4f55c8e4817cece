//! Diagnostics: what is wrong, where, and what to do. Plain data; rendering is for whoever shows them.

use crate::{Code, escape};
use satura_ir::{OpError, OpErrorKind};
use std::fmt;
use std::path::{Path, PathBuf};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The model was read; something about it is odd.
    Warning,
    /// The model cannot be used.
    Error,
}

/// A node of the source model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePlace {
    /// The op, as the format spells it.
    pub op: String,
    /// The node's name; that of its first output if it has none.
    pub name: String,
}

/// Where a problem is. Every part is optional; the more, the better.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Option<PathBuf>,
    /// The position in the file, in bytes.
    pub offset: Option<u64>,
    /// The subgraph or function, if it is not the main graph.
    pub graph: Option<String>,
    /// The node.
    pub node: Option<NodePlace>,
    /// The node's attribute.
    pub attribute: Option<String>,
    /// The position among the node's inputs.
    pub input: Option<usize>,
    /// The tensor or value.
    pub value: Option<String>,
}

impl fmt::Display for Place {
    /// Such as `model.onnx: node "conv1" (Conv): attribute "pads"`. Empty if nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match (&self.file, self.offset) {
            (Some(file), Some(offset)) => {
                parts.push(format!("{}, byte {offset}", escape(&file.to_string_lossy())))
            }
            (Some(file), None) => parts.push(escape(&file.to_string_lossy())),
            (None, Some(offset)) => parts.push(format!("byte {offset}")),
            (None, None) => {}
        }
        if let Some(graph) = &self.graph {
            parts.push(format!("in \"{}\"", escape(graph)));
        }
        if let Some(node) = &self.node {
            parts.push(format!("node \"{}\" ({})", escape(&node.name), escape(&node.op)));
        }
        if let Some(attribute) = &self.attribute {
            parts.push(format!("attribute \"{}\"", escape(attribute)));
        }
        if let Some(input) = self.input {
            parts.push(format!("input {input}"));
        }
        if let Some(value) = &self.value {
            parts.push(format!("\"{}\"", escape(value)));
        }
        f.write_str(&parts.join(": "))
    }
}

/// One problem of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem.
    pub code: Code,
    /// What is wrong, one sentence without a full stop. Text from the file is escaped in it.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: Place::default(),
            help: None,
        }
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// The same with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same at a byte of the file.
    #[must_use]
    pub fn at_byte(mut self, offset: usize) -> Self {
        self.place.offset = u64::try_from(offset).ok();
        self
    }

    /// The same in a file, unless it has one.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.place.file.get_or_insert_with(|| file.to_path_buf());
        self
    }

    /// The same in a subgraph or function, unless it has one.
    #[must_use]
    pub fn in_graph(mut self, graph: &str) -> Self {
        self.place.graph.get_or_insert_with(|| graph.to_owned());
        self
    }

    /// The same at a node, unless it has one.
    #[must_use]
    pub fn at_node(mut self, op: &str, name: &str) -> Self {
        self.place.node.get_or_insert_with(|| NodePlace { op: op.to_owned(), name: name.to_owned() });
        self
    }

    /// The same at an attribute, unless it has one.
    #[must_use]
    pub fn at_attribute(mut self, attribute: &str) -> Self {
        self.place.attribute.get_or_insert_with(|| attribute.to_owned());
        self
    }

    /// The same at an input of the node.
    #[must_use]
    pub fn at_input(mut self, input: usize) -> Self {
        self.place.input = Some(input);
        self
    }

    /// The same at a tensor or value, unless it has one.
    #[must_use]
    pub fn at_value(mut self, value: &str) -> Self {
        self.place.value.get_or_insert_with(|| value.to_owned());
        self
    }
}

impl From<OpError> for Diagnostic {
    fn from(error: OpError) -> Self {
        let code = match error.kind {
            OpErrorKind::Arity => Code::InputCount,
            OpErrorKind::DType => Code::DType,
            OpErrorKind::Shape => Code::Shape,
            OpErrorKind::Attribute => Code::BadAttribute,
            OpErrorKind::Unknown => Code::NotConstant,
            OpErrorKind::Limit => Code::ResourceLimit,
            OpErrorKind::Unsupported => Code::Unsupported,
            _ => Code::BadValue,
        };
        Diagnostic::error(code, error.message)
    }
}

impl fmt::Display for Diagnostic {
    /// `error[cycle]: model.onnx: message`; the help follows on its own line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}]: ", self.code)?;
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Why a model was not read: at least one error, and the warnings before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// What was found, errors first. Never empty.
    pub diagnostics: Vec<Diagnostic>,
    /// Errors beyond those kept.
    pub more: usize,
}

impl ImportError {
    /// The code of the first error.
    pub fn code(&self) -> Option<Code> {
        self.diagnostics.first().map(|d| d.code)
    }

    /// The same with the file named wherever a place has none.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.diagnostics = self.diagnostics.into_iter().map(|d| d.in_file(file)).collect();
        self
    }
}

impl From<Diagnostic> for ImportError {
    fn from(diagnostic: Diagnostic) -> Self {
        ImportError { diagnostics: vec![diagnostic], more: 0 }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().enumerate() {
            write!(f, "{}{diagnostic}", if i > 0 { "\n" } else { "" })?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more errors", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ImportError {}
