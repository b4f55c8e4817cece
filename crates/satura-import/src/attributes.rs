//! Reading the attributes of a node.

use crate::{Code, Diagnostic, escape};
use satura_ir::Type;
use satura_tensor::Tensor;
use std::collections::BTreeMap;

/// The value of an attribute. `G` is what a reader makes of a subgraph.
#[derive(Clone, Debug)]
pub enum AttrValue<G> {
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f32),
    /// A string: any bytes.
    String(Vec<u8>),
    /// Integers.
    Ints(Vec<i64>),
    /// Real numbers.
    Floats(Vec<f32>),
    /// Strings.
    Strings(Vec<Vec<u8>>),
    /// A tensor.
    Tensor(Tensor),
    /// A subgraph.
    Graph(G),
    /// The type of a value.
    Type(Type),
    /// A kind that no op of the list takes, by its name.
    Other(&'static str),
}

impl<G> AttrValue<G> {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            AttrValue::Int(_) => "an integer",
            AttrValue::Float(_) => "a number",
            AttrValue::String(_) => "a string",
            AttrValue::Ints(_) => "a list of integers",
            AttrValue::Floats(_) => "a list of numbers",
            AttrValue::Strings(_) => "a list of strings",
            AttrValue::Tensor(_) => "a tensor",
            AttrValue::Graph(_) => "a graph",
            AttrValue::Type(_) => "a type",
            AttrValue::Other(kind) => kind,
        }
    }
}

/// The attributes of one node. Each is taken out by what reads it; [`finish`](Self::finish) reports the rest.
#[derive(Debug)]
pub struct Attributes<G> {
    values: BTreeMap<String, AttrValue<G>>,
}

impl<G> Default for Attributes<G> {
    fn default() -> Self {
        Attributes { values: BTreeMap::new() }
    }
}

macro_rules! readers {
    ($($(#[$meta:meta])* $name:ident -> $ty:ty, $expected:literal, $pattern:pat => $value:expr;)*) => {$(
        $(#[$meta])*
        pub fn $name(&mut self, name: &str) -> Result<Option<$ty>, Diagnostic> {
            match self.values.remove(name) {
                None => Ok(None),
                Some($pattern) => Ok(Some($value)),
                Some(other) => Err(wrong_type(name, $expected, other.kind())),
            }
        }
    )*};
}

fn wrong_type(name: &str, expected: &str, actual: &str) -> Diagnostic {
    Diagnostic::error(Code::BadAttribute, format!("expected {expected}, found {actual}")).at_attribute(name)
}

impl<G> Attributes<G> {
    /// Adds an attribute; a name given twice is an error.
    pub fn insert(&mut self, name: &str, value: AttrValue<G>) -> Result<(), Diagnostic> {
        match self.values.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => {
                Err(Diagnostic::error(Code::BadAttribute, "the attribute is given twice").at_attribute(name))
            }
        }
    }

    readers! {
        /// Takes an integer, if it is given.
        int -> i64, "an integer", AttrValue::Int(value) => value;
        /// Takes a number, if it is given.
        float -> f32, "a number", AttrValue::Float(value) => value;
        /// Takes integers, if they are given.
        ints -> Vec<i64>, "a list of integers", AttrValue::Ints(value) => value;
        /// Takes numbers, if they are given.
        floats -> Vec<f32>, "a list of numbers", AttrValue::Floats(value) => value;
        /// Takes strings as bytes, if they are given.
        byte_strings -> Vec<Vec<u8>>, "a list of strings", AttrValue::Strings(value) => value;
        /// Takes a string as bytes, if it is given.
        bytes -> Vec<u8>, "a string", AttrValue::String(value) => value;
        /// Takes a tensor, if it is given.
        tensor -> Tensor, "a tensor", AttrValue::Tensor(value) => value;
        /// Takes a subgraph, if it is given.
        graph -> G, "a graph", AttrValue::Graph(value) => value;
        /// Takes a type, if it is given.
        value_type -> Type, "a type", AttrValue::Type(value) => value;
    }

    /// Takes a string of UTF-8, if it is given.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, Diagnostic> {
        let text =
            |bytes| String::from_utf8(bytes).map_err(|_| wrong_type(name, "UTF-8 text", "other bytes"));
        self.bytes(name)?.map(text).transpose()
    }

    /// Takes strings of UTF-8, if they are given.
    pub fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>, Diagnostic> {
        let text =
            |bytes| String::from_utf8(bytes).map_err(|_| wrong_type(name, "UTF-8 text", "other bytes"));
        self.byte_strings(name)?.map(|list| list.into_iter().map(text).collect()).transpose()
    }

    /// Takes an integer that is 0 or 1, if it is given.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Diagnostic> {
        match self.int(name)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(other) => {
                Err(Diagnostic::error(Code::BadAttribute, format!("expected 0 or 1, found {other}"))
                    .at_attribute(name))
            }
        }
    }

    /// Takes a string that is one of `choices`, if it is given: what stands beside it.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Diagnostic> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match choices.iter().find(|(choice, _)| *choice == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
                let message = format!("expected one of {}, found \"{}\"", known.join(", "), escape(&text));
                Err(Diagnostic::error(Code::BadAttribute, message).at_attribute(name))
            }
        }
    }

    /// Whether the attribute is given and was not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Drops an attribute that does not change the result.
    pub fn ignore(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// The error for an attribute that must be given and is not.
    pub fn missing(name: &str) -> Diagnostic {
        Diagnostic::error(Code::MissingAttribute, format!("the attribute \"{name}\" is missing"))
    }

    /// One error for each attribute that nothing took.
    pub fn finish(self) -> Vec<Diagnostic> {
        let unread = |name: String| {
            Diagnostic::error(Code::UnknownAttribute, "the op, at this version, has no such attribute")
                .at_attribute(&name)
        };
        self.values.into_keys().map(unread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_missing_and_unread() {
        let mut attributes = Attributes::<()>::default();
        attributes.insert("axis", AttrValue::Ints(vec![1])).expect("new");
        attributes.insert("left", AttrValue::Int(1)).expect("new");
        attributes.insert("mode", AttrValue::String(b"cube".to_vec())).expect("new");
        assert_eq!(attributes.insert("left", AttrValue::Int(2)).expect_err("twice").code, Code::BadAttribute);
        assert_eq!(attributes.int("axis").expect_err("ints").code, Code::BadAttribute);
        assert_eq!(attributes.int("absent"), Ok(None));
        let error = attributes.choice("mode", &[("linear", 1), ("cubic", 2)]).expect_err("unknown mode");
        assert_eq!(
            error.to_string(),
            "error[bad-attribute]: attribute \"mode\": expected one of linear, cubic, found \"cube\""
        );
        let unread = attributes.finish();
        assert_eq!(unread.len(), 1);
        assert_eq!(
            (unread[0].code, unread[0].place.attribute.as_deref()),
            (Code::UnknownAttribute, Some("left"))
        );
    }
}
