//! Element types.

use std::fmt;

/// An element type. Storage is little-endian; sub-byte types are packed, first element in the low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DType {
    /// IEEE binary64.
    F64,
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    BF16,
    /// 8-bit float, 4 exponent bits, finite and NaN only (OCP E4M3).
    F8E4M3FN,
    /// 8-bit float, 4 exponent bits, no infinity, no negative zero.
    F8E4M3FNUZ,
    /// 8-bit float, 5 exponent bits (OCP E5M2).
    F8E5M2,
    /// 8-bit float, 5 exponent bits, no infinity, no negative zero.
    F8E5M2FNUZ,
    /// 8-bit power-of-two scale (OCP E8M0).
    F8E8M0,
    /// 4-bit float (OCP E2M1).
    F4E2M1,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed 8-bit integer.
    I8,
    /// Signed 4-bit integer.
    I4,
    /// Signed 2-bit integer.
    I2,
    /// Unsigned 64-bit integer.
    U64,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 4-bit integer.
    U4,
    /// Unsigned 2-bit integer.
    U2,
    /// One byte per element: 0 is false, 1 is true.
    Bool,
    /// Two binary32: real, imaginary.
    C64,
    /// Two binary64: real, imaginary.
    C128,
    /// UTF-8 text, or raw bytes kept as they were read.
    String,
}

/// The one table of element types: value, name in the text form, bits per element.
const TABLE: &[(DType, &str, usize)] = &[
    (DType::F64, "f64", 64),
    (DType::F32, "f32", 32),
    (DType::F16, "f16", 16),
    (DType::BF16, "bf16", 16),
    (DType::F8E4M3FN, "f8e4m3fn", 8),
    (DType::F8E4M3FNUZ, "f8e4m3fnuz", 8),
    (DType::F8E5M2, "f8e5m2", 8),
    (DType::F8E5M2FNUZ, "f8e5m2fnuz", 8),
    (DType::F8E8M0, "f8e8m0", 8),
    (DType::F4E2M1, "f4e2m1", 4),
    (DType::I64, "i64", 64),
    (DType::I32, "i32", 32),
    (DType::I16, "i16", 16),
    (DType::I8, "i8", 8),
    (DType::I4, "i4", 4),
    (DType::I2, "i2", 2),
    (DType::U64, "u64", 64),
    (DType::U32, "u32", 32),
    (DType::U16, "u16", 16),
    (DType::U8, "u8", 8),
    (DType::U4, "u4", 4),
    (DType::U2, "u2", 2),
    (DType::Bool, "bool", 8),
    (DType::C64, "c64", 64),
    (DType::C128, "c128", 128),
    (DType::String, "string", 0),
];

impl DType {
    /// Every element type, in the order of declaration.
    pub fn all() -> impl Iterator<Item = DType> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (DType, &'static str, usize) {
        TABLE.iter().find(|row| row.0 == self).expect("every DType has a row in TABLE")
    }

    /// The name used in the text form, such as `f32`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type of that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<DType> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Bits per element; 0 for strings.
    pub fn bits(self) -> usize {
        self.row().2
    }

    /// Bytes that `elements` packed elements need, or `None` on overflow. 0 for strings.
    pub fn byte_len(self, elements: usize) -> Option<usize> {
        match self.bits() {
            bits if bits >= 8 => elements.checked_mul(bits / 8),
            bits => elements.checked_mul(bits).map(|total| total.div_ceil(8)),
        }
    }

    /// Real floating point of any width.
    pub fn is_float(self) -> bool {
        use DType::*;
        matches!(self, F64 | F32 | F16 | BF16 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F4E2M1)
    }

    /// Signed integer of any width.
    pub fn is_signed_int(self) -> bool {
        use DType::*;
        matches!(self, I64 | I32 | I16 | I8 | I4 | I2)
    }

    /// Unsigned integer of any width; not bool.
    pub fn is_unsigned_int(self) -> bool {
        use DType::*;
        matches!(self, U64 | U32 | U16 | U8 | U4 | U2)
    }

    /// Signed or unsigned integer; not bool.
    pub fn is_int(self) -> bool {
        self.is_signed_int() || self.is_unsigned_int()
    }

    /// Complex of either width.
    pub fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }

    /// The least and greatest value of an integer type (0 and 1 for bool); `None` for others.
    pub fn int_range(self) -> Option<(i128, i128)> {
        if self == DType::Bool {
            return Some((0, 1));
        }
        let bits = self.bits();
        if self.is_signed_int() {
            Some((-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1))
        } else if self.is_unsigned_int() {
            Some((0, (1i128 << bits) - 1))
        } else {
            None
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
