//! Resampling.

use crate::node::{Converted, NodeCx, bad_attribute, unsupported};
use satura_import::{Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::ops::{self, CoordMode, NearestMode, ResizeBy, ResizeMode, ResizePolicy};
use satura_ir::{Op, ValueId};
use satura_tensor::Tensor;

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

/// Coordinate rules; `None` for those that exist but are not supported.
const COORDS: &[(&str, Option<CoordMode>)] = &[
    ("half_pixel", Some(CoordMode::HalfPixel)),
    ("half_pixel_symmetric", Some(CoordMode::HalfPixelSymmetric)),
    ("pytorch_half_pixel", Some(CoordMode::PytorchHalfPixel)),
    ("align_corners", Some(CoordMode::AlignCorners)),
    ("asymmetric", Some(CoordMode::Asymmetric)),
    ("tf_half_pixel_for_nn", None),
    ("tf_crop_and_resize", None),
];

/// Operator set 11 and later.
pub(super) fn resize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [_roi, scales, sizes]) = cx.args()?;
    let mode = cx.attrs.choice("mode", MODES)?.unwrap_or(ResizeMode::Nearest);
    let coord =
        cx.attrs.choice("coordinate_transformation_mode", COORDS)?.unwrap_or(Some(CoordMode::HalfPixel));
    let coord = coord.ok_or_else(|| {
        unsupported("this coordinate rule is not supported").at_attribute("coordinate_transformation_mode")
    })?;
    let nearest = cx.attrs.choice("nearest_mode", NEAREST_MODES)?.unwrap_or(NearestMode::RoundPreferFloor);
    let cubic = Real::from(cx.attrs.float("cubic_coeff_a")?.unwrap_or(-0.75));
    let exclude_outside = cx.attrs.flag("exclude_outside")?.unwrap_or(false);
    // Only the cropping rule, which is not supported, looks outside the input.
    cx.attrs.ignore("extrapolation_value");
    if cx.version >= 18 && cx.attrs.flag("antialias")?.unwrap_or(false) {
        return Err(unsupported("antialiasing is not supported").at_attribute("antialias"));
    }
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
    let op = ops::ResizeDyn { mode, coord, nearest, cubic, exclude_outside, axes, by, policy };
    cx.emit(op, &[x, amount])
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
