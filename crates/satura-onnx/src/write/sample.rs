//! Sampling at positions that are values, determinants and Fourier transforms.

use super::attribute::{flag, float, int, ints, text};
use super::contract::{group, window};
use super::cx::{Cx, Form, NoForm, count, signed};
use super::takes::{ANY_22, FLOAT, FLOAT_22, carrier, need_taken, same};
use satura_ir::ops::{self, GridPadding, ResizeMode, RoiPool};

/// The modes have other names before operator set 20, and inputs two spatial axes.
pub(super) fn grid_sample(cx: &mut Cx<'_>, op: &ops::GridSample) -> Form {
    cx.need("GridSample", 16)?;
    let old = cx.version() < 20;
    if old && cx.need_shape(0)?.len() != 4 {
        return Err(NoForm::since("GridSample of other than two spatial axes", 20));
    }
    let mode = match (op.mode, old) {
        (ResizeMode::Linear, true) => "bilinear",
        (ResizeMode::Linear, false) => "linear",
        (ResizeMode::Nearest, _) => "nearest",
        (ResizeMode::Cubic, true) => "bicubic",
        (ResizeMode::Cubic, false) => "cubic",
    };
    let padding = match op.padding {
        GridPadding::Zeros => "zeros",
        GridPadding::Border => "border",
        GridPadding::Reflection => "reflection",
    };
    let attributes =
        vec![text("mode", mode), text("padding_mode", padding), flag("align_corners", op.align_corners)];
    let (dtype, positions) = (cx.dtype(0)?, cx.dtype(1)?);
    let wide = carrier(ANY_22, cx.version(), dtype)?;
    let wide_positions = carrier(FLOAT_22, cx.version(), positions)?;
    let (x, grid) = (cx.input(0), cx.input(1));
    let inputs = [cx.cast_from(&x, dtype, wide), cx.cast_from(&grid, positions, wide_positions)];
    cx.result_as(wide, "GridSample", &inputs, attributes)
}

/// The centre of the first element is at 0 before operator set 16.
pub(super) fn roi_align(cx: &mut Cx<'_>, op: &ops::RoiAlign) -> Form {
    let mut attributes = vec![
        int("output_height", count(op.height)),
        int("output_width", count(op.width)),
        int("sampling_ratio", count(op.samples)),
        float("spatial_scale", op.scale.get()),
        text("mode", if op.pool == RoiPool::Mean { "avg" } else { "max" }),
    ];
    if cx.version() >= 16 {
        let origin = if op.half_pixel { "half_pixel" } else { "output_half_pixel" };
        attributes.push(text("coordinate_transformation_mode", origin));
    } else if op.half_pixel {
        return Err(NoForm::since("RoiAlign with half pixels", 16));
    }
    same(cx, "RoiAlign", FLOAT_22, attributes)
}

pub(super) fn deform_conv(cx: &mut Cx<'_>, op: &ops::DeformConv) -> Form {
    cx.need("DeformConv", 19)?;
    let mut attributes = window(&op.strides, &op.pads_low, &op.pads_high, &op.dilations);
    attributes.extend([group(op.groups), int("offset_group", count(op.offset_groups))]);
    if let Some(kernel) = cx.shape(1).and_then(|weights| weights.sizes()) {
        attributes.push(ints("kernel_shape", signed(&kernel[2..])));
    }
    need_taken(cx, "DeformConv", FLOAT_22, cx.dtype(0)?)?;
    let mut inputs = cx.inputs();
    if inputs.len() == 4 {
        // The bias, which is absent, comes before the factors.
        inputs.insert(3, "".into());
    }
    cx.result("DeformConv", &inputs, attributes)
}

pub(super) fn det(cx: &mut Cx<'_>, _: &ops::Det) -> Form {
    same(cx, "Det", FLOAT_22, Vec::new())
}

/// The axis is an attribute before operator set 20, an input since.
pub(super) fn dft(cx: &mut Cx<'_>, op: &ops::Dft) -> Form {
    cx.need("DFT", 17)?;
    need_taken(cx, "DFT", FLOAT, cx.dtype(0)?)?;
    let rank = cx.need_shape(0)?.len();
    let axis = ops::axis_index(op.axis, rank).map_err(|error| NoForm::new(error.to_string()))?;
    let length = op.length.map_or_else(|| "".into(), |length| cx.int(count(length)));
    let mut inputs = vec![cx.input(0), length];
    let mut attributes = vec![flag("inverse", op.inverse), flag("onesided", op.onesided)];
    if cx.version() < 20 {
        attributes.push(int("axis", count(axis)));
    } else {
        inputs.push(cx.int(count(axis)));
    }
    cx.result("DFT", &inputs, attributes)
}
