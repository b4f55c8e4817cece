//! Features: scaled, normalised, filled in, picked, joined.

use super::{texts, vector};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::ops::{self, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim, Tensor};

/// Elements of the last axis, picked by position.
pub(in crate::convert) fn extract(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, positions], []) = cx.args()?;
    let dims = cx.dims(positions, "positions")?;
    let count = dims.into_iter().fold(Dim::from(1), |product, dim| product * dim);
    let flat = cx.reshape(positions, vec![count.clone()])?;
    let flat = cx.cast(flat, DType::I64)?;
    let picked = cx.one(ops::Gather { axis: -1 }, &[x, flat])?;
    // A vector counts as a row.
    if cx.rank(x) == Some(1) {
        return Ok(vec![cx.reshape(picked, vec![Dim::from(1), count])?]);
    }
    Ok(vec![picked])
}

/// 1 above a threshold, else 0.
pub(in crate::convert) fn binarizer(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let threshold = f64::from(cx.attrs.float("threshold")?.unwrap_or(0.0));
    let dtype = cx.dtype(x)?;
    let (wide, compared) = if dtype.is_int() { (DType::F64, cx.cast(x, DType::F64)?) } else { (dtype, x) };
    let threshold = cx.scalar(wide, threshold)?;
    let above = cx.less(threshold, compared)?;
    Ok(vec![cx.cast(above, dtype)?])
}

/// `(x - offset) * scale`, one number or one for each feature.
pub(in crate::convert) fn scaler(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let mut result = cx.cast(x, DType::F32)?;
    if let Some(offset) = cx.attrs.floats("offset")?.filter(|v| !v.is_empty()) {
        let offset = vector(cx, offset)?;
        result = cx.sub(result, offset)?;
    }
    if let Some(scale) = cx.attrs.floats("scale")?.filter(|v| !v.is_empty()) {
        let scale = vector(cx, scale)?;
        result = cx.mul(result, scale)?;
    }
    Ok(vec![result])
}

#[derive(Clone, Copy)]
enum Norm {
    Max,
    L1,
    L2,
}

/// Rows divided by their greatest element, the sum of their magnitudes, or their length; a row where that is 0 stays.
pub(in crate::convert) fn normalizer(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let norms = [("MAX", Norm::Max), ("L1", Norm::L1), ("L2", Norm::L2)];
    let norm = cx.attrs.choice("norm", &norms)?.unwrap_or(Norm::Max);
    let x = cx.cast(x, DType::F32)?;
    let divisor = match norm {
        Norm::Max => cx.reduce(ReduceKind::Max, x, Some(&[-1]))?,
        Norm::L1 => {
            let size = cx.map(ops::Abs {}, x)?;
            cx.reduce(ReduceKind::Sum, size, Some(&[-1]))?
        }
        Norm::L2 => {
            let square = cx.mul(x, x)?;
            let sum = cx.reduce(ReduceKind::Sum, square, Some(&[-1]))?;
            cx.map(ops::Sqrt {}, sum)?
        }
    };
    let (zero, one) = (cx.scalar(DType::F32, 0.0)?, cx.scalar(DType::F32, 1.0)?);
    let none = cx.equal(divisor, zero)?;
    let divisor = cx.select(none, one, divisor)?;
    Ok(vec![cx.div(x, divisor)?])
}

