//! Quantised numbers: to and from them, and products and convolutions of them, in 32-bit integers.

use super::window;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use crate::types;
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ReduceKind};
use satura_tensor::{DType, Dim};

/// How scales and zero points stand to the elements.
#[derive(Clone, Copy)]
struct Layout {
    axis: i64,
    /// Elements along the axis that share a scale; 0 for all.
    block: usize,
}

impl Layout {
    fn read(cx: &mut NodeCx<'_>) -> Result<Layout, Diagnostic> {
        let axis = if cx.version < 13 { None } else { cx.attrs.int("axis")? };
        let block = if cx.version < 21 { None } else { cx.attrs.int("block_size")? };
        Ok(Layout { axis: axis.unwrap_or(1), block: sizes("block_size", &[block.unwrap_or(0)], 0)?[0] })
    }

    /// A scale or zero point in a shape that broadcasts to that of `x`.
    fn spread(self, cx: &mut NodeCx<'_>, value: ValueId, x: ValueId) -> Emitted {
        let dims = cx.dims(value, "scales")?;
        if dims.is_empty() {
            return Ok(value);
        }
        if dims.len() == 1 && dims[0].is(1) {
            return cx.reshape(value, Vec::new());
        }
        let of = cx.dims(x, "scales along an axis")?;
        let axis = ops::axis_index(self.axis, of.len())?;
        if self.block == 0 {
            let [count] = &dims[..] else {
                let message = format!("scales along an axis are a vector, they have rank {}", dims.len());
                return Err(Diagnostic::error(Code::Shape, message).at_input(1));
            };
            let mut shape = vec![Dim::from(1); of.len()];
            shape[axis] = count.clone();
            return cx.reshape(value, shape);
        }
        if dims.len() != of.len() {
            let message = format!("scales of blocks need rank {}, they have {}", of.len(), dims.len());
            return Err(Diagnostic::error(Code::Shape, message).at_input(1));
        }
        let at = i64::try_from(axis + 1).unwrap_or(i64::MAX);
        let apart = cx.unsqueeze(value, &[at])?;
        let mut repeated = dims.clone();
        repeated.insert(axis + 1, Dim::from(self.block));
        let repeated = cx.broadcast(apart, repeated)?;
        let mut joined = dims;
        joined[axis] = joined[axis].clone() * Dim::from(self.block);
        let joined = cx.reshape(repeated, joined)?;
        cx.part(joined, axis, Dim::from(0), of[axis].clone())
    }
}

fn element_type(cx: &mut NodeCx<'_>, name: &str) -> Result<Option<DType>, Diagnostic> {
    match cx.attrs.int(name)? {
        None | Some(0) => Ok(None),
        Some(number) => types::dtype(number).map(Some).map_err(|error| error.at_attribute(name)),
    }
}

/// `saturate(round(x / scale) + zero_point)`; for small floats without rounding to integers.
pub(super) fn quantize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale], [zero_point]) = cx.args()?;
    let layout = Layout::read(cx)?;
    let saturate = if cx.version < 19 { true } else { cx.attrs.flag("saturate")?.unwrap_or(true) };
    let named = if cx.version < 21 { None } else { element_type(cx, "output_dtype")? };
    let precision = if cx.version < 23 { None } else { element_type(cx, "precision")? };
    let to = match zero_point {
        Some(zero_point) => cx.dtype(zero_point)?,
        None => named.unwrap_or(DType::U8),
    };
    if named.is_some_and(|named| named != to) {
        return Err(bad_attribute("output_dtype", format!("the zero point is {to}")));
    }
    let scale = layout.spread(cx, scale, x)?;
    let zero_point = zero_point.map(|z| layout.spread(cx, z, x)).transpose()?;
    let precision = match precision {
        Some(precision) => precision,
        None => cx.dtype(scale)?,
    };
    // A scale may be a bare power of two, which no other number can be computed in.
    let precision = if precision == DType::F8E8M0 { DType::F32 } else { precision };
    let (x, scale) = (cx.cast(x, precision)?, cx.cast(scale, precision)?);
    let ratio = cx.div(x, scale)?;
    if to.is_int() {
        return Ok(vec![to_integers(cx, ratio, zero_point, to)?]);
    }
    Ok(vec![to_floats(cx, ratio, to, saturate)?])
}

