//! Constant tensors of the format: from raw bytes without copying, from typed lists, from external files.

use crate::external::ExternalFiles;
use crate::proto::{SparseTensorProto, TensorProto};
use crate::types;
use satura_import::{Code, Diagnostic, Limits};
use satura_tensor::{Bytes, DType, Elements, Tensor, TensorError};
use std::sync::Arc;

/// What decoding a tensor needs to know.
pub(crate) struct TensorReader {
    /// Bounds.
    pub(crate) limits: Limits,
    /// Opens external data.
    pub(crate) files: ExternalFiles,
}

fn fail(code: Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message)
}

/// Sizes of a constant: none negative, their product within the limit.
fn sizes(dims: &[i64], limits: &Limits) -> Result<(Vec<usize>, usize), Diagnostic> {
    let negative = |d: &i64| fail(Code::TensorShape, format!("extent {d} is negative"));
    let sizes =
        dims.iter().map(|d| usize::try_from(*d).map_err(|_| negative(d))).collect::<Result<Vec<_>, _>>()?;
    // A zero anywhere makes the product zero; the others must still multiply without overflow.
    let product = sizes.iter().filter(|s| **s > 0).try_fold(1usize, |p, s| p.checked_mul(*s));
    let within = product.filter(|p| u64::try_from(*p).is_ok_and(|p| p <= limits.elements));
    let Some(product) = within else {
        let message =
            format!("a tensor of shape {dims:?} has more elements than the limit of {}", limits.elements);
        return Err(fail(Code::TensorShape, message));
    };
    let elements = if sizes.contains(&0) { 0 } else { product };
    Ok((sizes, elements))
}

impl TensorReader {
    /// The tensor that `proto` describes.
    pub(crate) fn dense(&mut self, proto: &TensorProto) -> Result<Tensor, Diagnostic> {
        let named = |d: Diagnostic| if proto.name.is_empty() { d } else { d.at_value(&proto.name) };
        self.dense_unnamed(proto).map_err(named)
    }

    fn dense_unnamed(&mut self, proto: &TensorProto) -> Result<Tensor, Diagnostic> {
        let dtype = types::dtype(i64::from(proto.data_type))?;
        let (shape, elements) = sizes(&proto.dims, &self.limits)?;
        let typed = typed_fields(proto);
        match proto.data_location {
            0 => {
                if !proto.external_data.is_empty() {
                    return Err(fail(
                        Code::TensorData,
                        "external data is named, but the data is said to be in the model",
                    ));
                }
            }
            1 => {
                if proto.raw_data.is_some() || !typed.is_empty() {
                    return Err(fail(
                        Code::TensorData,
                        "data is given both in the model and in an external file",
                    ));
                }
                if dtype == DType::String {
                    return Err(fail(Code::TensorData, "strings cannot be external data"));
                }
                let length = byte_len(dtype, elements)?;
                let bytes = self.files.read(&proto.external_data, length)?;
                return from_raw(dtype, &shape, elements, bytes);
            }
            other => return Err(fail(Code::TensorData, format!("data location {other} does not exist"))),
        }
        match (&proto.raw_data, &typed[..]) {
            (Some(_), [field, ..]) => {
                Err(fail(Code::TensorData, format!("data is given both in raw_data and in {field}")))
            }
            (None, [a, b, ..]) => {
                Err(fail(Code::TensorData, format!("data is given both in {a} and in {b}")))
            }
            (Some(_), []) if dtype == DType::String => {
                Err(fail(Code::TensorData, "strings cannot be in raw_data"))
            }
            (Some(raw), []) => {
                let length = byte_len(dtype, elements)?;
                if raw.len() != length {
                    return Err(wrong_length(format!(
                        "{dtype}{shape:?} needs {length} bytes, raw_data has {}",
                        raw.len()
                    )));
                }
                from_raw(dtype, &shape, elements, Bytes::new(Arc::new(raw.clone())))
            }
            (None, []) if elements > 0 => Err(wrong_length(format!(
                "a tensor of shape {shape:?} needs {elements} elements, there is no data"
            ))),
            (None, _) => {
                let expected = typed_field_of(dtype);
                if let Some(field) = typed.first().filter(|field| **field != expected) {
                    return Err(fail(
                        Code::TensorData,
                        format!("{dtype} data is in {field}, it must be in {expected} or raw_data"),
                    ));
                }
                from_typed(proto, dtype, &shape, elements)
            }
        }
    }

