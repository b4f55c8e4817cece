//! Resampling with weights that are computed when the model is read: antialiased, or of a part of the input.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Code, Diagnostic};
use satura_ir::ValueId;
use satura_ir::attr::Real;
use satura_ir::ops::{self, CoordMode, NearestMode, Resize, ResizeBy, ResizeMode, ResizePolicy};
use satura_tensor::{Shape, Tensor, cast};

/// Which input coordinate an output index has.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Coordinates {
    /// A rule of the IR.
    Of(CoordMode),
    /// `(i + 0.5) / scale`: what TensorFlow took for nearest neighbours.
    Centre,
    /// From the start to the end of a region, given in parts of the input; what is outside the input has a value of its own.
    Crop,
}

/// How elements are computed.
pub(super) struct Rule {
    pub(super) mode: ResizeMode,
    pub(super) coordinates: Coordinates,
    pub(super) nearest: NearestMode,
    pub(super) cubic: Real,
    pub(super) exclude_outside: bool,
    /// Whether the neighbours of an element are as many as come together in it.
    pub(super) antialias: bool,
    /// The value outside the input, where a region is resampled.
    pub(super) outside: f64,
}

/// What is asked for.
pub(super) struct Target {
    pub(super) roi: Option<ValueId>,
    pub(super) axes: Option<Vec<i64>>,
    pub(super) by: ResizeBy,
    pub(super) amount: ValueId,
    pub(super) policy: ResizePolicy,
}

/// One axis: its number, extents, scale and region.
struct Axis {
    axis: usize,
    input: usize,
    output: usize,
    scale: f64,
    region: [f64; 2],
}

fn number(n: usize) -> f64 {
    n as f64
}

pub(super) fn resample(cx: &mut NodeCx<'_>, x: ValueId, rule: &Rule, target: &Target) -> Converted {
    let rank = cx.need_rank(x, "its axes")?;
    let mut result = x;
    let mut inside: Option<ValueId> = None;
    for axis in plan(cx, x, target)? {
        if axis.input == axis.output && axis.scale == 1.0 && axis.region == [0.0, 1.0] {
            continue;
        }
        let places: Vec<f64> = (0..axis.output).map(|i| rule.coordinate(&axis, i)).collect();
        if rule.coordinates == Coordinates::Crop {
            let exists: Vec<bool> =
                places.iter().map(|at| (0.0..=number(axis.input) - 1.0).contains(at)).collect();
            if exists.contains(&false) {
                let mut shape = vec![1; rank];
                shape[axis.axis] = axis.output;
                let exists = cx.constant(Tensor::from_bools(&exists, &shape))?;
                inside = Some(match inside {
                    Some(inside) => cx.and(inside, exists)?,
                    None => exists,
                });
            }
        }
        result = apply(cx, result, rule, &axis, &places)?;
    }
    let Some(inside) = inside else { return Ok(vec![result]) };
    let outside = cx.scalar_like(result, rule.outside)?;
    Ok(vec![cx.select(inside, result, outside)?])
}