/// `saturate(round(x) + zero_point)` in an integer type of 16 bits at most.
pub(super) fn to_integers(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    zero_point: Option<ValueId>,
    to: DType,
) -> Emitted {
    let (least, greatest) = match to.int_range() {
        Some((least, greatest)) if to.bits() <= 16 => (least as f64, greatest as f64),
        _ => return Err(unsupported(format!("quantisation to {to}"))),
    };
    let round = cx.map(ops::Round {}, x)?;
    // Not in 16-bit floats, which do not have every 16-bit integer.
    let wide = cx.cast(round, DType::F32)?;
    let Some(zero_point) = zero_point else {
        let bounded = cx.clip(wide, least, greatest)?;
        return cx.cast(bounded, to);
    };
    // Far beyond any result, near enough for the sum to stay within 32 bits.
    let bounded = cx.clip(wide, -262_144.0, 262_144.0)?;
    let integers = cx.cast(bounded, DType::I32)?;
    let zero_point = cx.cast(zero_point, DType::I32)?;
    let shifted = cx.add(integers, zero_point)?;
    let result = cx.clip(shifted, least, greatest)?;
    cx.cast(result, to)
}

/// To a float of 8 bits or less: what is out of range becomes the greatest number, or, if `saturate` is off, what the type has for it.
fn to_floats(cx: &mut NodeCx<'_>, x: ValueId, to: DType, saturate: bool) -> Emitted {
    let greatest = match to {
        DType::F8E4M3FN => 448.0,
        DType::F8E4M3FNUZ => 240.0,
        DType::F8E5M2 | DType::F8E5M2FNUZ => 57344.0,
        DType::F4E2M1 => 6.0,
        _ => return Err(unsupported(format!("quantisation to {to}"))),
    };
    let wide = cx.cast(x, DType::F32)?;
    let bounded = if saturate || to == DType::F4E2M1 { cx.clip(wide, -greatest, greatest)? } else { wide };
    cx.cast(bounded, to)
}

/// `(x - zero_point) * scale`, in f32.
pub(super) fn dequantize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, scale], [zero_point]) = cx.args()?;
    let layout = Layout::read(cx)?;
    let named = if cx.version < 23 { None } else { element_type(cx, "output_dtype")? };
    let to = match named {
        Some(named) => named,
        None => cx.dtype(scale)?,
    };
    let zero_point = match zero_point {
        // Of floats it is 0 by definition.
        Some(zero_point) if cx.dtype(x)?.is_int() => Some(layout.spread(cx, zero_point, x)?),
        _ => None,
    };
    let scale = layout.spread(cx, scale, x)?;
    let centred = match zero_point {
        Some(zero_point) => centre(cx, x, Some(zero_point))?,
        None => x,
    };
    let (wide, scale) = (cx.cast(centred, DType::F32)?, cx.cast(scale, DType::F32)?);
    let product = cx.mul(wide, scale)?;
    Ok(vec![cx.cast(product, to)?])
}

/// To u8 with a scale and zero point that suit the range of `x`, which are outputs too. The range is made to hold 0.
pub(super) fn dynamic_quantize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let [scale, zero_point] = suitable(cx, x)?;
    let ratio = cx.div(x, scale)?;
    Ok(vec![to_integers(cx, ratio, Some(zero_point), DType::U8)?, scale, zero_point])
}

