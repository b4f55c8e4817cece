//! Pooling that is composed of other ops: by powers, with positions, and back.

use super::window::Window;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::ops::{self, ArgKind, ReduceKind};
use satura_tensor::{DType, Dim, Tensor};

/// The exponent; a real number in operator set 1.
fn exponent(cx: &mut NodeCx<'_>) -> Result<f64, Diagnostic> {
    if cx.version < 2 {
        return Ok(f64::from(cx.attrs.float("p")?.unwrap_or(2.0)));
    }
    let p = cx.attrs.int("p")?.unwrap_or(2);
    match i32::try_from(p) {
        Ok(p) if p > 0 => Ok(f64::from(p)),
        _ => Err(bad_attribute("p", format!("{p} is out of range"))),
    }
}

/// `|x|^p`.
pub(super) fn magnitude_power(cx: &mut NodeCx<'_>, x: ValueId, p: f64) -> Emitted {
    if p == 2.0 {
        return cx.mul(x, x);
    }
    let magnitude = cx.map(ops::Abs {}, x)?;
    if p == 1.0 {
        return Ok(magnitude);
    }
    let p = cx.scalar_like(x, p)?;
    cx.one(ops::Pow {}, &[magnitude, p])
}

/// `x^(1/p)` of what is not negative.
pub(super) fn root(cx: &mut NodeCx<'_>, x: ValueId, p: f64) -> Emitted {
    if p == 1.0 {
        return Ok(x);
    }
    if p == 2.0 {
        return cx.map(ops::Sqrt {}, x);
    }
    let inverse = cx.scalar_like(x, 1.0 / p)?;
    cx.one(ops::Pow {}, &[x, inverse])
}

/// The `p`-norm of each window; padding counts as zeros.
pub(super) fn lp_pool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let p = exponent(cx)?;
    if cx.version < 18 && cx.attrs.has("dilations") {
        return Err(bad_attribute("dilations", "dilations came with operator set 18"));
    }
    let window = Window::read(cx, None)?;
    let ceil = if cx.version < 18 { false } else { cx.attrs.flag("ceil_mode")?.unwrap_or(false) };
    let (mut pads_low, mut pads_high) = window.padding(cx, x)?;
    let mut power = magnitude_power(cx, x, p)?;
    if ceil {
        // Windows that reach beyond the padding meet zeros too, so the padding is made as large as they are, beforehand.
        let dims = cx.dims(x, "pooling")?;
        let (mut low, mut high) = (vec![Dim::from(0); dims.len()], vec![Dim::from(0); dims.len()]);
        for axis in 0..window.axes() {
            let extent = cx.constant_dim(&dims[axis + 2], "a spatial axis of a pool that rounds up")?;
            let (stride, reach) = (window.strides[axis], window.reach(axis));
            let padded = extent + pads_low[axis] + pads_high[axis];
            let last = padded.saturating_sub(reach).div_ceil(stride);
            // No window starts in the high padding.
            let last = last.min((extent + pads_low[axis]).saturating_sub(1) / stride);
            low[axis + 2] = Dim::from(pads_low[axis]);
            high[axis + 2] = Dim::from((last * stride + reach).saturating_sub(extent + pads_low[axis]));
            (pads_low[axis], pads_high[axis]) = (0, 0);
        }
        let zero = cx.scalar_like(x, 0.0)?;
        power = cx.one(ops::Pad { low, high }, &[power, zero])?;
    }
    let taps: usize = window.kernel.iter().product();
    let Window { kernel, strides, dilations, .. } = window;
    let op = ops::AvgPool { kernel, strides, pads_low, pads_high, dilations, ceil: false, count_pad: true };
    let mean = cx.one(op, &[power])?;
    let sum = cx.scale(mean, u32::try_from(taps).map(f64::from).unwrap_or(f64::INFINITY))?;
    Ok(vec![root(cx, sum, p)?])
}

