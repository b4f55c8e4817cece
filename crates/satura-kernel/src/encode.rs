//! Tensors as device memory and back: the one place that says which dtype has which storage.
//!
//! Only two kinds of elements change on the way. 64-bit integers become 32-bit words, never silently: a value out of range is an error. Elements of fewer than 8 bits become bytes.
//! All else is a copy of the tensor's bytes, because the packed kinds lie as tensors do.

use crate::{DeviceProfile, Storage};
use satura_tensor::{Bytes, DType, Tensor, TensorError};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Device memory is a multiple of this, in bytes, so that any word or vector of a tensor's end can be read.
const GRANULE: usize = 16;

/// Why a tensor has no form in device memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An integer does not fit 32 bits: its value, and its position in row-major order.
    Range {
        /// The value.
        value: i128,
        /// The position.
        position: usize,
    },
    /// No tensor of that dtype lies in that storage.
    Kind(DType, Storage),
    /// The memory is shorter than the tensor.
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The memory is not a tensor.
    Tensor(TensorError),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Range { value, position } => {
                write!(
                    f,
                    "element {position} is {value}, which does not fit the 32 bits that devices compute with"
                )
            }
            EncodeError::Kind(dtype, storage) => write!(f, "a tensor of {dtype} has no form as {storage:?}"),
            EncodeError::Length { expected, actual } => {
                write!(f, "the tensor needs {expected} bytes, there are {actual}")
            }
            EncodeError::Tensor(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The storage of a dtype on a device; `None` for what stays on the host: 64-bit floats, strings and complex numbers. Floats of 8 bits and fewer lie as their codes.
pub fn storage_for(dtype: DType, profile: &DeviceProfile) -> Option<Storage> {
    match dtype {
        DType::F32 => Some(Storage::F32),
        DType::F16 if profile.f16 => Some(Storage::F16),
        DType::F16 => Some(Storage::F16x2),
        DType::BF16 => Some(Storage::BF16x2),
        DType::I64 | DType::I32 => Some(Storage::I32),
        DType::U64 | DType::U32 => Some(Storage::U32),
        DType::I16 => Some(Storage::I16x2),
        DType::U16 => Some(Storage::U16x2),
        DType::I8 | DType::I4 | DType::I2 => Some(Storage::I8x4),
        DType::U8
        | DType::U4
        | DType::U2
        | DType::F8E4M3FN
        | DType::F8E4M3FNUZ
        | DType::F8E5M2
        | DType::F8E5M2FNUZ
        | DType::F8E8M0
        | DType::F4E2M1 => Some(Storage::U8x4),
        DType::Bool => Some(Storage::Bool8x4),
        DType::F64 | DType::C64 | DType::C128 | DType::String => None,
    }
}

/// How a tensor's bytes become device memory.
enum Form {
    /// As they are.
    Same,
    /// 64-bit integers, checked into 32 bits.
    Narrow,
    /// Several elements a byte, into a byte each.
    Unpack,
}

/// `None` if tensors of `dtype` do not lie in `storage`. Dtypes without a storage of their own, except strings, may pass through `U32` as raw bytes, for steps on the host.
fn form(dtype: DType, storage: Storage) -> Option<Form> {
    match (dtype, storage) {
        (DType::F32, Storage::F32)
        | (DType::F16, Storage::F16 | Storage::F16x2)
        | (DType::BF16, Storage::BF16x2)
        | (DType::I32, Storage::I32)
        | (DType::U32, Storage::U32)
        | (DType::I16, Storage::I16x2)
        | (DType::U16, Storage::U16x2)
        | (DType::I8, Storage::I8x4)
        | (
            DType::U8
            | DType::F8E4M3FN
            | DType::F8E4M3FNUZ
            | DType::F8E5M2
            | DType::F8E5M2FNUZ
            | DType::F8E8M0,
            Storage::U8x4,
        )
        | (DType::Bool, Storage::Bool8x4) => Some(Form::Same),
        (DType::I4 | DType::I2, Storage::I8x4) | (DType::U4 | DType::U2 | DType::F4E2M1, Storage::U8x4) => {
            Some(Form::Unpack)
        }
        (DType::I64, Storage::I32) | (DType::U64, Storage::U32) => Some(Form::Narrow),
        (dtype, Storage::U32)
            if dtype != DType::String && storage_for(dtype, &DeviceProfile::web()).is_none() =>
        {
            Some(Form::Same)
        }
        _ => None,
    }
}

/// A tensor as device memory, padded with zeros to a multiple of 16 bytes, at least 16. Borrows where nothing changes.
///
/// # Errors
/// If an integer does not fit 32 bits, or the dtype does not lie in that storage.
pub fn encode(tensor: &Tensor, storage: Storage) -> Result<Cow<'_, [u8]>, EncodeError> {
    let dtype = tensor.dtype();
    let bytes: Cow<'_, [u8]> = match form(dtype, storage).ok_or(EncodeError::Kind(dtype, storage))? {
        Form::Same => Cow::Borrowed(tensor.bytes()),
        Form::Narrow => Cow::Owned(narrowed(tensor)?),
        Form::Unpack => Cow::Owned(unpacked(tensor)),
    };
    let padded = bytes.len().next_multiple_of(GRANULE).max(GRANULE);
    if padded == bytes.len() {
        return Ok(bytes);
    }
    let mut bytes = bytes.into_owned();
    bytes.resize(padded, 0);
    Ok(Cow::Owned(bytes))
}

