//! Resampling of axes.

use super::checks::{floats, output_sizes, same_extent};
use crate::attr::Real;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor, contiguous_strides};

crate::attr_enum! {
    /// How an element of the output follows from the input around its coordinate.
    pub enum ResizeMode {
        /// The nearest element.
        Nearest = "nearest",
        /// Linear between the two neighbours.
        Linear = "linear",
        /// Cubic convolution of the four neighbours.
        Cubic = "cubic",
    }
}

crate::attr_enum! {
    /// Which input coordinate `u` an output index `i` has, with `s` the scale, `n` and `m` the extents of input and output, and `r = s * n` the length before rounding.
    pub enum CoordMode {
        /// `(i + 0.5) / s - 0.5`.
        HalfPixel = "half_pixel",
        /// `n / 2 * (1 - m / r) + (i + 0.5) / s - 0.5`: the centres coincide.
        HalfPixelSymmetric = "half_pixel_symmetric",
        /// As `half_pixel`, but -0.5 where `r` is 1.
        PytorchHalfPixel = "pytorch_half_pixel",
        /// `i * (n - 1) / (r - 1)`: the corners coincide; 0 where `r` is 1.
        AlignCorners = "align_corners",
        /// `i / s`.
        Asymmetric = "asymmetric",
    }
}

crate::attr_enum! {
    /// Which neighbour is nearest.
    pub enum NearestMode {
        /// The nearer; the lower of two as near.
        RoundPreferFloor = "round_prefer_floor",
        /// The nearer; the upper of two as near.
        RoundPreferCeil = "round_prefer_ceil",
        /// The lower.
        Floor = "floor",
        /// The upper.
        Ceil = "ceil",
    }
}

crate::op_struct! {
    /// Resamples each axis on its own; neighbours outside the input repeat its edge. An axis of scale 1 whose extent stays is left as it is. `nearest` takes any dtype,
    /// the others floats, computed in f64.
    pub struct Resize {
        /// The shape of the output.
        pub shape: Shape,
        /// One scale per axis, as the coordinate rule uses it; finite and above 0. Close to `output / input`, but not always that after rounding.
        pub scales: Vec<Real>,
        /// How elements are computed.
        pub mode: ResizeMode,
        /// How coordinates are mapped.
        pub coord: CoordMode,
        /// Which neighbour `nearest` takes.
        pub nearest: NearestMode,
        /// The coefficient `a` of `cubic`; -0.75 is usual.
        pub cubic: Real,
        /// Whether `cubic` leaves neighbours outside the input out and weighs the others up, instead of repeating the edge.
        pub exclude_outside: bool,
    }
}