    /// A sparse tensor, filled up with zeros.
    pub(crate) fn sparse(&mut self, proto: &SparseTensorProto) -> Result<Tensor, Diagnostic> {
        let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
            return Err(fail(Code::TensorData, "a sparse tensor needs values and indices"));
        };
        let name = &values.name;
        let named = |d: Diagnostic| if name.is_empty() { d } else { d.at_value(name) };
        let (shape, elements) = sizes(&proto.dims, &self.limits).map_err(named)?;
        let values_tensor = self.dense(values)?;
        let indices_tensor = self.dense(indices)?;
        let count = values_tensor.elements();
        let wrong = |message: &str| named(fail(Code::TensorData, message.to_owned()));
        if values_tensor.rank() != 1 || values_tensor.dtype() == DType::String {
            return Err(wrong("the values of a sparse tensor must be a vector of numbers"));
        }
        if count > elements {
            return Err(wrong("a sparse tensor has more values than elements"));
        }
        let Elements::Int(numbers) = indices_tensor.to_elements() else {
            return Err(wrong("the indices of a sparse tensor must be integers"));
        };
        let number = |n: i128, size: usize| usize::try_from(n).ok().filter(|n| *n < size);
        let positions: Option<Vec<usize>> = match indices_tensor.shape() {
            [n] if *n == count => numbers.iter().map(|n| number(*n, elements)).collect(),
            [n, rank] if *n == count && *rank == shape.len() => {
                let row = |row: &[i128]| {
                    row.iter().zip(&shape).try_fold(0, |at, (n, size)| Some(at * size + number(*n, *size)?))
                };
                numbers.chunks(shape.len().max(1)).map(row).collect()
            }
            _ => return Err(wrong("the indices of a sparse tensor do not fit its values")),
        };
        let positions = positions.ok_or_else(|| wrong("an index of a sparse tensor is out of range"))?;
        if positions.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(wrong("the indices of a sparse tensor must be sorted, each once"));
        }
        let dtype = values_tensor.dtype();
        let dense = match values_tensor.to_elements() {
            Elements::Float(v) => Elements::Float(spread(&v, &positions, elements, 0.0)),
            Elements::Int(v) => Elements::Int(spread(&v, &positions, elements, 0)),
            Elements::Bool(v) => Elements::Bool(spread(&v, &positions, elements, false)),
            Elements::Complex(v) => Elements::Complex(spread(&v, &positions, elements, [0.0; 2])),
            Elements::String(_) => return Err(wrong("the values of a sparse tensor must be numbers")),
        };
        Ok(Tensor::from_elements(dtype, &shape, dense))
    }
}

fn spread<T: Copy>(values: &[T], positions: &[usize], elements: usize, zero: T) -> Vec<T> {
    let mut out = vec![zero; elements];
    positions.iter().zip(values).for_each(|(at, value)| out[*at] = *value);
    out
}

fn byte_len(dtype: DType, elements: usize) -> Result<usize, Diagnostic> {
    dtype
        .byte_len(elements)
        .ok_or_else(|| fail(Code::TensorShape, format!("{elements} elements of {dtype} are too many")))
}

fn wrong_length(message: String) -> Diagnostic {
    fail(Code::TensorLength, message)
        .help("the file is damaged, or was written wrongly: export or download it again")
}

fn tensor_error(error: TensorError) -> Diagnostic {
    match error {
        TensorError::TooLarge { .. } => fail(Code::TensorShape, error.to_string()),
        _ => wrong_length(error.to_string()),
    }
}

/// A tensor over bytes as they lie in the file. Bools other than 0 become 1, and unused bits at the end of packed elements become 0; then alone the
/// bytes are copied.
fn from_raw(dtype: DType, shape: &[usize], elements: usize, bytes: Bytes) -> Result<Tensor, Diagnostic> {
    let bits = dtype.bits();
    let unused = if bits < 8 { bytes.len() * 8 - elements * bits } else { 0 };
    let bytes = if dtype == DType::Bool && bytes.iter().any(|b| *b > 1) {
        bytes.iter().map(|b| u8::from(*b != 0)).collect::<Vec<u8>>().into()
    } else if unused > 0 && bytes.last().is_some_and(|last| last >> (8 - unused) != 0) {
        let mut copy = bytes.to_vec();
        if let Some(last) = copy.last_mut() {
            *last &= 0xff >> unused;
        }
        copy.into()
    } else {
        bytes
    };
    Tensor::from_bytes(dtype, shape, bytes).map_err(tensor_error)
}

