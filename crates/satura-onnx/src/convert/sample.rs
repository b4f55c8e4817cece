//! Sampling at positions that are values.

use super::movement::as_i64;
use super::window::{Window, add_bias};
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::attr::Real;
use satura_ir::ops::{self, GridPadding, ResizeMode, RoiPool};
use satura_tensor::{Tensor, cast};

const GRID_MODES: &[(&str, ResizeMode)] =
    &[("linear", ResizeMode::Linear), ("nearest", ResizeMode::Nearest), ("cubic", ResizeMode::Cubic)];

const OLD_GRID_MODES: &[(&str, ResizeMode)] =
    &[("bilinear", ResizeMode::Linear), ("nearest", ResizeMode::Nearest), ("bicubic", ResizeMode::Cubic)];

const PADDINGS: &[(&str, GridPadding)] = &[
    ("zeros", GridPadding::Zeros),
    ("border", GridPadding::Border),
    ("reflection", GridPadding::Reflection),
];

/// The modes have other names before operator set 20.
pub(super) fn grid_sample(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, grid], []) = cx.args()?;
    let modes = if cx.version < 20 { OLD_GRID_MODES } else { GRID_MODES };
    let mode = cx.attrs.choice("mode", modes)?.unwrap_or(ResizeMode::Linear);
    let padding = cx.attrs.choice("padding_mode", PADDINGS)?.unwrap_or(GridPadding::Zeros);
    let align_corners = cx.attrs.flag("align_corners")?.unwrap_or(false);
    cx.emit(ops::GridSample { mode, padding, align_corners }, &[x, grid])
}

/// The positions of the elements of an image, from -1 to 1, moved by an affine map for each batch element: `theta: [N, k, k + 1]` gives `[N, sizes.., k]`.
pub(super) fn affine_grid(cx: &mut NodeCx<'_>) -> Converted {
    let ([theta, size], []) = cx.args()?;
    let align_corners = cx.attrs.flag("align_corners")?.unwrap_or(false);
    let size = sizes("size", &cx.need_ints(size, "the size")?, 0)?;
    if !(4..=5).contains(&size.len()) {
        return Err(Diagnostic::error(
            Code::Shape,
            format!("a size of {} axes, 4 or 5 are needed", size.len()),
        ));
    }
    let (dtype, extents) = (cx.dtype(theta)?, &size[2..]);
    let count =
        extents.iter().try_fold(1usize, |product, e| product.checked_mul(*e)).filter(|n| *n <= 1 << 26);
    let count = count.ok_or_else(|| bad_attribute("size", format!("a grid of sizes {extents:?}")))?;
    let step = |i: usize, extent: usize| {
        let number = |n: usize| u32::try_from(n).map(f64::from).unwrap_or(f64::NAN);
        match (align_corners, extent) {
            (true, 1) => 0.0,
            (true, _) => 2.0 * number(i) / (number(extent) - 1.0) - 1.0,
            (false, _) => (2.0 * number(i) + 1.0) / number(extent) - 1.0,
        }
    };
    // One row a position: the coordinate of the last axis first, and a 1 for the shift.
    let mut rows = Vec::with_capacity(count * (extents.len() + 1));
    for at in 0..count {
        let mut rest = at;
        for extent in extents.iter().rev() {
            rows.push(step(rest % extent, *extent));
            rest /= extent;
        }
        rows.push(1.0);
    }
    let rows = cast(&Tensor::from_vec(rows, &[count, extents.len() + 1]), dtype)
        .ok_or_else(|| Diagnostic::error(Code::DType, format!("{dtype} has no numbers")))?;
    let rows = cx.constant(rows)?;
    let columns = cx.transpose(theta, &[0, 2, 1])?;
    let moved = cx.matmul(rows, columns)?;
    let batch = cx.dims(theta, "the grid")?.swap_remove(0);
    let mut shape = vec![batch];
    shape.extend(extents.iter().chain([&extents.len()]).map(|e| satura_tensor::Dim::from(*e)));
    Ok(vec![cx.reshape(moved, shape)?])
}

const TRANSFORMS: &[(&str, bool)] = &[("half_pixel", true), ("output_half_pixel", false)];

/// Before operator set 16 coordinates are not shifted by half an element.
pub(super) fn roi_align(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, rois, images], []) = cx.args()?;
    let half_pixel = if cx.version < 16 {
        false
    } else {
        cx.attrs.choice("coordinate_transformation_mode", TRANSFORMS)?.unwrap_or(true)
    };
    let pools = [("avg", RoiPool::Mean), ("max", RoiPool::Max)];
    let pool = cx.attrs.choice("mode", &pools)?.unwrap_or(RoiPool::Mean);
    let mut size = |name: &str, default: i64, least: i64| {
        let value = cx.attrs.int(name)?.unwrap_or(default);
        Ok::<usize, Diagnostic>(sizes(name, &[value], least)?[0])
    };
    let (height, width) = (size("output_height", 1, 1)?, size("output_width", 1, 1)?);
    let samples = size("sampling_ratio", 0, 0)?;
    let scale = Real::from(cx.attrs.float("spatial_scale")?.unwrap_or(1.0));
    let images = as_i64(cx, images)?;
    cx.emit(ops::RoiAlign { height, width, samples, scale, half_pixel, pool }, &[x, rois, images])
}

pub(super) fn deform_conv(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights, offset], [bias, mask]) = cx.args()?;
    let window = Window::read(cx, Some(weights))?;
    let (groups, offset_groups) = (group_count(cx, "group")?, group_count(cx, "offset_group")?);
    let (pads_low, pads_high) = window.padding(cx, x)?;
    let axes = window.axes();
    let Window { strides, dilations, .. } = window;
    let op = ops::DeformConv { strides, pads_low, pads_high, dilations, groups, offset_groups };
    let inputs: Vec<ValueId> = [x, weights, offset].into_iter().chain(mask).collect();
    let y = cx.one(op, &inputs)?;
    add_bias(cx, y, bias, axes)
}

fn group_count(cx: &mut NodeCx<'_>, name: &str) -> Result<usize, Diagnostic> {
    let group = cx.attrs.int(name)?.unwrap_or(1);
    Ok(sizes(name, &[group], 1)?[0])
}