impl OpDef for Resize {
    const NAME: &'static str = "resize";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        resized_dtype(self.mode, cx.dtype(0)?).map(|d| vec![d])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.check()?;
        if let Ok(x) = cx.shape(0) {
            self.check_input(x)?;
        }
        Ok(vec![self.shape.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        self.check()?;
        self.check_input(&Shape::of(x.shape()))?;
        let sizes = output_sizes(&self.shape)?;
        let axes: Vec<usize> = (0..x.rank()).filter(|a| !self.keeps(*a, x.shape()[*a], sizes[*a])).collect();
        if self.mode == ResizeMode::Nearest {
            return Ok(vec![self.pick(x, &sizes, &axes)]);
        }
        let mut values = floats(Self::NAME, x)?;
        let mut shape = x.shape().to_vec();
        for axis in axes {
            let taps: Vec<Vec<(usize, f64)>> =
                (0..sizes[axis]).map(|i| self.neighbours(axis, shape[axis], sizes[axis], i)).collect();
            let (outer, inner): (usize, usize) =
                (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
            let mut out = Vec::with_capacity(outer * sizes[axis] * inner);
            for o in 0..outer {
                for taps in &taps {
                    let mut row = vec![0.0; inner];
                    for (source, weight) in taps {
                        let from = &values[(o * shape[axis] + source) * inner..][..inner];
                        row.iter_mut().zip(from).for_each(|(sum, x)| *sum += weight * x);
                    }
                    out.extend(row);
                }
            }
            values = out;
            shape[axis] = sizes[axis];
        }
        Ok(vec![Tensor::from_elements(x.dtype(), &sizes, Elements::Float(values))])
    }
}

/// The dtype after resampling.
pub(super) fn resized_dtype(mode: ResizeMode, dtype: DType) -> Result<DType, OpError> {
    if dtype.is_float() || mode == ResizeMode::Nearest {
        Ok(dtype)
    } else {
        Err(OpError::dtype(format!("only nearest resizes {dtype}")))
    }
}

impl Resize {
    fn check(&self) -> Result<(), OpError> {
        if self.scales.len() != self.shape.len() {
            return Err(OpError::attribute(format!(
                "{} scales for {} axes",
                self.scales.len(),
                self.shape.len()
            )));
        }
        match self.scales.iter().position(|s| !(s.get() > 0.0 && s.get().is_finite())) {
            Some(axis) => {
                Err(OpError::attribute(format!("scale {} at axis {axis}", self.scales[axis].get())))
            }
            None => Ok(()),
        }
    }

    fn check_input(&self, x: &Shape) -> Result<(), OpError> {
        if x.len() != self.shape.len() {
            return Err(OpError::shape(format!(
                "input 0 has rank {}, the output {}",
                x.len(),
                self.shape.len()
            )));
        }
        for axis in 0..x.len() {
            if x[axis].is(0) {
                same_extent(&x[axis], &self.shape[axis], || {
                    format!("axis {axis} has no elements to fill an extent of {} from", self.shape[axis])
                })?;
            }
        }
        Ok(())
    }

    fn keeps(&self, axis: usize, input: usize, output: usize) -> bool {
        input == output && (self.scales[axis].get() - 1.0).abs() <= 1e-9
    }

    /// The coordinate in the input, along `axis`, of index `i` of the output. `input` and `output` are the extents.
    pub fn coordinate(&self, axis: usize, input: usize, output: usize, i: usize) -> f64 {
        let (scale, n, m, i) = (self.scales[axis].get(), input as f64, output as f64, i as f64);
        // A scale that was computed from the extents gives the output's extent back, up to rounding.
        let product = scale * n;
        let length = if (product - m).abs() <= 1e-9 * m { m } else { product };
        match self.coord {
            CoordMode::HalfPixel => (i + 0.5) / scale - 0.5,
            CoordMode::HalfPixelSymmetric => n / 2.0 * (1.0 - m / length) + (i + 0.5) / scale - 0.5,
            CoordMode::PytorchHalfPixel if length == 1.0 => -0.5,
            CoordMode::PytorchHalfPixel => (i + 0.5) / scale - 0.5,
            CoordMode::AlignCorners if length == 1.0 => 0.0,
            CoordMode::AlignCorners => i * (n - 1.0) / (length - 1.0),
            CoordMode::Asymmetric => i / scale,
        }
    }

    /// The neighbour of a coordinate that `nearest` takes; it may be outside the input.
    pub fn nearest(&self, coordinate: f64) -> f64 {
        match self.nearest {
            NearestMode::RoundPreferFloor => (coordinate - 0.5).ceil(),
            NearestMode::RoundPreferCeil => (coordinate + 0.5).floor(),
            NearestMode::Floor => coordinate.floor(),
            NearestMode::Ceil => coordinate.ceil(),
        }
    }

    /// The neighbours in the input, along `axis`, of index `i` of the output, with their weights. `input` and `output` are the extents.
    pub fn neighbours(&self, axis: usize, input: usize, output: usize, i: usize) -> Vec<(usize, f64)> {
        let at = self.coordinate(axis, input, output, i);
        let below = at.floor();
        let t = at - below;
        let neighbours: Vec<(f64, f64)> = match self.mode {
            ResizeMode::Nearest => vec![(self.nearest(at), 1.0)],
            ResizeMode::Linear => vec![(below, 1.0 - t), (below + 1.0, t)],
            ResizeMode::Cubic => {
                let a = self.cubic.get();
                let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
                let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
                let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
                let neighbours = weights.into_iter().zip([-1.0, 0.0, 1.0, 2.0]).map(|(w, d)| (below + d, w));
                if self.exclude_outside {
                    let inside: Vec<(f64, f64)> =
                        neighbours.filter(|(u, _)| *u >= 0.0 && *u < input as f64).collect();
                    let sum: f64 = inside.iter().map(|(_, w)| w).sum();
                    inside.into_iter().map(|(u, w)| (u, if sum == 0.0 { 0.0 } else { w / sum })).collect()
                } else {
                    neighbours.collect()
                }
            }
        };
        // `as` saturates, and negative coordinates become 0: the edge repeats.
        neighbours.into_iter().map(|(u, w)| ((u as usize).min(input - 1), w)).collect()
    }

    /// The nearest elements.
    fn pick(&self, x: &Tensor, sizes: &[usize], axes: &[usize]) -> Tensor {
        let (to, from) = (contiguous_strides(sizes), x.strides());
        let sources: Vec<Vec<usize>> = (0..sizes.len())
            .map(|a| {
                let source = |i| {
                    if axes.contains(&a) { self.neighbours(a, x.shape()[a], sizes[a], i)[0].0 } else { i }
                };
                (0..sizes[a]).map(|i| source(i) * from[a]).collect()
            })
            .collect();
        x.rearranged(sizes, |i| (0..sizes.len()).map(|a| sources[a][i / to[a] % sizes[a]]).sum())
    }
}