fn typed_fields(proto: &TensorProto) -> Vec<&'static str> {
    let present = [
        (!proto.float_data.is_empty(), "float_data"),
        (!proto.int32_data.is_empty(), "int32_data"),
        (!proto.string_data.is_empty(), "string_data"),
        (!proto.int64_data.is_empty(), "int64_data"),
        (!proto.double_data.is_empty(), "double_data"),
        (!proto.uint64_data.is_empty(), "uint64_data"),
    ];
    present.into_iter().filter(|(present, _)| *present).map(|(_, name)| name).collect()
}

fn typed_field_of(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 | DType::C64 => "float_data",
        DType::F64 | DType::C128 => "double_data",
        DType::I64 => "int64_data",
        DType::U64 | DType::U32 => "uint64_data",
        DType::String => "string_data",
        DType::F16
        | DType::BF16
        | DType::F8E4M3FN
        | DType::F8E4M3FNUZ
        | DType::F8E5M2
        | DType::F8E5M2FNUZ
        | DType::F8E8M0
        | DType::F4E2M1
        | DType::I32
        | DType::I16
        | DType::I8
        | DType::I4
        | DType::I2
        | DType::U16
        | DType::U8
        | DType::U4
        | DType::U2
        | DType::Bool => "int32_data",
    }
}

/// A tensor from the typed field of its dtype.
fn from_typed(
    proto: &TensorProto,
    dtype: DType,
    shape: &[usize],
    elements: usize,
) -> Result<Tensor, Diagnostic> {
    let field = typed_field_of(dtype);
    // Complex numbers are two entries each; elements below a byte are packed, one byte an entry.
    let entries = match dtype {
        DType::C64 | DType::C128 => elements.saturating_mul(2),
        _ if dtype.bits() > 0 && dtype.bits() < 8 => byte_len(dtype, elements)?,
        _ => elements,
    };
    let check = |given: usize| {
        if given == entries {
            Ok(())
        } else {
            Err(wrong_length(format!("{dtype}{shape:?} needs {entries} entries, {field} has {given}")))
        }
    };
    let range =
        |value: String| fail(Code::TensorData, format!("{value} in {field} is out of the range of {dtype}"));
    match field {
        "float_data" => {
            check(proto.float_data.len())?;
            let bytes: Vec<u8> = proto.float_data.iter().flat_map(|x| x.to_le_bytes()).collect();
            from_raw(dtype, shape, elements, bytes.into())
        }
        "double_data" => {
            check(proto.double_data.len())?;
            let bytes: Vec<u8> = proto.double_data.iter().flat_map(|x| x.to_le_bytes()).collect();
            from_raw(dtype, shape, elements, bytes.into())
        }
        "int64_data" => {
            check(proto.int64_data.len())?;
            Ok(Tensor::from_vec(proto.int64_data.clone(), shape))
        }
        "uint64_data" => {
            check(proto.uint64_data.len())?;
            if dtype == DType::U64 {
                return Ok(Tensor::from_vec(proto.uint64_data.clone(), shape));
            }
            let narrow = |x: &u64| u32::try_from(*x).map_err(|_| range(x.to_string()));
            Ok(Tensor::from_vec(proto.uint64_data.iter().map(narrow).collect::<Result<_, _>>()?, shape))
        }
        "string_data" => {
            check(proto.string_data.len())?;
            Ok(Tensor::from_strings(proto.string_data.iter().map(|s| s.to_vec().into()).collect(), shape))
        }
        _ => {
            check(proto.int32_data.len())?;
            let (least, greatest) = match dtype.int_range() {
                Some(range) if dtype.bits() >= 8 => range,
                // Bit patterns.
                _ if dtype.bits() == 16 => (0, 0xffff),
                _ => (0, 0xff),
            };
            let width = dtype.bits().div_ceil(8);
            let mut bytes = Vec::with_capacity(proto.int32_data.len() * width);
            for value in &proto.int32_data {
                if !(least..=greatest).contains(&i128::from(*value)) {
                    return Err(range(value.to_string()));
                }
                bytes.extend_from_slice(&value.to_le_bytes()[..width]);
            }
            from_raw(dtype, shape, elements, bytes.into())
        }
    }
}
