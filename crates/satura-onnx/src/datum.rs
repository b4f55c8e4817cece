//! Values that lie in a file by themselves, as test data is kept: tensors, sequences, optionals and maps.

use crate::external::ExternalFiles;
use crate::model::decode_error;
use crate::options::Options;
use crate::proto::{MapProto, OptionalProto, SequenceProto, TensorProto};
use crate::scan::{self, Root};
use crate::tensor::TensorReader;
use crate::types;
use bytes::Bytes;
use prost::Message;
use satura_import::{Code, Diagnostic, ImportError, Limits};
use satura_ir::{Datum, Type};
use satura_tensor::{DType, Tensor};

/// Reads a lone tensor: a serialised `TensorProto` whose data is in the message.
pub fn read_tensor_proto(bytes: Vec<u8>) -> Result<Tensor, ImportError> {
    let (mut tensors, bytes) = open(bytes, Root::Tensor)?;
    Ok(tensors.dense(&decode::<TensorProto>(bytes)?)?)
}

/// Reads a lone value of that type: a serialised `TensorProto`, `SequenceProto`, `OptionalProto` or `MapProto` whose data is in the message. The message itself does not say
/// which of them it is. An optional may also be kept as the value that it holds.
pub fn read_datum(bytes: Vec<u8>, ty: &Type) -> Result<Datum, ImportError> {
    let root = match ty {
        Type::Tensor(_) => return read_tensor_proto(bytes).map(Datum::Tensor),
        Type::Sequence(_) => Root::Sequence,
        Type::Optional(_) => Root::Optional,
        Type::Map(..) => Root::Map,
    };
    let (mut tensors, bytes) = open(bytes, root)?;
    Ok(match root {
        Root::Sequence => sequence(&mut tensors, &decode::<SequenceProto>(bytes)?)?,
        Root::Optional => optional(&mut tensors, &decode::<OptionalProto>(bytes)?)?,
        Root::Map => map(&mut tensors, &decode::<MapProto>(bytes)?)?,
        Root::Model | Root::Tensor => {
            return Err(Diagnostic::error(Code::Invalid, "a value of another kind is expected").into());
        }
    })
}

fn open(bytes: Vec<u8>, root: Root) -> Result<(TensorReader, Bytes), Diagnostic> {
    let options = Options { limits: Limits::default(), ..Options::default() };
    scan::scan(&bytes, root, &options.limits)?;
    let files = ExternalFiles::new(None, None, &options);
    Ok((TensorReader { limits: options.limits, files }, Bytes::from(bytes)))
}

fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, Diagnostic> {
    M::decode(bytes).map_err(decode_error)
}

/// The kinds of element that the format numbers, for sequences and optionals.
const TENSOR: i32 = 1;
const SPARSE_TENSOR: i32 = 2;
const SEQUENCE: i32 = 3;
const MAP: i32 = 4;
const OPTIONAL: i32 = 5;

fn unknown_kind(kind: i32) -> Diagnostic {
    Diagnostic::error(Code::DType, format!("values of kind {kind} do not exist"))
}

/// Nesting is bounded by the check of the wire format.
fn sequence(tensors: &mut TensorReader, proto: &SequenceProto) -> Result<Datum, Diagnostic> {
    let items: Result<Vec<Datum>, Diagnostic> = match proto.elem_type {
        TENSOR => proto.tensor_values.iter().map(|t| tensors.dense(t).map(Datum::Tensor)).collect(),
        SPARSE_TENSOR => {
            proto.sparse_tensor_values.iter().map(|t| tensors.sparse(t).map(Datum::Tensor)).collect()
        }
        SEQUENCE => proto.sequence_values.iter().map(|s| sequence(tensors, s)).collect(),
        MAP => proto.map_values.iter().map(|m| map(tensors, m)).collect(),
        OPTIONAL => proto.optional_values.iter().map(|o| optional(tensors, o)).collect(),
        // An empty sequence need not say of what.
        0 => Ok(Vec::new()),
        other => Err(unknown_kind(other)),
    };
    Ok(Datum::Sequence(items?))
}

fn optional(tensors: &mut TensorReader, proto: &OptionalProto) -> Result<Datum, Diagnostic> {
    let item = match proto.elem_type {
        0 => None,
        TENSOR => proto.tensor_value.as_ref().map(|t| tensors.dense(t).map(Datum::Tensor)),
        SPARSE_TENSOR => proto.sparse_tensor_value.as_ref().map(|t| tensors.sparse(t).map(Datum::Tensor)),
        SEQUENCE => proto.sequence_value.as_ref().map(|s| sequence(tensors, s)),
        MAP => proto.map_value.as_ref().map(|m| map(tensors, m)),
        OPTIONAL => proto.optional_value.as_ref().map(|o| optional(tensors, o)),
        other => return Err(unknown_kind(other)),
    };
    Ok(Datum::Optional(item.transpose()?.map(Box::new)))
}

fn map(tensors: &mut TensorReader, proto: &MapProto) -> Result<Datum, Diagnostic> {
    let values = match proto.values.as_ref().map(|values| sequence(tensors, values)).transpose()? {
        Some(Datum::Sequence(values)) => values,
        _ => Vec::new(),
    };
    let dtype = types::dtype(i64::from(proto.key_type))?;
    let keys = if dtype == DType::String {
        let keys: Vec<Box<[u8]>> = proto.string_keys.iter().map(|k| k.to_vec().into()).collect();
        let count = keys.len();
        Tensor::from_strings(keys, &[count])
    } else {
        let wide = Tensor::from_vec(proto.keys.clone(), &[proto.keys.len()]);
        satura_tensor::cast(&wide, dtype)
            .filter(|_| dtype.is_int())
            .ok_or_else(|| Diagnostic::error(Code::DType, format!("keys cannot be {dtype}")))?
    };
    if keys.elements() != values.len() {
        let message = format!("{} keys, {} values", keys.elements(), values.len());
        return Err(Diagnostic::error(Code::TensorLength, message));
    }
    Ok(Datum::Map { keys, values })
}
