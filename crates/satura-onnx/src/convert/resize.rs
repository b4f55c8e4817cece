//! Resampling.

use super::resample::{Coordinates, Rule, Target, resample};
use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::ops::{self, CoordMode, NearestMode, ResizeBy, ResizeMode, ResizePolicy};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Tensor};

const MODES: &[(&str, ResizeMode)] =
    &[("nearest", ResizeMode::Nearest), ("linear", ResizeMode::Linear), ("cubic", ResizeMode::Cubic)];

const NEAREST_MODES: &[(&str, NearestMode)] = &[
    ("round_prefer_floor", NearestMode::RoundPreferFloor),
    ("round_prefer_ceil", NearestMode::RoundPreferCeil),
    ("floor", NearestMode::Floor),
    ("ceil", NearestMode::Ceil),
];

const POLICIES: &[(&str, ResizePolicy)] = &[
    ("stretch", ResizePolicy::Stretch),
    ("not_larger", ResizePolicy::NotLarger),
    ("not_smaller", ResizePolicy::NotSmaller),
];

/// Coordinate rules.
const COORDS: &[(&str, Coordinates)] = &[
    ("half_pixel", Coordinates::Of(CoordMode::HalfPixel)),
    ("half_pixel_symmetric", Coordinates::Of(CoordMode::HalfPixelSymmetric)),
    ("pytorch_half_pixel", Coordinates::Of(CoordMode::PytorchHalfPixel)),
    ("align_corners", Coordinates::Of(CoordMode::AlignCorners)),
    ("asymmetric", Coordinates::Of(CoordMode::Asymmetric)),
    ("tf_half_pixel_for_nn", Coordinates::Centre),
    ("tf_crop_and_resize", Coordinates::Crop),
];

/// Operator set 11 and later.
pub(super) fn resize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [roi, scales, sizes]) = cx.args()?;
    let mode = cx.attrs.choice("mode", MODES)?.unwrap_or(ResizeMode::Nearest);
    let coordinates = cx.attrs.choice("coordinate_transformation_mode", COORDS)?;
    let coordinates = coordinates.unwrap_or(Coordinates::Of(CoordMode::HalfPixel));
    let nearest = cx.attrs.choice("nearest_mode", NEAREST_MODES)?.unwrap_or(NearestMode::RoundPreferFloor);
    let cubic = Real::from(cx.attrs.float("cubic_coeff_a")?.unwrap_or(-0.75));
    let exclude_outside = cx.attrs.flag("exclude_outside")?.unwrap_or(false);
    let outside = f64::from(cx.attrs.float("extrapolation_value")?.unwrap_or(0.0));
    let antialias = cx.version >= 18 && cx.attrs.flag("antialias")?.unwrap_or(false);
    let axes = if cx.version >= 18 { cx.attrs.ints("axes")? } else { None };
    let policy = if cx.version >= 18 { cx.attrs.choice("keep_aspect_ratio_policy", POLICIES)? } else { None };
    let policy = policy.unwrap_or(ResizePolicy::Stretch);
    let absent = |value: &ValueId| !cx.shape(*value).is_some_and(|s| s.len() == 1 && s[0].is(0));
    let (by, amount) = match (scales.filter(absent), sizes.filter(absent)) {
        (Some(scales), None) => (ResizeBy::Scales, scales),
        (None, Some(sizes)) => (ResizeBy::Sizes, sizes),
        (Some(_), Some(_)) => {
            return Err(Diagnostic::error(Code::InputCount, "both scales and sizes are given"));
        }
        (None, None) => {
            return Err(Diagnostic::error(Code::InputCount, "neither scales nor sizes are given"));
        }
    };
    // Means of integers are cut to integers again.
    let of = cx.dtype(x)?;
    let whole = of.is_int() && mode != ResizeMode::Nearest;
    let x = if whole { cx.cast(x, DType::F32)? } else { x };
    let y = match coordinates {
        Coordinates::Of(coord) if !antialias || mode == ResizeMode::Nearest => {
            let op = ops::ResizeDyn { mode, coord, nearest, cubic, exclude_outside, axes, by, policy };
            cx.one(op, &[x, amount])?
        }
        coordinates => {
            let roi = if coordinates == Coordinates::Crop { roi } else { None };
            if coordinates == Coordinates::Crop && roi.is_none() {
                return Err(
                    Diagnostic::error(Code::InputCount, "the part of the input is not given").at_input(1)
                );
            }
            let rule = Rule { mode, coordinates, nearest, cubic, exclude_outside, antialias, outside };
            resample(cx, x, &rule, &Target { roi, axes, by, amount, policy })?[0]
        }
    };
    Ok(vec![if whole { cx.cast(y, of)? } else { y }])
}

/// Upsample of operator sets 7 (scales as an attribute) and 9, and Resize of operator set 10: `i / scale`, the lower neighbour when enlarging, the upper
/// one when shrinking.
pub(super) fn upsample(cx: &mut NodeCx<'_>) -> Converted {
    let mode = cx.attrs.choice("mode", &MODES[..2])?.unwrap_or(ResizeMode::Nearest);
    let (x, scales) = if cx.version < 9 {
        let ([x], []) = cx.args()?;
        let scales =
            cx.attrs.floats("scales")?.ok_or_else(|| satura_import::Attributes::<()>::missing("scales"))?;
        let count = scales.len();
        (x, cx.constant(Tensor::from_vec(scales, &[count]))?)
    } else {
        let ([x, scales], []) = cx.args()?;
        (x, scales)
    };
    let nearest = match cx.floats(scales) {
        Some(values) if values.iter().all(|s| *s >= 1.0) => NearestMode::Floor,
        Some(values) if values.iter().all(|s| *s <= 1.0) => NearestMode::Ceil,
        _ if mode == ResizeMode::Linear => NearestMode::Floor,
        Some(_) => {
            return Err(bad_attribute(
                "scales",
                "enlarging one axis while shrinking another is not supported in this operator set",
            ));
        }
        None => return Err(Diagnostic::error(Code::NotConstant, "the scales must be constants")),
    };
    let op: Op = ops::ResizeDyn {
        mode,
        coord: CoordMode::Asymmetric,
        nearest,
        cubic: Real::from(-0.75),
        exclude_outside: false,
        axes: None,
        by: ResizeBy::Scales,
        policy: ResizePolicy::Stretch,
    }
    .into();
    cx.emit(op, &[x, scales])
}