fn narrowed(tensor: &Tensor) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(tensor.elements() * 4 + GRANULE);
    let words = tensor.bytes().as_chunks::<8>().0;
    for (position, word) in words.iter().enumerate() {
        let narrow = if tensor.dtype() == DType::I64 {
            let value = i64::from_le_bytes(*word);
            i32::try_from(value)
                .map(i32::cast_unsigned)
                .map_err(|_| EncodeError::Range { value: value.into(), position })
        } else {
            let value = u64::from_le_bytes(*word);
            u32::try_from(value).map_err(|_| EncodeError::Range { value: value.into(), position })
        };
        out.extend_from_slice(&narrow?.to_le_bytes());
    }
    Ok(out)
}

/// A byte for each element: signed integers by their value, all else by its code. The first element lies in the lowest bits.
fn unpacked(tensor: &Tensor) -> Vec<u8> {
    let (dtype, bits) = (tensor.dtype(), tensor.dtype().bits());
    let per_byte = 8 / bits;
    let unused = 8 - bits;
    let byte = |i: usize| {
        let high = tensor.bytes()[i / per_byte] << (unused - i % per_byte * bits);
        if dtype.is_signed_int() { (high.cast_signed() >> unused).cast_unsigned() } else { high >> unused }
    };
    (0..tensor.elements()).map(byte).collect()
}

/// The elements of `bits` bits that lie in a byte each.
fn packed(bytes: &[u8], bits: usize) -> Vec<u8> {
    let mask = (1u8 << bits) - 1;
    let byte = |codes: &[u8]| {
        codes.iter().enumerate().fold(0u8, |byte, (i, code)| byte | ((code & mask) << (i * bits)))
    };
    bytes.chunks(8 / bits).map(byte).collect()
}

/// Device memory as a tensor. Bytes beyond the tensor are passed over.
///
/// # Errors
/// If the memory is too short, or the dtype does not lie in that storage.
pub fn decode(bytes: &[u8], dtype: DType, shape: &[usize], storage: Storage) -> Result<Tensor, EncodeError> {
    let form = form(dtype, storage).ok_or(EncodeError::Kind(dtype, storage))?;
    let too_large = || EncodeError::Tensor(TensorError::TooLarge { shape: shape.to_vec() });
    let elements = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).ok_or_else(too_large)?;
    let needed = match form {
        Form::Same => dtype.byte_len(elements),
        Form::Narrow => elements.checked_mul(4),
        Form::Unpack => Some(elements),
    };
    let expected = needed.ok_or_else(too_large)?;
    let bytes = bytes.get(..expected).ok_or(EncodeError::Length { expected, actual: bytes.len() })?;
    let owned = match form {
        Form::Same => bytes.to_vec(),
        Form::Unpack => packed(bytes, dtype.bits()),
        Form::Narrow => {
            let mut out = Vec::with_capacity(elements * 8);
            for word in bytes.as_chunks::<4>().0 {
                let wide = if dtype == DType::I64 {
                    i64::from(i32::from_le_bytes(*word)).cast_unsigned()
                } else {
                    u32::from_le_bytes(*word).into()
                };
                out.extend_from_slice(&wide.to_le_bytes());
            }
            out
        }
    };
    Tensor::from_bytes(dtype, shape, Bytes::new(Arc::new(owned))).map_err(EncodeError::Tensor)
}
