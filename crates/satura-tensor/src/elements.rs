//! Elements widened to one Rust type per kind: how the reference evaluator computes, and the one definition of a cast.

use crate::small_float::SmallFloat;
use crate::{DType, Tensor};
use half::{bf16, f16};

/// The elements of a tensor, row-major, in the widest type of their kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Real floating point of any width; every value is exact.
    Float(Vec<f64>),
    /// Integers of any width; every value is exact.
    Int(Vec<i128>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Complex of either width: real, imaginary.
    Complex(Vec<[f64; 2]>),
    /// Strings, each any bytes.
    String(Vec<Box<[u8]>>),
}

impl Elements {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Elements::Float(v) => v.len(),
            Elements::Int(v) => v.len(),
            Elements::Bool(v) => v.len(),
            Elements::Complex(v) => v.len(),
            Elements::String(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn small_float(dtype: DType) -> Option<SmallFloat> {
    SmallFloat::of(dtype)
}

/// Unpacks sub-byte codes, first element in the low bits.
fn codes(tensor: &Tensor) -> Vec<u8> {
    let bits = tensor.dtype().bits();
    let per_byte = 8 / bits;
    let mask = ((1u16 << bits) - 1) as u8;
    (0..tensor.elements()).map(|i| (tensor.bytes()[i / per_byte] >> (i % per_byte * bits)) & mask).collect()
}

fn pack(codes: impl ExactSizeIterator<Item = u8>, bits: usize) -> Vec<u8> {
    let per_byte = 8 / bits;
    let mask = ((1u16 << bits) - 1) as u8;
    let mut out = vec![0u8; codes.len().div_ceil(per_byte)];
    for (i, code) in codes.enumerate() {
        out[i / per_byte] |= (code & mask) << (i % per_byte * bits);
    }
    out
}

impl Tensor {
    /// The elements, widened. Copies.
    pub fn to_elements(&self) -> Elements {
        macro_rules! widen {
            ($t:ty, $kind:ident, $to:ty) => {
                Elements::$kind(
                    bytemuck::pod_collect_to_vec::<u8, $t>(self.bytes())
                        .into_iter()
                        .map(<$to>::from)
                        .collect(),
                )
            };
        }
        match self.dtype() {
            DType::F64 => widen!(f64, Float, f64),
            DType::F32 => widen!(f32, Float, f64),
            DType::F16 => widen!(f16, Float, f64),
            DType::BF16 => widen!(bf16, Float, f64),
            DType::I64 => widen!(i64, Int, i128),
            DType::I32 => widen!(i32, Int, i128),
            DType::I16 => widen!(i16, Int, i128),
            DType::I8 => widen!(i8, Int, i128),
            DType::U64 => widen!(u64, Int, i128),
            DType::U32 => widen!(u32, Int, i128),
            DType::U16 => widen!(u16, Int, i128),
            DType::U8 => widen!(u8, Int, i128),
            DType::Bool => Elements::Bool(self.bytes().iter().map(|b| *b != 0).collect()),
            DType::U4 | DType::U2 => Elements::Int(codes(self).into_iter().map(i128::from).collect()),
            DType::I4 | DType::I2 => {
                let bits = self.dtype().bits();
                let sign = |c: u8| i128::from(c) - if c >> (bits - 1) != 0 { 1 << bits } else { 0 };
                Elements::Int(codes(self).into_iter().map(sign).collect())
            }
            DType::F8E4M3FN
            | DType::F8E4M3FNUZ
            | DType::F8E5M2
            | DType::F8E5M2FNUZ
            | DType::F8E8M0
            | DType::F4E2M1 => {
                let format = small_float(self.dtype()).expect("the arm lists the small floats");
                Elements::Float(codes(self).into_iter().map(|c| format.decode(c)).collect())
            }
            DType::C64 => Elements::Complex(
                bytemuck::pod_collect_to_vec::<u8, [f32; 2]>(self.bytes())
                    .into_iter()
                    .map(|[re, im]| [f64::from(re), f64::from(im)])
                    .collect(),
            ),
            DType::C128 => Elements::Complex(bytemuck::pod_collect_to_vec(self.bytes())),
            DType::String => Elements::String(self.strings().unwrap_or(&[]).to_vec()),
        }
    }

    /// A tensor of `dtype` from widened elements of its own kind. Floats round to nearest even and overflow to infinity where
    /// the format has one (the 8-bit formats without one give NaN, f4 saturates); integers wrap.
    ///
    /// # Panics
    /// If the kind is not `dtype`'s (use [`cast`] to change kinds) or the product of `shape` is not the number of elements.
    #[track_caller]
    pub fn from_elements(dtype: DType, shape: &[usize], elements: Elements) -> Tensor {
        let count = elements.len();
        assert_eq!(count, shape.iter().product::<usize>(), "elements do not fill shape {shape:?}");
        let of = |t: Tensor| if t.dtype() == dtype { t } else { t.reinterpreted(dtype).expect("same width") };
        match (elements, dtype) {
            (Elements::Float(v), DType::F64) => Tensor::from_vec(v, shape),
            (Elements::Float(v), DType::F32) => {
                Tensor::from_vec(v.iter().map(|x| *x as f32).collect(), shape)
            }
            (Elements::Float(v), DType::F16) => {
                Tensor::from_vec(v.iter().map(|x| f16::from_f64(*x)).collect(), shape)
            }
            (Elements::Float(v), DType::BF16) => {
                Tensor::from_vec(v.iter().map(|x| bf16::from_f64(*x)).collect(), shape)
            }
            (Elements::Float(v), small) if dtype.is_float() => {
                let format = small_float(small).expect("every other float is a small one");
                let bytes = pack(v.iter().map(|x| format.encode(*x)), dtype.bits());
                Tensor::from_bytes(dtype, shape, bytes.into()).expect("packed to the length of the shape")
            }
            (Elements::Int(v), DType::I64 | DType::U64) => {
                of(Tensor::from_vec(v.iter().map(|x| *x as i64).collect::<Vec<_>>(), shape))
            }
            (Elements::Int(v), DType::I32 | DType::U32) => {
                of(Tensor::from_vec(v.iter().map(|x| *x as i32).collect::<Vec<_>>(), shape))
            }
            (Elements::Int(v), DType::I16 | DType::U16) => {
                of(Tensor::from_vec(v.iter().map(|x| *x as i16).collect::<Vec<_>>(), shape))
            }
            (Elements::Int(v), DType::I8 | DType::U8) => {
                of(Tensor::from_vec(v.iter().map(|x| *x as i8).collect::<Vec<_>>(), shape))
            }
            (Elements::Int(v), _) if dtype.is_int() => {
                let bytes = pack(v.iter().map(|x| *x as u8), dtype.bits());
                Tensor::from_bytes(dtype, shape, bytes.into()).expect("packed to the length of the shape")
            }
            (Elements::Bool(v), DType::Bool) => Tensor::from_bools(&v, shape),
            (Elements::Complex(v), DType::C64) => {
                let bytes: Vec<u8> = v.iter().flatten().flat_map(|x| (*x as f32).to_le_bytes()).collect();
                Tensor::from_bytes(dtype, shape, bytes.into()).expect("two f32 an element")
            }
            (Elements::Complex(v), DType::C128) => {
                let bytes: Vec<u8> = v.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
                Tensor::from_bytes(dtype, shape, bytes.into()).expect("two f64 an element")
            }
            (Elements::String(v), DType::String) => Tensor::from_strings(v, shape),
            (elements, dtype) => panic!("elements {elements:.0?} are not of the kind of {dtype}"),
        }
    }
}

/// Converts element by element, the one definition of a cast:
/// - float to float rounds to nearest even; to an integer truncates towards zero, values out of range and NaN saturate (NaN gives 0);
/// - integer to integer wraps; integer to float rounds to nearest even;
/// - anything to bool is `!= 0` (NaN is true); bool to a number is 0 or 1;
/// - complex to real drops the imaginary part; real to complex has imaginary part 0;
/// - a string to a number parses it (unparsable text gives `None`); a number to a string prints it.
pub fn cast(tensor: &Tensor, dtype: DType) -> Option<Tensor> {
    use Elements::{Bool, Complex, Float, Int, String};
    if tensor.dtype() == dtype {
        return Some(tensor.clone());
    }
    let elements = tensor.to_elements();
    let from_float = |v: Vec<f64>| -> Elements {
        if dtype == DType::Bool {
            Bool(v.iter().map(|x| *x != 0.0).collect())
        } else if let Some((least, greatest)) = dtype.int_range() {
            Int(v.iter().map(|x| (*x as i128).clamp(least, greatest)).collect())
        } else if dtype.is_complex() {
            Complex(v.iter().map(|x| [*x, 0.0]).collect())
        } else if dtype == DType::String {
            String(v.iter().map(|x| print_float(*x, tensor.dtype()).into_bytes().into()).collect())
        } else {
            Float(v)
        }
    };
    let from_int = |v: Vec<i128>| -> Elements {
        if dtype == DType::Bool {
            Bool(v.iter().map(|x| *x != 0).collect())
        } else if dtype.is_int() {
            Int(v)
        } else if dtype.is_complex() {
            Complex(v.iter().map(|x| [*x as f64, 0.0]).collect())
        } else if dtype == DType::String {
            String(v.iter().map(|x| x.to_string().into_bytes().into()).collect())
        } else {
            Float(
                v.iter()
                    .map(|x| if dtype == DType::F32 { f64::from(*x as f32) } else { *x as f64 })
                    .collect(),
            )
        }
    };
    let converted = match elements {
        Float(v) => from_float(v),
        Int(v) => from_int(v),
        Bool(v) if dtype == DType::String => {
            String(v.iter().map(|b| if *b { &b"True"[..] } else { b"False" }.into()).collect())
        }
        Bool(v) => from_int(v.iter().map(|b| i128::from(*b)).collect()),
        Complex(v) if dtype.is_complex() => Complex(v),
        Complex(v) => from_float(v.iter().map(|[re, _]| *re).collect()),
        String(v) => {
            let text = |s: &[u8]| std::str::from_utf8(s).ok().map(|s| s.trim().to_owned());
            if dtype.is_int() {
                Int(v.iter().map(|s| text(s)?.parse().ok()).collect::<Option<_>>()?)
            } else {
                from_float(v.iter().map(|s| text(s)?.parse::<f64>().ok()).collect::<Option<_>>()?)
            }
        }
    };
    Some(Tensor::from_elements(dtype, tensor.shape(), converted))
}

/// The shortest text that reads back as the same value of the dtype it came from.
fn print_float(value: f64, dtype: DType) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "INF" } else { "-INF" }.to_owned()
    } else if dtype == DType::F64 {
        value.to_string()
    } else {
        (value as f32).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts() {
        let f = Tensor::from_vec(vec![1.9f32, -1.9, 300.0, f32::NAN], &[4]);
        assert_eq!(cast(&f, DType::U8).expect("numeric").to_elements(), Elements::Int(vec![1, 0, 255, 0]));
        let i = Tensor::from_vec(vec![-1i64, 257], &[2]);
        assert_eq!(cast(&i, DType::U8).expect("numeric").to_elements(), Elements::Int(vec![255, 1]));
        let packed = cast(&Tensor::from_vec(vec![-8i32, 7, 1], &[3]), DType::I4).expect("numeric");
        assert_eq!(packed.bytes(), &[0x78, 0x01]);
        assert_eq!(packed.to_elements(), Elements::Int(vec![-8, 7, 1]));
    }
}
