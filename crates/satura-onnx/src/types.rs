//! Element types and value types of the format.

use crate::proto::{TypeProto, tensor_shape_proto::dimension, type_proto};
use satura_import::{Code, Diagnostic, Symbols};
use satura_ir::{LIMIT_ELEMENTS, Type};
use satura_tensor::{DType, Dim, Shape};

/// Element types by their number in the format.
const DTYPES: &[(i32, DType)] = &[
    (1, DType::F32),
    (2, DType::U8),
    (3, DType::I8),
    (4, DType::U16),
    (5, DType::I16),
    (6, DType::I32),
    (7, DType::I64),
    (8, DType::String),
    (9, DType::Bool),
    (10, DType::F16),
    (11, DType::F64),
    (12, DType::U32),
    (13, DType::U64),
    (14, DType::C64),
    (15, DType::C128),
    (16, DType::BF16),
    (17, DType::F8E4M3FN),
    (18, DType::F8E4M3FNUZ),
    (19, DType::F8E5M2),
    (20, DType::F8E5M2FNUZ),
    (21, DType::U4),
    (22, DType::I4),
    (23, DType::F4E2M1),
    (24, DType::F8E8M0),
    (25, DType::U2),
    (26, DType::I2),
];

/// The number of an element type in the format.
pub(crate) fn number(dtype: DType) -> i32 {
    DTYPES.iter().find(|(_, d)| *d == dtype).map(|(number, _)| *number).expect("every element type has a row")
}

/// The element type of that number.
pub(crate) fn dtype(number: i64) -> Result<DType, Diagnostic> {
    DTYPES.iter().find(|(n, _)| i64::from(*n) == number).map(|(_, dtype)| *dtype).ok_or_else(|| {
        Diagnostic::error(Code::DType, format!("element type {number} does not exist"))
            .help("element types are numbers from 1 (float) to 26 (int2)")
    })
}

/// The element type of that name, as operator sets before 6 write it.
pub(crate) fn dtype_named(name: &str) -> Option<DType> {
    Some(match name {
        "FLOAT" => DType::F32,
        "UINT8" => DType::U8,
        "INT8" => DType::I8,
        "UINT16" => DType::U16,
        "INT16" => DType::I16,
        "INT32" => DType::I32,
        "INT64" => DType::I64,
        "STRING" => DType::String,
        "BOOL" => DType::Bool,
        "FLOAT16" => DType::F16,
        "DOUBLE" => DType::F64,
        "UINT32" => DType::U32,
        "UINT64" => DType::U64,
        "COMPLEX64" => DType::C64,
        "COMPLEX128" => DType::C128,
        _ => return None,
    })
}

/// The type that a value is declared with; `None` if the declaration says nothing.
///
/// An extent that is missing, negative or 0 is unknown: exporters write all three for "any". (A tensor of extent 0 can still be given at run time.)
pub(crate) fn declared(
    proto: &TypeProto,
    name: &str,
    symbols: &mut Symbols,
) -> Result<Option<Type>, Diagnostic> {
    let Some(value) = &proto.value else { return Ok(None) };
    Ok(Some(match value {
        type_proto::Value::TensorType(tensor) => {
            let dtype = dtype(i64::from(tensor.elem_type))?;
            let Some(shape) = &tensor.shape else { return Ok(Some(Type::unranked(dtype))) };
            let dims = shape
                .dim
                .iter()
                .enumerate()
                .map(|(axis, dim)| extent(dim.value.as_ref(), name, axis, symbols));
            let shape: Shape = dims.collect();
            check_size(&shape)?;
            Type::tensor(dtype, shape)
        }
        type_proto::Value::SequenceType(sequence) => {
            let Some(inner) = element(sequence.elem_type.as_deref(), name, symbols)? else { return Ok(None) };
            Type::Sequence(Box::new(inner))
        }
        type_proto::Value::OptionalType(optional) => {
            let Some(inner) = element(optional.elem_type.as_deref(), name, symbols)? else { return Ok(None) };
            Type::Optional(Box::new(inner))
        }
        type_proto::Value::MapType(map) => {
            let key = dtype(i64::from(map.key_type))?;
            let Some(inner) = element(map.value_type.as_deref(), name, symbols)? else { return Ok(None) };
            Type::Map(key, Box::new(inner))
        }
        type_proto::Value::SparseTensorType(_) => {
            return Err(Diagnostic::error(
                Code::Unsupported,
                "sparse tensors are supported as constants only",
            ));
        }
    }))
}

fn check_size(shape: &Shape) -> Result<(), Diagnostic> {
    let known = shape.iter().filter_map(Dim::as_const);
    match known.filter(|d| *d > 0).try_fold(1i64, i64::checked_mul).filter(|n| *n <= LIMIT_ELEMENTS) {
        Some(_) => Ok(()),
        None => {
            let message = format!("a tensor of shape {shape} has more than {LIMIT_ELEMENTS} elements");
            Err(Diagnostic::error(Code::ResourceLimit, message))
        }
    }
}

/// Notes the names that a type gives to extents, so that made-up ones keep clear of them.
pub(crate) fn reserve_names(proto: &TypeProto, symbols: &mut Symbols) {
    let shape = match &proto.value {
        Some(type_proto::Value::TensorType(tensor)) => tensor.shape.as_ref(),
        _ => None,
    };
    for dim in shape.iter().flat_map(|s| &s.dim) {
        if let Some(dimension::Value::DimParam(text)) = &dim.value {
            symbols.named(text);
        }
    }
}

fn element(proto: Option<&TypeProto>, name: &str, symbols: &mut Symbols) -> Result<Option<Type>, Diagnostic> {
    match proto {
        Some(proto) => declared(proto, name, symbols),
        None => Ok(None),
    }
}

fn extent(value: Option<&dimension::Value>, name: &str, axis: usize, symbols: &mut Symbols) -> Dim {
    let known = match value {
        Some(dimension::Value::DimValue(size)) if *size > 0 => Some(Dim::from(*size)),
        Some(dimension::Value::DimParam(text)) => symbols.named(text),
        _ => None,
    };
    known.unwrap_or_else(|| symbols.fresh(name, axis))
}