/// The `p`-norm over all spatial axes.
pub(super) fn global_lp_pool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let p = exponent(cx)?;
    let axes = super::window::spatial_axes(cx, x)?;
    let power = magnitude_power(cx, x, p)?;
    let sum = cx.reduce(ReduceKind::Sum, power, Some(&axes))?;
    Ok(vec![root(cx, sum, p)?])
}

/// What a window meets: for each window and tap the position in an image, and whether it exists.
struct Taps {
    positions: Vec<i64>,
    labels: Vec<i64>,
    inside: Vec<bool>,
    /// The number of windows along each axis.
    windows: Vec<usize>,
}

/// The table of a window's elements has no more entries.
const TABLE_LIMIT: usize = 1 << 26;

/// The table of taps of all windows over an image of these extents. With `columns_first` labels count along the first axis fastest, else as positions do.
fn taps(
    window: &Window,
    extents: &[usize],
    pads: (&[usize], &[usize]),
    ceil: bool,
    columns_first: bool,
) -> Result<Taps, Diagnostic> {
    let axes = extents.len();
    let mut windows = Vec::new();
    for axis in 0..axes {
        let (stride, reach) = (window.strides[axis], window.reach(axis));
        let padded = extents[axis] + pads.0[axis] + pads.1[axis];
        let room = padded.checked_sub(reach).ok_or_else(|| {
            Diagnostic::error(
                Code::Shape,
                format!("a window of {reach} does not fit axis {axis} of {padded}"),
            )
        })?;
        windows.push(if ceil {
            (room.div_ceil(stride) + 1).min((extents[axis] + pads.0[axis]).div_ceil(stride))
        } else {
            room / stride + 1
        });
    }
    let sizes = windows.iter().chain(&window.kernel);
    let count = sizes.clone().try_fold(1usize, |product, size| product.checked_mul(*size));
    let count = count.filter(|n| *n <= TABLE_LIMIT).ok_or_else(|| {
        Diagnostic::error(Code::ResourceLimit, "the windows of a pool with positions have too many elements")
    })?;
    let mut table =
        Taps { positions: Vec::new(), labels: Vec::new(), inside: Vec::new(), windows: windows.clone() };
    let sizes: Vec<usize> = sizes.copied().collect();
    for at in 0..count {
        let mut rest = at;
        let mut index: Vec<usize> = sizes
            .iter()
            .rev()
            .map(|size| {
                let i = rest % size;
                rest /= size;
                i
            })
            .collect();
        index.reverse();
        let mut inside = true;
        let mut place = Vec::with_capacity(axes);
        for axis in 0..axes {
            let from_low = index[axis] * window.strides[axis] + index[axes + axis] * window.dilations[axis];
            let at = from_low.checked_sub(pads.0[axis]).filter(|at| *at < extents[axis]);
            inside &= at.is_some();
            place.push(at.unwrap_or(0));
        }
        let position = place.iter().zip(extents).fold(0, |sum, (at, extent)| sum * extent + at);
        let label = if columns_first {
            place.iter().zip(extents).rev().fold(0, |sum, (at, extent)| sum * extent + at)
        } else {
            position
        };
        table.positions.push(i64::try_from(position).unwrap_or(0));
        table.labels.push(i64::try_from(label).unwrap_or(0));
        table.inside.push(inside);
    }
    Ok(table)
}

