//! Checks that the indexing, window and normalisation ops share.

use crate::{InferCx, LIMIT_ELEMENTS, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

/// The sizes of an output while it is evaluated: all constants, none negative, within the element limit.
pub(super) fn output_sizes(shape: &Shape) -> Result<Vec<usize>, OpError> {
    let sizes =
        shape.sizes().ok_or_else(|| match shape.iter().find(|d| d.as_const().is_some_and(|v| v < 0)) {
            Some(extent) => OpError::shape(format!("the output would have an extent of {extent}")),
            None => OpError::unknown(format!("the sizes of {shape} are not bound")),
        })?;
    match shape.elements().as_const() {
        Some(count) if (0..=LIMIT_ELEMENTS).contains(&count) => Ok(sizes),
        _ => Err(OpError::limit(format!(
            "an output of shape {shape} would have more than {LIMIT_ELEMENTS} elements"
        ))),
    }
}

/// The common dtype of all inputs, which must be a float.
pub(super) fn same_float(name: &str, cx: &InferCx<'_>) -> Result<DType, OpError> {
    let dtype = cx.same_dtype(0)?;
    if dtype.is_float() { Ok(dtype) } else { Err(OpError::dtype(format!("{name} does not take {dtype}"))) }
}

/// The common dtype of all inputs, which must be a float or an integer.
pub(super) fn same_number(name: &str, cx: &InferCx<'_>) -> Result<DType, OpError> {
    let dtype = cx.same_dtype(0)?;
    if dtype.is_float() || dtype.is_int() {
        Ok(dtype)
    } else {
        Err(OpError::dtype(format!("{name} does not take {dtype}")))
    }
}

/// An error if two extents that must agree are constants and differ.
pub(super) fn same_extent(a: &Dim, b: &Dim, message: impl FnOnce() -> String) -> Result<(), OpError> {
    match (a.as_const(), b.as_const()) {
        (Some(x), Some(y)) if x != y => Err(OpError::shape(message())),
        _ => Ok(()),
    }
}

/// The elements of a tensor of floats.
pub(super) fn floats(name: &str, tensor: &Tensor) -> Result<Vec<f64>, OpError> {
    match tensor.to_elements() {
        Elements::Float(v) => Ok(v),
        _ => Err(OpError::dtype(format!("{name} does not take {}", tensor.dtype()))),
    }
}

/// The dtype check of an input of indices: i32 or i64.
pub(super) fn index_dtype(name: &str, cx: &InferCx<'_>, input: usize) -> Result<(), OpError> {
    match cx.dtype(input)? {
        DType::I32 | DType::I64 => Ok(()),
        other => Err(OpError::dtype(format!("the indices of {name} must be i32 or i64, they are {other}"))),
    }
}

/// The elements of an input of indices.
pub(super) fn indices(name: &str, tensor: &Tensor) -> Result<Vec<i128>, OpError> {
    match tensor.to_elements() {
        Elements::Int(v) => Ok(v),
        _ => Err(OpError::dtype(format!(
            "the indices of {name} must be i32 or i64, they are {}",
            tensor.dtype()
        ))),
    }
}

/// The position that an index names along an axis: negative ones count from the back.
pub(super) fn wrap_index(index: i128, axis: usize, extent: usize) -> Result<usize, OpError> {
    let signed = extent as i128;
    let wrapped = if index < 0 { index + signed } else { index };
    if (0..signed).contains(&wrapped) {
        Ok(wrapped as usize)
    } else {
        Err(OpError::value(format!("index {index} is out of range for axis {axis} of extent {extent}")))
    }
}
