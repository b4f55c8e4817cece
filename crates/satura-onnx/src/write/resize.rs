//! Resampling.

use super::attribute::{flag, float, ints, text};
use super::cx::{Cx, Form, NoForm};
use super::names::Name;
use super::takes::{ANY, FLOAT, carrier};
use crate::proto::AttributeProto;
use satura_ir::attr::Real;
use satura_ir::ops::{self, CoordMode, NearestMode, ResizeBy, ResizeMode, ResizePolicy};
use satura_tensor::{Dim, Elements, Tensor};

/// How elements are computed.
struct Rule {
    mode: ResizeMode,
    coord: CoordMode,
    nearest: NearestMode,
    cubic: Real,
    exclude_outside: bool,
}

impl Rule {
    fn attributes(&self, cx: &Cx<'_>) -> Result<Vec<AttributeProto>, NoForm> {
        let mode = match self.mode {
            ResizeMode::Nearest => "nearest",
            ResizeMode::Linear => "linear",
            ResizeMode::Cubic => "cubic",
        };
        let coord = match self.coord {
            CoordMode::HalfPixel => "half_pixel",
            CoordMode::HalfPixelSymmetric => "half_pixel_symmetric",
            CoordMode::PytorchHalfPixel => "pytorch_half_pixel",
            CoordMode::AlignCorners => "align_corners",
            CoordMode::Asymmetric => "asymmetric",
        };
        if self.coord == CoordMode::HalfPixelSymmetric {
            cx.need("Resize with half_pixel_symmetric", 19)?;
        }
        let mut attributes = vec![text("mode", mode), text("coordinate_transformation_mode", coord)];
        match self.mode {
            ResizeMode::Nearest => {
                let nearest = match self.nearest {
                    NearestMode::RoundPreferFloor => "round_prefer_floor",
                    NearestMode::RoundPreferCeil => "round_prefer_ceil",
                    NearestMode::Floor => "floor",
                    NearestMode::Ceil => "ceil",
                };
                attributes.push(text("nearest_mode", nearest));
            }
            ResizeMode::Linear => {}
            ResizeMode::Cubic => attributes.extend([
                float("cubic_coeff_a", self.cubic.get()),
                flag("exclude_outside", self.exclude_outside),
            ]),
        }
        Ok(attributes)
    }
}

/// Input 0 in a dtype that is taken.
fn data(cx: &mut Cx<'_>, mode: ResizeMode) -> Result<(Name, satura_tensor::DType), NoForm> {
    let dtype = cx.dtype(0)?;
    let takes = if mode == ResizeMode::Nearest { ANY } else { FLOAT };
    let carrier = carrier(takes, cx.version(), dtype)?;
    let x = cx.input(0);
    Ok((cx.cast_from(&x, dtype, carrier), carrier))
}

pub(super) fn resize_dyn(cx: &mut Cx<'_>, op: &ops::ResizeDyn) -> Form {
    let rule = Rule {
        mode: op.mode,
        coord: op.coord,
        nearest: op.nearest,
        cubic: op.cubic,
        exclude_outside: op.exclude_outside,
    };
    let mut attributes = rule.attributes(cx)?;
    let mut amount = cx.input(1);
    match &op.axes {
        Some(axes) if cx.version() >= 18 => attributes.push(ints("axes", axes.clone())),
        Some(axes) => amount = all_axes(cx, axes, op.by, &amount)?,
        None => {}
    }
    let policy = match op.policy {
        ResizePolicy::Stretch => None,
        ResizePolicy::NotLarger => Some("not_larger"),
        ResizePolicy::NotSmaller => Some("not_smaller"),
    };
    if let Some(policy) = policy {
        cx.need("Resize with keep_aspect_ratio_policy", 18)?;
        attributes.push(text("keep_aspect_ratio_policy", policy));
    }
    let (x, dtype) = data(cx, op.mode)?;
    let inputs = match op.by {
        ResizeBy::Scales => vec![x, "".into(), amount],
        ResizeBy::Sizes => vec![x, "".into(), "".into(), amount],
    };
    cx.result_as(dtype, "Resize", &inputs, attributes)
}

/// Scales or sizes of every axis, from those of some.
fn all_axes(cx: &mut Cx<'_>, axes: &[i64], by: ResizeBy, amount: &Name) -> Result<Name, NoForm> {
    let shape = cx.need_shape(0)?;
    let place =
        |axis: usize| axes.iter().position(|a| ops::axis_index(*a, shape.len()).is_ok_and(|a| a == axis));
    let places: Vec<Option<usize>> = (0..shape.len()).map(place).collect();
    let rest = match by {
        ResizeBy::Scales => vec![cx.constant(&Tensor::from_vec(vec![1f32], &[1])); shape.len()],
        ResizeBy::Sizes => {
            shape.iter().map(|d| cx.dims(std::slice::from_ref(d))).collect::<Result<_, _>>()?
        }
    };
    Ok(cx.spread(amount, &places, &rest))
}

/// By scales where they give the shape, as 32-bit numbers; else by sizes where those give the scales.
pub(super) fn resize(cx: &mut Cx<'_>, op: &ops::Resize) -> Form {
    let rule = Rule {
        mode: op.mode,
        coord: op.coord,
        nearest: op.nearest,
        cubic: op.cubic,
        exclude_outside: op.exclude_outside,
    };
    let attributes = rule.attributes(cx)?;
    let from = cx.need_shape(0)?;
    let (x, dtype) = data(cx, op.mode)?;
    let scales: Vec<f32> = op.scales.iter().map(|s| s.get() as f32).collect();
    let narrow = op.scales.iter().zip(&scales).all(|(wide, narrow)| wide.get() == f64::from(*narrow));
    let by_scale = |((n, m), scale): ((&Dim, &Dim), &f32)| match (n.as_const(), m.as_const()) {
        (Some(n), Some(m)) => (n as f32 * scale).floor() == m as f32,
        _ => *scale == 1.0 && n == m,
    };
    if narrow && from.iter().zip(op.shape.iter()).zip(&scales).all(by_scale) {
        let len = scales.len();
        let elements = Elements::Float(scales.iter().map(|s| f64::from(*s)).collect());
        let scales = cx.constant(&Tensor::from_elements(satura_tensor::DType::F32, &[len], elements));
        return cx.result_as(dtype, "Resize", &[x, "".into(), scales], attributes);
    }
    let by_size = |((n, m), scale): ((&Dim, &Dim), &Real)| match (n.as_const(), m.as_const()) {
        (Some(n), Some(m)) => {
            let exact = m as f64 / n as f64;
            ((exact - scale.get()) / exact).abs() < f64::from(f32::EPSILON)
        }
        _ => scale.get() == 1.0 && n == m,
    };
    if from.iter().zip(op.shape.iter()).zip(&op.scales).all(by_size) {
        let sizes = cx.dims(&op.shape)?;
        return cx.result_as(dtype, "Resize", &[x, "".into(), "".into(), sizes], attributes);
    }
    Err(NoForm::new("Resize takes scales or sizes, not scales that give other sizes"))
}