/// The axes that are asked for, with what is known of each.
fn plan(cx: &NodeCx<'_>, x: ValueId, target: &Target) -> Result<Vec<Axis>, Diagnostic> {
    let dims = cx.dims(x, "its axes")?;
    let axes = match &target.axes {
        Some(axes) => {
            axes.iter().map(|axis| ops::axis_index(*axis, dims.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..dims.len()).collect(),
    };
    let regions = match target.roi {
        Some(roi) => cx.floats(roi).ok_or_else(|| not_constant("the region"))?,
        None => (0..2 * axes.len()).map(|i| if i < axes.len() { 0.0 } else { 1.0 }).collect(),
    };
    if regions.len() != 2 * axes.len() {
        return Err(bad_attribute(
            "axes",
            format!("a region of {} numbers for {} axes", regions.len(), axes.len()),
        ));
    }
    let scales: Option<Vec<f64>> = match target.by {
        ResizeBy::Scales => Some(cx.floats(target.amount).ok_or_else(|| not_constant("the scales"))?),
        ResizeBy::Sizes => None,
    };
    let sizes = match target.by {
        ResizeBy::Sizes => crate::node::sizes("sizes", &cx.need_ints(target.amount, "the sizes")?, 0)?,
        ResizeBy::Scales => Vec::new(),
    };
    let given = scales.as_ref().map_or(sizes.len(), Vec::len);
    if given != axes.len() {
        return Err(bad_attribute("axes", format!("{given} scales or sizes for {} axes", axes.len())));
    }
    let mut plan = Vec::new();
    for (at, axis) in axes.iter().copied().enumerate() {
        let region = [regions[at], regions[axes.len() + at]];
        let scale = scales.as_ref().map(|scales| scales[at]);
        if scale == Some(1.0) && region == [0.0, 1.0] {
            continue;
        }
        let input = cx.constant_dim(&dims[axis], "an axis that is resampled")?;
        let (output, scale) = match scale {
            Some(scale) if scale > 0.0 && scale.is_finite() => (extent(number(input) * scale)?, scale),
            Some(scale) => return Err(bad_attribute("scales", format!("a scale of {scale}"))),
            None => (sizes[at], number(sizes[at]) / number(input.max(1))),
        };
        if input == 0 && output > 0 {
            return Err(Diagnostic::error(Code::Shape, format!("axis {axis} has nothing to resample")));
        }
        plan.push(Axis { axis, input, output, scale, region });
    }
    if target.policy != ResizePolicy::Stretch && target.by == ResizeBy::Sizes {
        let scales = plan.iter().map(|axis| axis.scale);
        let common = match target.policy {
            ResizePolicy::NotSmaller => scales.fold(0.0, f64::max),
            ResizePolicy::NotLarger | ResizePolicy::Stretch => scales.fold(f64::INFINITY, f64::min),
        };
        for axis in &mut plan {
            axis.scale = common;
            axis.output = extent((number(axis.input) * common).round())?;
        }
    }
    Ok(plan)
}

fn not_constant(what: &str) -> Diagnostic {
    Diagnostic::error(Code::NotConstant, format!("{what} must be constant"))
}

/// The greatest extent of a resampled axis.
const MOST: f64 = 65536.0;

/// A length, computed in f32 as the extents and the scales are, rounded down.
fn extent(length: f64) -> Result<usize, Diagnostic> {
    let length = (length as f32).floor();
    if (0.0..=MOST).contains(&f64::from(length)) {
        Ok(length as usize)
    } else {
        Err(Diagnostic::error(Code::ResourceLimit, format!("an axis of extent {length}")))
    }
}

impl Rule {
    /// The coordinate in the input of index `i` of the output.
    fn coordinate(&self, axis: &Axis, i: usize) -> f64 {
        let (at, last) = (number(i), number(axis.input) - 1.0);
        match self.coordinates {
            Coordinates::Of(coord) => self.resize(axis, coord).coordinate(0, axis.input, axis.output, i),
            Coordinates::Centre => (at + 0.5) / axis.scale,
            Coordinates::Crop => {
                let [start, end] = axis.region;
                if axis.output > 1 {
                    start * last + at * (end - start) * last / (number(axis.output) - 1.0)
                } else {
                    0.5 * (start + end) * last
                }
            }
        }
    }

    /// The IR's op, for one axis.
    fn resize(&self, axis: &Axis, coord: CoordMode) -> Resize {
        Resize {
            shape: Shape::of(&[axis.output]),
            scales: vec![Real::from(axis.scale)],
            mode: self.mode,
            coord,
            nearest: self.nearest,
            cubic: self.cubic,
            exclude_outside: self.exclude_outside,
        }
    }

    /// The neighbours of a coordinate with their weights, which add up to 1. With antialiasing, a shrunk axis has as many more as it is shrunk.
    fn neighbours(&self, axis: &Axis, at: f64) -> Vec<(usize, f64)> {
        let scale = if self.antialias { axis.scale.min(1.0) } else { 1.0 };
        let (reach, a) = (if self.mode == ResizeMode::Cubic { 2.0 } else { 1.0 }, self.cubic.get());
        let weight = |distance: f64| match (self.mode, distance.abs()) {
            (ResizeMode::Nearest, _) => 1.0,
            (ResizeMode::Linear, d) => (1.0 - d).max(0.0),
            (ResizeMode::Cubic, d) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            (ResizeMode::Cubic, d) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            (ResizeMode::Cubic, _) => 0.0,
        };
        let last = number(axis.input) - 1.0;
        let mut found: Vec<(f64, f64)> = Vec::new();
        let mut place = (at - reach / scale).ceil();
        while place <= at + reach / scale {
            found.push((place, weight((place - at) * scale)));
            place += 1.0;
        }
        if self.exclude_outside {
            found.retain(|(place, _)| (0.0..=last).contains(place));
        }
        let sum: f64 = found.iter().map(|(_, weight)| weight).sum();
        let index = |place: f64| place.clamp(0.0, last) as usize;
        found
            .into_iter()
            .map(|(place, weight)| (index(place), if sum == 0.0 { 0.0 } else { weight / sum }))
            .collect()
    }
}

/// Weights of more than so many elements are not made.
const MOST_WEIGHTS: usize = 1 << 24;

/// Resamples one axis at these coordinates.
fn apply(cx: &mut NodeCx<'_>, x: ValueId, rule: &Rule, axis: &Axis, places: &[f64]) -> Emitted {
    if rule.mode == ResizeMode::Nearest {
        let nearest = rule.resize(axis, CoordMode::HalfPixel);
        let last = number(axis.input) - 1.0;
        let index = |at: &f64| nearest.nearest(*at).clamp(0.0, last) as i64;
        let indices = cx.vector(places.iter().map(index).collect())?;
        let axis = i64::try_from(axis.axis).unwrap_or(0);
        return cx.one(ops::Gather { axis }, &[x, indices]);
    }
    let dtype = cx.dtype(x)?;
    if !dtype.is_float() {
        return Err(Diagnostic::error(Code::DType, format!("{dtype} takes nearest neighbours only")));
    }
    if axis.input.saturating_mul(axis.output) > MOST_WEIGHTS {
        let message = format!("an axis of extent {} resampled to {}", axis.input, axis.output);
        return Err(Diagnostic::error(Code::ResourceLimit, message));
    }
    let mut weights = vec![0.0; axis.input * axis.output];
    for (column, at) in places.iter().enumerate() {
        for (row, weight) in rule.neighbours(axis, *at) {
            weights[row * axis.output + column] += weight;
        }
    }
    let weights = cast(&Tensor::from_vec(weights, &[axis.input, axis.output]), dtype)
        .ok_or_else(|| Diagnostic::error(Code::DType, format!("{dtype} has no numbers")))?;
    let weights = cx.constant(weights)?;
    // The axis comes last for the product.
    let rank = cx.need_rank(x, "its axes")?;
    let mut swap: Vec<usize> = (0..rank).collect();
    swap.swap(axis.axis, rank - 1);
    let x = if axis.axis + 1 == rank { x } else { cx.transpose(x, &swap)? };
    let vector = rank == 1;
    let x = if vector { cx.unsqueeze(x, &[0])? } else { x };
    let product = cx.matmul(x, weights)?;
    let product = if vector { cx.squeeze(product, &[0])? } else { product };
    if axis.axis + 1 == rank { Ok(product) } else { cx.transpose(product, &swap) }
}
