//! Attributes of written nodes.

use crate::proto::{AttributeProto, GraphProto, TensorProto, TypeProto};
use bytes::Bytes;

fn of(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind, ..AttributeProto::default() }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..of(name, 2) }
}

pub(super) fn flag(name: &str, value: bool) -> AttributeProto {
    int(name, i64::from(value))
}

pub(super) fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { ints: values, ..of(name, 7) }
}

/// Attributes of the format are 32 bits wide.
pub(super) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto { f: Some(value as f32), ..of(name, 1) }
}

pub(super) fn floats(name: &str, values: Vec<f32>) -> AttributeProto {
    AttributeProto { floats: values, ..of(name, 6) }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(Bytes::copy_from_slice(value.as_bytes())), ..of(name, 3) }
}

pub(super) fn texts<'t>(name: &str, values: impl IntoIterator<Item = &'t str>) -> AttributeProto {
    let strings = values.into_iter().map(|v| Bytes::copy_from_slice(v.as_bytes())).collect();
    AttributeProto { strings, ..of(name, 8) }
}

/// Texts that need not be Unicode.
pub(super) fn byte_texts(name: &str, values: &[Box<[u8]>]) -> AttributeProto {
    let strings = values.iter().map(|v| Bytes::copy_from_slice(v)).collect();
    AttributeProto { strings, ..of(name, 8) }
}

pub(super) fn graph(name: &str, value: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(value), ..of(name, 5) }
}

pub(super) fn tensor(name: &str, value: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(value), ..of(name, 4) }
}

pub(super) fn value_type(name: &str, value: TypeProto) -> AttributeProto {
    AttributeProto { tp: Some(value), ..of(name, 13) }
}