/// One value, which may be NaN, is replaced: by one number, or by one for each feature.
pub(in crate::convert) fn imputer(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let dtype = cx.dtype(x)?;
    let floats = (cx.attrs.float("replaced_value_float")?, cx.attrs.floats("imputed_value_floats")?);
    let ints = (cx.attrs.int("replaced_value_int64")?, cx.attrs.ints("imputed_value_int64s")?);
    let (missing, values) = if dtype.is_float() {
        let values = floats.1.ok_or_else(|| Attributes::<()>::missing("imputed_value_floats"))?;
        let values = vector(cx, values)?;
        let replaced = floats.0.unwrap_or(0.0);
        let missing = if replaced.is_nan() {
            cx.map(ops::IsNan {}, x)?
        } else {
            let replaced = cx.scalar(dtype, f64::from(replaced))?;
            cx.equal(x, replaced)?
        };
        (missing, values)
    } else {
        let values = ints.1.ok_or_else(|| Attributes::<()>::missing("imputed_value_int64s"))?;
        let values = cx.vector(values)?;
        let wide = cx.cast(x, DType::I64)?;
        let replaced = cx.constant(Tensor::scalar(ints.0.unwrap_or(0)))?;
        (cx.equal(wide, replaced)?, values)
    };
    let values = cx.cast(values, dtype)?;
    Ok(vec![cx.select(missing, values, x)?])
}

/// A new last axis with a place for each category: 1 where the element is it, else 0.
pub(in crate::convert) fn one_hot_encoder(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    // Whether an element that is no category may be all zeros: it is, always.
    cx.attrs.ignore("zeros");
    let names = cx.attrs.byte_strings("cats_strings")?;
    let numbers = cx.attrs.ints("cats_int64s")?;
    let string = cx.dtype(x)? == DType::String;
    let (x, categories) = if string {
        let names = names.ok_or_else(|| Attributes::<()>::missing("cats_strings"))?;
        (x, texts(cx, names)?)
    } else {
        let numbers = numbers.ok_or_else(|| Attributes::<()>::missing("cats_int64s"))?;
        (cx.cast(x, DType::I64)?, cx.vector(numbers)?)
    };
    let apart = cx.unsqueeze(x, &[-1])?;
    let hit = cx.equal(apart, categories)?;
    Ok(vec![cx.cast(hit, DType::F32)?])
}

/// Rows of several inputs side by side; each has as many features as `inputdimensions` says: more are cut off, missing ones are 0.
pub(in crate::convert) fn feature_vectorizer(cx: &mut NodeCx<'_>) -> Converted {
    let inputs = cx.variadic()?;
    let widths = cx.attrs.ints("inputdimensions")?;
    let widths = widths.map(|widths| sizes("inputdimensions", &widths, 0)).transpose()?;
    if let Some(widths) = widths.as_ref().filter(|widths| widths.len() != inputs.len()) {
        let message = format!("{} numbers for {} inputs", widths.len(), inputs.len());
        return Err(bad_attribute("inputdimensions", message));
    }
    let mut parts = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let part = flat_rows(cx, *input)?;
        let part = cx.cast(part, DType::F32)?;
        parts.push(match widths.as_ref().map(|widths| widths[i]) {
            Some(width) => of_width(cx, part, width)?,
            None => part,
        });
    }
    Ok(vec![cx.concat(&parts, 1)?])
}

/// The input with all axes after the first as one.
fn flat_rows(cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
    match cx.need_rank(x, "features side by side")? {
        0 => cx.reshape(x, vec![Dim::from(1), Dim::from(1)]),
        1 => cx.unsqueeze(x, &[0]),
        _ => cx.one(Op::from(ops::Flatten { axis: 1 }), &[x]),
    }
}

/// Rows cut or filled up with zeros.
fn of_width(cx: &mut NodeCx<'_>, x: ValueId, width: usize) -> Emitted {
    let [_, have] = cx.dims_of::<2>(x, "features")?;
    let have = cx.constant_dim(&have, "the number of features")?;
    if have >= width {
        return cx.part(x, 1, Dim::from(0), Dim::from(width));
    }
    let zero = cx.scalar_like(x, 0.0)?;
    let high = vec![Dim::from(0), Dim::from(width - have)];
    cx.one(ops::Pad { low: vec![Dim::from(0); 2], high }, &[x, zero])
}

/// An error for an input that is no tensor of texts or numbers.
pub(super) fn wrong_type(what: &str, dtype: DType) -> Diagnostic {
    Diagnostic::error(Code::DType, format!("{what} are not made of {dtype}"))
}
