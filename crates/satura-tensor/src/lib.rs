//! What every other Satura crate says about data: element types ([`DType`]), symbolic
//! dimensions ([`Dim`], [`Shape`]) and constant tensors ([`Tensor`]).
//!
//! Invariants: this crate knows no operation and no graph. A [`Tensor`] never copies its bytes to be
//! read where they are aligned, whether they are owned or memory-mapped. Every [`Dim`] is in normal form, so equal
//! expressions compare equal.
//!
//! ```
//! use satura_tensor::{Dim, Tensor};
//!
//! let n = Dim::symbol("N");
//! assert_eq!((n.clone() + Dim::from(2)) * Dim::from(3), Dim::from(6) + n * Dim::from(3));
//!
//! let t = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], &[2, 2]);
//! assert_eq!(t.as_slice::<f32>().as_deref(), Some(&[1.0f32, 2.0, 3.0, 4.0][..]));
//! ```

mod compare;
mod dim;
mod dtype;
mod elements;
mod npy;
mod parse_dim;
mod shape;
mod small_float;
mod tensor;
mod tolerance;

pub use compare::{Comparison, compare};
pub use dim::{Atom, Bindings, Dim, Symbol};
pub use dtype::DType;
pub use elements::{Elements, cast};
pub use npy::{NpyError, read_npy, write_npy};
pub use parse_dim::{DimParseError, parse_dim};
pub use shape::{Shape, broadcast_dims, broadcast_sizes, contiguous_strides};
pub use small_float::{SmallFloat, SpecialValues};
pub use tensor::{Bytes, Element, Tensor, TensorError};
pub use tolerance::{Tolerance, tolerances};