/// The greatest element of each window, and where it is: a position in the whole input, row-major or, with `columns_first`, with the first spatial axis fastest.
pub(super) fn max_with_positions(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    window: &Window,
    ceil: bool,
    columns_first: bool,
) -> Converted {
    let (low, high) = window.padding(cx, x)?;
    let dims = cx.dims(x, "pooling")?;
    let extents = dims[2..]
        .iter()
        .map(|d| cx.constant_dim(d, "a spatial axis of a pool with positions"))
        .collect::<Result<Vec<_>, _>>()?;
    let table = taps(window, &extents, (&low, &high), ceil, columns_first)?;
    let (outputs, kernel): (usize, usize) = (table.windows.iter().product(), window.kernel.iter().product());
    let images = dims[0].clone() * dims[1].clone();
    let area = extents.iter().fold(Dim::from(1), |product, e| product * Dim::from(*e));
    let (dtype, flat) = (cx.dtype(x)?, cx.reshape(x, vec![images.clone(), area.clone()])?);
    let positions = cx.constant(Tensor::from_vec(table.positions, &[outputs, kernel]))?;
    let met = cx.one(ops::Gather { axis: 1 }, &[flat, positions])?;
    let inside = cx.constant(Tensor::from_bools(&table.inside, &[outputs, kernel]))?;
    let least = match dtype.int_range() {
        Some((least, _)) => {
            let least = i64::try_from(least).unwrap_or(i64::MIN);
            let least = satura_tensor::cast(&Tensor::scalar(least), dtype);
            cx.constant(least.ok_or_else(|| Diagnostic::error(Code::DType, format!("pooling of {dtype}")))?)?
        }
        None => cx.scalar_like(x, f64::NEG_INFINITY)?,
    };
    let met = cx.select(inside, met, least)?;
    let greatest = cx.one(ops::Reduce { kind: ReduceKind::Max, axes: Some(vec![2]), keep: false }, &[met])?;
    let best = cx.one(ops::ArgReduce { kind: ArgKind::Max, axis: 2, keep: true, last: false }, &[met])?;
    let labels = cx.constant(Tensor::from_vec(table.labels, &[outputs, kernel]))?;
    let labels = cx.broadcast(labels, vec![images.clone(), Dim::from(outputs), Dim::from(kernel)])?;
    let label = cx.one(ops::GatherElements { axis: 2 }, &[labels, best])?;
    let image = cx.iota(DType::I64, vec![images, Dim::from(1), Dim::from(1)], 0)?;
    let area = area.as_const().unwrap_or(0);
    let area = cx.constant(Tensor::scalar(area))?;
    let offset = cx.mul(image, area)?;
    let position = cx.add(label, offset)?;
    let mut shape = dims[..2].to_vec();
    shape.extend(table.windows.iter().map(|n| Dim::from(*n)));
    Ok(vec![cx.reshape(greatest, shape.clone())?, cx.reshape(position, shape)?])
}

/// Puts the elements of a pool back where they were; the rest is zero. Without `output_shape` the output is as large as the windows; positions count in that size.
pub(super) fn max_unpool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, positions], [output]) = cx.args()?;
    let window = Window::read(cx, None)?;
    let (low, high) = window.padding(cx, x)?;
    let dims = cx.dims(x, "unpooling")?;
    let mut shape = dims[..2].to_vec();
    for axis in 0..window.axes() {
        let covered = (dims[axis + 2].clone() - Dim::from(1)) * Dim::from(window.strides[axis]);
        shape.push(covered + Dim::from(window.kernel[axis]) - Dim::from(low[axis] + high[axis]));
    }
    let count = |dims: &[Dim]| dims.iter().fold(Dim::from(1), |product, d| product * d.clone());
    let (from, to) = (count(&dims), count(&shape));
    let values = cx.reshape(x, vec![from.clone()])?;
    let positions = cx.reshape(positions, vec![from])?;
    let zero = cx.scalar_like(x, 0.0)?;
    let zeros = cx.broadcast(zero, vec![to])?;
    let op = ops::ScatterElements { axis: 0, combine: ops::ScatterKind::Replace };
    let flat = cx.one(op, &[zeros, positions, values])?;
    let image = cx.reshape(flat, shape.clone())?;
    let Some(output) = output else { return Ok(vec![image]) };
    let output = sizes("output_shape", &cx.need_ints(output, "the shape of the output")?, 0)?;
    if output.len() != shape.len() {
        return Err(Diagnostic::error(Code::Shape, format!("an output of {} axes", output.len())));
    }
    let low = vec![Dim::from(0); shape.len()];
    let high = shape.iter().zip(&output).map(|(d, wanted)| Dim::from(*wanted) - d.clone()).collect();
    cx.emit(ops::Pad { low, high }, &[image, zero])
}
