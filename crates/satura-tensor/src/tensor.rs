//! Constant tensors: a dtype, a shape, and shared bytes that are owned or memory-mapped.

use crate::{DType, contiguous_strides};
use half::{bf16, f16};
use ndarray::{ArrayViewD, IxDyn};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Shared, immutable bytes: a range of something that owns them (a vector, a mapped file).
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// All bytes of `owner`.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let range = 0..(*owner).as_ref().len();
        Bytes { owner, range }
    }

    /// The part `range` of these bytes, or `None` if it reaches beyond them. Nothing is copied.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let start = self.range.start;
        Some(Bytes { owner: self.owner.clone(), range: start + range.start..start + range.end })
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::new(Arc::new(bytes))
    }
}

/// A vector of elements as an owner of bytes: keeps the alignment of the element type.
struct Typed<T>(Vec<T>);

impl<T: Element> AsRef<[u8]> for Typed<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// A Rust type that is the storage of a [`DType`].
pub trait Element: bytemuck::Pod + Send + Sync + PartialEq + fmt::Debug {
    /// The dtype it stores.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => { $(impl Element for $rust { const DTYPE: DType = DType::$dtype; })* };
}

elements! {
    f64 => F64, f32 => F32, f16 => F16, bf16 => BF16,
    i64 => I64, i32 => I32, i16 => I16, i8 => I8,
    u64 => U64, u32 => U32, u16 => U16, u8 => U8,
}

#[derive(Clone)]
enum Data {
    Bytes(Bytes),
    Strings(Arc<[Box<[u8]>]>),
}

/// Why bytes are not a tensor of a dtype and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// The product of the sizes, or its bytes, is beyond what this machine addresses.
    TooLarge {
        /// The sizes asked for.
        shape: Vec<usize>,
    },
    /// The bytes are more or fewer than the shape needs.
    Length {
        /// Bytes that the shape needs.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// Strings have no fixed bytes, other dtypes no strings.
    Kind(DType),
}

impl fmt::Display for TensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TensorError::TooLarge { shape } => write!(f, "a tensor of shape {shape:?} is too large"),
            TensorError::Length { expected, actual } => {
                write!(f, "the shape needs {expected} bytes, the data has {actual}")
            }
            TensorError::Kind(dtype) => write!(f, "data of another kind than {dtype}"),
        }
    }
}

impl std::error::Error for TensorError {}

/// A constant tensor. Cloning shares the data. Elements lie row-major, little-endian, without gaps; sub-byte elements are
/// packed with the first one in the low bits; bool is one byte, 0 or 1.
///
/// Equality and order are by dtype, shape and bytes, so NaN equals the same NaN and `-0.0` differs from `0.0`.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Arc<[usize]>,
    data: Data,
    hash: Arc<OnceLock<u64>>,
}