/// The scale and the u8 zero point that suit the range of `x`.
pub(super) fn suitable(cx: &mut NodeCx<'_>, x: ValueId) -> Result<[ValueId; 2], Diagnostic> {
    let zero = cx.scalar_like(x, 0.0)?;
    let greatest = cx.reduce(ReduceKind::Max, x, None)?;
    let greatest = cx.max(greatest, zero)?;
    let least = cx.reduce(ReduceKind::Min, x, None)?;
    let least = cx.min(least, zero)?;
    let span = cx.sub(greatest, least)?;
    let empty = cx.equal(span, zero)?;
    let one = cx.scalar_like(x, 1.0)?;
    let span = cx.select(empty, one, span)?;
    let steps = cx.scalar_like(x, 255.0)?;
    let scale = cx.div(span, steps)?;
    let offset = cx.div(least, scale)?;
    let offset = cx.map(ops::Neg {}, offset)?;
    let bounded = cx.clip(offset, 0.0, 255.0)?;
    let round = cx.map(ops::Round {}, bounded)?;
    Ok([scale, cx.cast(round, DType::U8)?])
}

/// `x - zero_point`: in i32 for integers, in f32 for small floats.
pub(super) fn centre(cx: &mut NodeCx<'_>, x: ValueId, zero_point: Option<ValueId>) -> Emitted {
    let wide = if cx.dtype(x)?.is_int() { DType::I32 } else { DType::F32 };
    let x = cx.cast(x, wide)?;
    let Some(zero_point) = zero_point else { return Ok(x) };
    let zero = cx.constant_is_zero(zero_point);
    if zero {
        return Ok(x);
    }
    let zero_point = cx.cast(zero_point, wide)?;
    cx.sub(x, zero_point)
}

/// A vector as a column, so that each entry belongs to a row; other values as they are.
fn per_row(cx: &mut NodeCx<'_>, value: ValueId) -> Emitted {
    match cx.rank(value) {
        Some(1) => cx.unsqueeze(value, &[1]),
        _ => Ok(value),
    }
}

/// A vector of one entry as a scalar, so that it does not add an axis.
pub(super) fn one_or_many(cx: &mut NodeCx<'_>, value: ValueId) -> Emitted {
    match cx.shape(value) {
        Some(shape) if shape.len() == 1 && shape[0].is(1) => cx.reshape(value, Vec::new()),
        _ => Ok(value),
    }
}

/// A product of matrices of integers; zero points may be those of rows on the left and of columns on the right.
pub(super) fn matmul_integer(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], [a_zero, b_zero]) = cx.args()?;
    let a_zero = match a_zero {
        Some(zero) => Some(one_or_many(cx, zero).and_then(|zero| per_row(cx, zero))?),
        None => None,
    };
    let b_zero = b_zero.map(|zero| one_or_many(cx, zero)).transpose()?;
    let (a, b) = (centre(cx, a, a_zero)?, centre(cx, b, b_zero)?);
    super::matmul::product(cx, a, b)
}

/// A product of quantised matrices, quantised.
pub(super) fn qlinear_matmul(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero], []) = cx.args()?;
    let a_zero = one_or_many(cx, a_zero).and_then(|zero| per_row(cx, zero))?;
    let b_zero = one_or_many(cx, b_zero)?;
    let (a, b) = (centre(cx, a, Some(a_zero))?, centre(cx, b, Some(b_zero))?);
    let product = super::matmul::product(cx, a, b)?[0];
    let a_scale = one_or_many(cx, a_scale).and_then(|scale| per_row(cx, scale))?;
    let b_scale = one_or_many(cx, b_scale)?;
    Ok(vec![requantised(cx, product, [a_scale, b_scale, y_scale], y_zero)?])
}

