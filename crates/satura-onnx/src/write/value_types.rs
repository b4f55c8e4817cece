//! Types of values as the format says them.

use super::names::Name;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{TensorShapeProto, TypeProto, ValueInfoProto, type_proto};
use crate::types;
use satura_ir::Type;
use satura_tensor::{Dim, parse_dim};

/// A longer expression is left out: readers would take it for a name.
const LONGEST_EXPRESSION: usize = 64;

/// A name with its type.
pub(super) fn value_info(name: &Name, ty: &Type) -> ValueInfoProto {
    ValueInfoProto { name: name.to_string(), r#type: Some(type_proto(ty)) }
}

pub(super) fn type_proto(ty: &Type) -> TypeProto {
    let value = match ty {
        Type::Tensor(tensor) => {
            let dims = tensor
                .shape
                .as_ref()
                .map(|shape| TensorShapeProto { dim: shape.iter().map(dimension).collect() });
            type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: types::number(tensor.dtype),
                shape: dims,
            })
        }
        Type::Sequence(item) => {
            let item = Some(Box::new(type_proto(item)));
            type_proto::Value::SequenceType(Box::new(type_proto::Sequence { elem_type: item }))
        }
        Type::Optional(item) => {
            let item = Some(Box::new(type_proto(item)));
            type_proto::Value::OptionalType(Box::new(type_proto::Optional { elem_type: item }))
        }
        Type::Map(key, item) => {
            let item = Some(Box::new(type_proto(item)));
            type_proto::Value::MapType(Box::new(type_proto::Map {
                key_type: types::number(*key),
                value_type: item,
            }))
        }
    };
    TypeProto { value: Some(value) }
}

/// A number, a name, or an expression that reads back as it is; nothing where there is no such text.
fn dimension(dim: &Dim) -> Dimension {
    if !dim.is_known() {
        return Dimension { value: None };
    }
    if let Some(size) = dim.as_const() {
        return Dimension { value: Some(dimension::Value::DimValue(size)) };
    }
    let text = dim.as_symbol().map_or_else(|| dim.to_string(), |symbol| symbol.name().to_owned());
    let reads_back = match parse_dim(&text) {
        Ok(read) => text.len() <= LONGEST_EXPRESSION && read == *dim,
        Err(_) => dim.as_symbol().is_some(),
    };
    Dimension { value: reads_back.then_some(dimension::Value::DimParam(text)) }
}