impl Tensor {
    /// A tensor over shared bytes. Nothing is copied.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: Bytes) -> Result<Tensor, TensorError> {
        if dtype == DType::String {
            return Err(TensorError::Kind(dtype));
        }
        let too_large = || TensorError::TooLarge { shape: shape.to_vec() };
        let elements = shape.iter().try_fold(1usize, |p, s| p.checked_mul(*s)).ok_or_else(too_large)?;
        let expected =
            dtype.byte_len(elements).filter(|b| isize::try_from(*b).is_ok()).ok_or_else(too_large)?;
        if bytes.len() != expected {
            return Err(TensorError::Length { expected, actual: bytes.len() });
        }
        Ok(Tensor { dtype, shape: shape.into(), data: Data::Bytes(bytes), hash: Arc::default() })
    }

    /// A tensor that takes `elements` over.
    ///
    /// # Panics
    /// If the product of `shape` is not the number of elements.
    #[track_caller]
    pub fn from_vec<T: Element>(elements: Vec<T>, shape: &[usize]) -> Tensor {
        assert_eq!(elements.len(), shape.iter().product::<usize>(), "elements do not fill shape {shape:?}");
        let data = Data::Bytes(Bytes::new(Arc::new(Typed(elements))));
        Tensor { dtype: T::DTYPE, shape: shape.into(), data, hash: Arc::default() }
    }

    /// A tensor of truth values.
    ///
    /// # Panics
    /// If the product of `shape` is not the number of elements.
    #[track_caller]
    pub fn from_bools(elements: &[bool], shape: &[usize]) -> Tensor {
        let bytes: Vec<u8> = elements.iter().map(|b| u8::from(*b)).collect();
        Tensor { dtype: DType::Bool, ..Tensor::from_vec(bytes, shape) }
    }

    /// A tensor of strings, each any bytes.
    ///
    /// # Panics
    /// If the product of `shape` is not the number of elements.
    #[track_caller]
    pub fn from_strings(elements: Vec<Box<[u8]>>, shape: &[usize]) -> Tensor {
        assert_eq!(elements.len(), shape.iter().product::<usize>(), "elements do not fill shape {shape:?}");
        let data = Data::Strings(elements.into());
        Tensor { dtype: DType::String, shape: shape.into(), data, hash: Arc::default() }
    }

    /// A scalar.
    pub fn scalar<T: Element>(value: T) -> Tensor {
        Tensor::from_vec(vec![value], &[])
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes of the elements; empty for strings.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Bytes(bytes) => bytes,
            Data::Strings(_) => &[],
        }
    }

    /// The bytes as they can be shared; `None` for strings.
    pub fn shared_bytes(&self) -> Option<Bytes> {
        match &self.data {
            Data::Bytes(bytes) => Some(bytes.clone()),
            Data::Strings(_) => None,
        }
    }

    /// The strings; `None` for other dtypes.
    pub fn strings(&self) -> Option<&[Box<[u8]>]> {
        match &self.data {
            Data::Bytes(_) => None,
            Data::Strings(strings) => Some(strings),
        }
    }

    /// The elements as `T`, borrowed where the bytes are aligned for it (owned data always is), else copied. `None` if `T` is not this dtype's.
    pub fn as_slice<T: Element>(&self) -> Option<Cow<'_, [T]>> {
        if T::DTYPE != self.dtype {
            return None;
        }
        Some(match bytemuck::try_cast_slice(self.bytes()) {
            Ok(slice) => Cow::Borrowed(slice),
            Err(_) => Cow::Owned(bytemuck::pod_collect_to_vec(self.bytes())),
        })
    }

    /// A view for `ndarray`; `None` if `T` is not this dtype's, or the bytes are not aligned for it.
    pub fn view<T: Element>(&self) -> Option<ArrayViewD<'_, T>> {
        let slice = bytemuck::try_cast_slice(self.bytes()).ok().filter(|_| T::DTYPE == self.dtype)?;
        ArrayViewD::from_shape(IxDyn(&self.shape), slice).ok()
    }

    /// The same elements in another shape, sharing the data. `None` if the number of elements differs.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Tensor> {
        let same = shape.iter().try_fold(1usize, |p, s| p.checked_mul(*s)) == Some(self.elements());
        same.then(|| Tensor { shape: shape.into(), hash: Arc::default(), ..self.clone() })
    }

    /// The same bytes as another dtype of the same width, sharing the data. `None` where the widths differ.
    pub fn reinterpreted(&self, dtype: DType) -> Option<Tensor> {
        let same = dtype.bits() == self.dtype.bits() && dtype.bits() != 0;
        same.then(|| Tensor { dtype, hash: Arc::default(), ..self.clone() })
    }

    /// A new tensor whose element at `[i_0, ..]` is the one `source` names by its row-major position in `self`. Any dtype;
    /// sub-byte elements are moved one by one.
    pub fn rearranged(&self, shape: &[usize], source: impl FnMut(usize) -> usize) -> Tensor {
        let elements = shape.iter().product::<usize>();
        let sources = (0..elements).map(source);
        let data = match &self.data {
            Data::Strings(strings) => Data::Strings(sources.map(|i| strings[i].clone()).collect()),
            Data::Bytes(bytes) if self.dtype.bits() >= 8 => {
                let width = self.dtype.bits() / 8;
                let mut out = Vec::with_capacity(elements * width);
                sources.for_each(|i| out.extend_from_slice(&bytes[i * width..(i + 1) * width]));
                Data::Bytes(out.into())
            }
            Data::Bytes(bytes) => {
                let bits = self.dtype.bits();
                let per_byte = 8 / bits;
                let mask = (1u8 << bits) - 1;
                let mut out = vec![0u8; elements.div_ceil(per_byte)];
                for (to, from) in sources.enumerate() {
                    let code = (bytes[from / per_byte] >> (from % per_byte * bits)) & mask;
                    out[to / per_byte] |= code << (to % per_byte * bits);
                }
                Data::Bytes(out.into())
            }
        };
        Tensor { dtype: self.dtype, shape: shape.into(), data, hash: Arc::default() }
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        contiguous_strides(&self.shape)
    }

    /// A 64-bit FNV-1a hash over dtype, shape and data: the same on every machine. Computed once, when first asked for.
    pub fn content_hash(&self) -> u64 {
        *self.hash.get_or_init(|| {
            let mut hash = 0xcbf2_9ce4_8422_2325u64;
            let mut eat = |bytes: &[u8]| {
                // Eight bytes a step: weights are large and the hash need not be the byte-wise one.
                let (words, tail) = bytes.as_chunks::<8>();
                for word in words {
                    hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0000_0100_0000_01b3);
                    hash ^= hash >> 32;
                }
                for byte in tail {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
                }
            };
            eat(self.dtype.name().as_bytes());
            for size in self.shape.iter() {
                eat(&(*size as u64).to_le_bytes());
            }
            match &self.data {
                Data::Bytes(bytes) => eat(bytes),
                Data::Strings(strings) => {
                    for string in strings.iter() {
                        eat(&(string.len() as u64).to_le_bytes());
                        eat(string);
                    }
                }
            }
            hash
        })
    }

    fn key(&self) -> (DType, &[usize], &[u8], Option<&[Box<[u8]>]>) {
        (self.dtype, &self.shape, self.bytes(), self.strings())
    }

    fn same_data(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.hash, &other.hash)
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.same_data(other)
            || (self.dtype == other.dtype
                && self.shape == other.shape
                && self.content_hash() == other.content_hash()
                && self.key() == other.key())
    }
}

impl Eq for Tensor {}

impl PartialOrd for Tensor {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Tensor {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self.same_data(other) { std::cmp::Ordering::Equal } else { self.key().cmp(&other.key()) }
    }
}

impl std::hash::Hash for Tensor {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.content_hash());
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)?;
        match self.elements() {
            0..=16 => write!(f, " {:?}", self.to_elements()),
            _ => write!(f, " #{:016x}", self.content_hash()),
        }
    }
}
