//! NumPy's `.npy` files, versions 1 to 3 (numpy/lib/format.py describes them).

use crate::{DType, Tensor, TensorError};
use std::fmt;

/// Why bytes are not a readable `.npy` file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NpyError {
    /// The magic, the version or the header is not one of a `.npy` file.
    Header(&'static str),
    /// An element type that no [`DType`] stores, such as object arrays.
    Descr(String),
    /// The data does not fill the shape.
    Data(TensorError),
}

impl fmt::Display for NpyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NpyError::Header(what) => write!(f, "not a .npy file: {what}"),
            NpyError::Descr(descr) => write!(f, ".npy element type {descr:?} is not supported"),
            NpyError::Data(error) => write!(f, ".npy data: {error}"),
        }
    }
}

impl std::error::Error for NpyError {}

const MAGIC: &[u8] = b"\x93NUMPY";

const DESCRS: &[(DType, &str)] = &[
    (DType::F64, "<f8"),
    (DType::F32, "<f4"),
    (DType::F16, "<f2"),
    (DType::I64, "<i8"),
    (DType::I32, "<i4"),
    (DType::I16, "<i2"),
    (DType::I8, "|i1"),
    (DType::U64, "<u8"),
    (DType::U32, "<u4"),
    (DType::U16, "<u2"),
    (DType::U8, "|u1"),
    (DType::Bool, "|b1"),
    (DType::C64, "<c8"),
    (DType::C128, "<c16"),
];

/// Reads a `.npy` file. Big-endian and column-major data are converted; nothing in the header is evaluated.
pub fn read_npy(bytes: &[u8]) -> Result<Tensor, NpyError> {
    let header = |what| NpyError::Header(what);
    let rest = bytes.strip_prefix(MAGIC).ok_or(header("the magic is missing"))?;
    let version = *rest.first().ok_or(header("the version is missing"))?;
    let (length_bytes, length) = match (version, rest) {
        (1, [_, _, a, b, ..]) => (2, usize::from(u16::from_le_bytes([*a, *b]))),
        (2 | 3, [_, _, a, b, c, d, ..]) => {
            (4, usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX))
        }
        _ => return Err(header("version 1, 2 or 3 expected")),
    };
    let start = 2 + length_bytes;
    let text = rest
        .get(start..)
        .and_then(|r| r.get(..length))
        .and_then(|t| std::str::from_utf8(t).ok())
        .ok_or(header("the header is truncated or not text"))?;
    let data = &rest[start + length..];

    let descr = field(text, "descr").and_then(quoted).ok_or(header("no `descr`"))?;
    let fortran = match field(text, "fortran_order") {
        Some(v) if v.starts_with("True") => true,
        Some(v) if v.starts_with("False") => false,
        _ => return Err(header("no `fortran_order`")),
    };
    let shape = field(text, "shape")
        .and_then(|v| v.strip_prefix('(')?.split_once(')'))
        .and_then(|(inside, _)| {
            inside
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(|s| s.parse::<usize>().ok())
                .collect()
        })
        .ok_or(header("no `shape`"))
        .map(|shape: Vec<usize>| shape)?;

    let little = descr.replacen(['>', '='], "<", 1);
    let dtype = DESCRS
        .iter()
        .find(|(_, d)| *d == little || d[1..] == little[little.len().min(1)..] && little.starts_with('|'))
        .map(|(dtype, _)| *dtype)
        .ok_or_else(|| NpyError::Descr(descr.to_owned()))?;
    let mut data = data.to_vec();
    if descr.starts_with('>') {
        let width = if dtype.is_complex() { dtype.bits() / 16 } else { dtype.bits() / 8 };
        data.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    if !fortran {
        return Tensor::from_bytes(dtype, &shape, data.into()).map_err(NpyError::Data);
    }
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    let columns = Tensor::from_bytes(dtype, &reversed, data.into()).map_err(NpyError::Data)?;
    let mut strides = vec![1usize; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let row_major = crate::contiguous_strides(&shape);
    Ok(columns.rearranged(&shape, |i| {
        (0..shape.len()).map(|axis| i / row_major[axis] % shape[axis] * strides[axis]).sum()
    }))
}

fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'")).or_else(|| header.find(&format!("\"{key}\"")))?;
    Some(header[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    value[1..].split_once(quote).map(|(inside, _)| inside)
}

/// Writes `tensor` as a version 1 `.npy` file. bf16 and the 8-bit floats widen to f32, sub-byte integers to 8 bits; strings are an error.
pub fn write_npy(tensor: &Tensor) -> Result<Vec<u8>, NpyError> {
    let known = |dtype| DESCRS.iter().find(|(d, _)| *d == dtype).map(|(_, descr)| *descr);
    let dtype = tensor.dtype();
    let wide = match dtype {
        _ if known(dtype).is_some() => dtype,
        DType::I4 | DType::I2 => DType::I8,
        DType::U4 | DType::U2 => DType::U8,
        _ if dtype.is_float() => DType::F32,
        _ => return Err(NpyError::Descr(dtype.to_string())),
    };
    let widened = crate::cast(tensor, wide).ok_or_else(|| NpyError::Descr(dtype.to_string()))?;
    let descr = known(wide).ok_or_else(|| NpyError::Descr(wide.to_string()))?;
    let sizes: String = tensor.shape().iter().map(|s| format!("{s}, ")).collect();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| NpyError::Header("the shape has too many axes"))?;
    let mut out = Vec::with_capacity(MAGIC.len() + 4 + header.len() + widened.bytes().len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(widened.bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let t = Tensor::from_vec(vec![1i64, -2, 3, 4, 5, 6], &[2, 3]);
        let bytes = write_npy(&t).expect("i64 is written");
        assert_eq!(read_npy(&bytes), Ok(t.clone()));
        assert_eq!(bytes.len() % 64, 48);
        let text = |from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("is there");
            let mut changed = bytes.clone();
            changed[at..at + to.len()].copy_from_slice(to.as_bytes());
            read_npy(&changed)
        };
        assert_eq!(
            text("False", "True "),
            Ok(Tensor::from_vec(vec![1i64, 3, 5, -2, 4, 6], &[2, 3])),
            "column-major data"
        );
        assert_eq!(text("<i8", "|O "), Err(NpyError::Descr("|O ".into())));
        assert!(matches!(text("(2, 3,)", "(2, 4,)"), Err(NpyError::Data(_))));
        assert!(read_npy(b"PK").is_err() && read_npy(&bytes[..9]).is_err());
    }
}