/// `saturate(round(x * (a_scale * b_scale / y_scale)) + y_zero)`.
pub(super) fn requantised(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    [a_scale, b_scale, y_scale]: [ValueId; 3],
    y_zero: ValueId,
) -> Emitted {
    let to = cx.dtype(y_zero)?;
    let y_zero = one_or_many(cx, y_zero)?;
    let y_scale = one_or_many(cx, y_scale)?;
    let [a_scale, b_scale, y_scale] = [a_scale, b_scale, y_scale].map(|scale| cx.cast(scale, DType::F32));
    let factor = cx.mul(a_scale?, b_scale?)?;
    let factor = cx.div(factor, y_scale?)?;
    let wide = cx.cast(x, DType::F32)?;
    let scaled = cx.mul(wide, factor)?;
    if to.is_int() { to_integers(cx, scaled, Some(y_zero), to) } else { to_floats(cx, scaled, to, true) }
}

/// A vector with an entry for each output channel as `[O, 1, ..]`.
fn per_channel(cx: &mut NodeCx<'_>, value: ValueId, axes: usize) -> Emitted {
    let value = one_or_many(cx, value)?;
    match cx.shape(value) {
        Some(shape) if shape.len() == 1 => {
            let mut dims = shape.0.clone();
            dims.extend(vec![Dim::from(1); axes]);
            cx.reshape(value, dims)
        }
        _ => Ok(value),
    }
}

/// The zero point of a convolution's operand; 0 where there is none.
fn zero_of(cx: &mut NodeCx<'_>, x: ValueId, zero_point: Option<ValueId>) -> Emitted {
    match zero_point {
        Some(zero_point) => one_or_many(cx, zero_point),
        None => cx.scalar_like(x, 0.0),
    }
}

/// A convolution of integers. What lies outside stands for 0, as the zero point does.
pub(super) fn conv_integer(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [x_zero, w_zero]) = cx.args()?;
    let (x_zero, w_zero) = (zero_of(cx, x, x_zero)?, zero_of(cx, weights, w_zero)?);
    Ok(vec![window::integer_convolution(cx, &[x, weights, x_zero, w_zero])?])
}

/// A convolution of quantised numbers, quantised. The bias has the scale of the products.
pub(super) fn qlinear_conv(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero], [bias]) = cx.args()?;
    let rank = cx.need_rank(weights, "a convolution")?;
    let (x_zero, w_zero) = (one_or_many(cx, x_zero)?, one_or_many(cx, w_zero)?);
    let axes = rank.saturating_sub(2);
    let mut sum = window::integer_convolution(cx, &[x, weights, x_zero, w_zero])?;
    if let Some(bias) = bias {
        let dims = cx.dims(bias, "the bias")?;
        let bias = cx.reshape(bias, dims.into_iter().chain(vec![Dim::from(1); axes]).collect())?;
        let bias = cx.cast(bias, DType::I32)?;
        sum = cx.add(sum, bias)?;
    }
    let x_scale = one_or_many(cx, x_scale)?;
    let w_scale = per_channel(cx, w_scale, axes)?;
    Ok(vec![requantised(cx, sum, [x_scale, w_scale, y_scale], y_zero)?])
}

/// The numbers that integers stand for, in f32: `(x - zero_point) * scale`, with one scale for all.
pub(super) fn real(cx: &mut NodeCx<'_>, x: ValueId, scale: ValueId, zero_point: Option<ValueId>) -> Emitted {
    let zero_point = zero_point.map(|zero| one_or_many(cx, zero)).transpose()?;
    let centred = centre(cx, x, zero_point)?;
    let wide = cx.cast(centred, DType::F32)?;
    let scale = one_or_many(cx, scale)?;
    cx.mul(wide, scale)
}

/// The integers that stand for numbers: `saturate(round(x / scale) + zero_point)`, with one scale for all.
pub(super) fn quantised(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    scale: ValueId,
    zero_point: Option<ValueId>,
    to: DType,
) -> Emitted {
    let zero_point = zero_point.map(|zero| one_or_many(cx, zero)).transpose()?;
    let scale = one_or_many(cx, scale)?;
    let ratio = cx.div(x, scale)?;
    to_integers(cx, ratio, zero_point, to)
}
