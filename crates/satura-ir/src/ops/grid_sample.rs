//! Sampling at positions that are values.

use super::arith::{mul, plus, sub, times};
use super::checks::same_extent;
use super::sampling::{Tap, clamped, exists, interpolate};
use super::{
    Abs, Broadcast, Cast, Floor, GatherElements, Min, Rem, RemKind, Reshape, ResizeMode, Round, Slice,
};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId, eval_by_decomposition};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::attr_enum! {
    /// What lies outside the input.
    pub enum GridPadding {
        /// Zeros.
        Zeros = "zeros",
        /// The nearest element inside.
        Border = "border",
        /// The input mirrored at its border, as often as needed.
        Reflection = "reflection",
    }
}

crate::op_struct! {
    /// `out[n, c, o..] = x[n, c, at grid[n, o..]]`: `x: [N, C, d_1 .. d_k]` of any dtype that the mode can compute with, `grid: [N, o_1 .. o_m, k]` of floats. A position has one
    /// coordinate an axis, **that of the last axis first**, each from -1 at one end of the axis to 1 at the other. Coordinates are computed in f32, or in f64 where the grid is.
    pub struct GridSample {
        /// How an element follows from its neighbours; cubic with the coefficient -0.75.
        pub mode: ResizeMode,
        /// What lies outside the input.
        pub padding: GridPadding,
        /// Whether the ends of an axis are the centres of its outermost elements, and not their edges.
        pub align_corners: bool,
    }
}

impl OpDef for GridSample {
    const NAME: &'static str = "grid_sample";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let (dtype, grid) = (cx.dtype(0)?, cx.dtype(1)?);
        if !grid.is_float() {
            return Err(OpError::dtype(format!("the grid must be floats, it is {grid}")));
        }
        super::resize::resized_dtype(self.mode, dtype).map(|d| vec![d])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let (x, grid) = (cx.shape(0)?, cx.shape(1)?);
        if x.len() < 3 || grid.len() < 2 {
            return Err(OpError::shape(format!("the input has shape {x}, the grid {grid}: too few axes")));
        }
        same_extent(&x[0], &grid[0], || format!("{} inputs, {} grids", x[0], grid[0]))?;
        let (k, axes) = (&grid[grid.len() - 1], Dim::from(x.len() - 2));
        same_extent(k, &axes, || format!("{k} coordinates for {axes} axes"))?;
        Ok(vec![x[..2].iter().chain(&grid[1..grid.len() - 1]).cloned().collect()])
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        eval_by_decomposition(inputs, cx, |emit, values| self.decompose(emit, values))
    }
}

impl Composite for GridSample {
    /// One gather for each combination of neighbours; all positions are one axis.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, grid] = inputs else { return Err(OpError::arity("two inputs expected")) };
        let (sizes, grid_sizes) = (cx.sizes(*x)?, cx.sizes(*grid)?);
        let shape: Shape =
            sizes[..2].iter().chain(&grid_sizes[1..grid_sizes.len() - 1]).map(|d| Dim::from(*d)).collect();
        let (batch, channels, extents) = (sizes[0], sizes[1], &sizes[2..]);
        let positions: usize = grid_sizes[1..grid_sizes.len() - 1].iter().product();
        let dtype = cx.dtype(*x)?;
        if batch * channels * positions == 0 {
            let zero = cx.scalar(DType::F32, 0.0)?;
            let zero = cx.one(Cast { to: dtype }, &[zero])?;
            return Ok(vec![cx.one(Broadcast { shape }, &[zero])?]);
        }
        if extents.contains(&0) {
            return Err(OpError::shape("there is nothing to sample from"));
        }
        let wide = if cx.dtype(*grid)? == DType::F64 { DType::F64 } else { DType::F32 };
        let grid = cx.one(Cast { to: wide }, &[*grid])?;
        let rows = Shape::of(&[batch, positions, extents.len()]);
        let grid = cx.one(Reshape { shape: rows }, &[grid])?;
        let mut axes = Vec::new();
        for (axis, extent) in extents.iter().enumerate() {
            // The coordinate of the last axis comes first.
            let column = extents.len() - 1 - axis;
            let slice = Slice {
                starts: vec![Dim::from(0), Dim::from(0), Dim::from(column)],
                sizes: vec![Dim::from(batch), Dim::from(positions), Dim::from(1)],
                steps: vec![1; 3],
            };
            let coordinate = cx.one(slice, &[grid])?;
            let coordinate = cx.one(Reshape { shape: Shape::of(&[batch, 1, positions]) }, &[coordinate])?;
            axes.push(self.taps(cx, coordinate, *extent, dtype)?);
        }
        let flat =
            cx.one(Reshape { shape: Shape::of(&[batch, channels, extents.iter().product()]) }, &[*x])?;
        let everywhere = Shape::of(&[batch, channels, positions]);
        let sum = interpolate(cx, &axes, extents, dtype, |cx, index| {
            let index = cx.one(Broadcast { shape: everywhere.clone() }, &[index])?;
            cx.one(GatherElements { axis: 2 }, &[flat, index])
        })?;
        Ok(vec![cx.one(Reshape { shape }, &[sum])?])
    }
}

impl GridSample {
    /// The first and the last coordinate that are inside an axis, in elements.
    fn border(&self, extent: usize) -> (f64, f64) {
        let edge = if self.align_corners { 0.0 } else { 0.5 };
        (-edge, extent as f64 - 1.0 + edge)
    }

    /// The neighbours along an axis of positions from -1 to 1, with weights of `dtype`.
    fn taps(
        &self,
        cx: &mut dyn Emit,
        position: ValueId,
        extent: usize,
        dtype: DType,
    ) -> Result<Vec<Tap>, OpError> {
        let last = extent as f64 - 1.0;
        let (low, high) = self.border(extent);
        let shifted = plus(cx, position, 1.0)?;
        let scaled = times(cx, shifted, (high - low) / 2.0)?;
        let mut at = plus(cx, scaled, low)?;
        if self.mode == ResizeMode::Nearest {
            at = cx.one(Round {}, &[at])?;
        }
        if self.padding == GridPadding::Reflection {
            at = self.reflect(cx, at, extent)?;
        }
        let (base, weights) = match self.mode {
            ResizeMode::Nearest => (at, vec![(0.0, None)]),
            ResizeMode::Linear => {
                let base = cx.one(Floor {}, &[at])?;
                let t = sub(cx, at, base)?;
                let one = cx.scalar_like(t, 1.0)?;
                let near = sub(cx, one, t)?;
                (base, vec![(0.0, Some(near)), (1.0, Some(t))])
            }
            ResizeMode::Cubic => {
                let base = cx.one(Floor {}, &[at])?;
                let t = sub(cx, at, base)?;
                let mut weights = Vec::new();
                for offset in [-1.0, 0.0, 1.0, 2.0] {
                    weights.push((offset, Some(cubic_weight(cx, t, offset)?)));
                }
                (base, weights)
            }
        };
        let mut taps = Vec::new();
        for (offset, weight) in weights {
            let at = plus(cx, base, offset)?;
            let inside = if self.padding == GridPadding::Zeros { Some(exists(cx, at, last)?) } else { None };
            let existing =
                if self.padding == GridPadding::Reflection { self.reflect(cx, at, extent)? } else { at };
            let existing = clamped(cx, existing, last)?;
            let index = cx.one(Cast { to: DType::I64 }, &[existing])?;
            let weight = match weight {
                Some(weight) => Some(cx.one(Cast { to: dtype }, &[weight])?),
                None => None,
            };
            taps.push(Tap { index, weight, inside });
        }
        Ok(taps)
    }

    /// A coordinate mirrored into the axis: it runs from the low border to the high one and back.
    fn reflect(&self, cx: &mut dyn Emit, at: ValueId, extent: usize) -> Result<ValueId, OpError> {
        let (low, high) = self.border(extent);
        let length = high - low;
        if length == 0.0 {
            return times(cx, at, 0.0);
        }
        let from_low = plus(cx, at, -low)?;
        let distance = cx.one(Abs {}, &[from_low])?;
        let period = cx.scalar_like(at, 2.0 * length)?;
        let phase = cx.one(Rem { kind: RemKind::Floor }, &[distance, period])?;
        let back = sub(cx, period, phase)?;
        let nearer = cx.one(Min {}, &[phase, back])?;
        plus(cx, nearer, low)
    }
}

/// The weight of the neighbour at `offset` from the element below, which is `t` below the position: cubic convolution (R. G. Keys, 1981) with the coefficient -0.75.
fn cubic_weight(cx: &mut dyn Emit, t: ValueId, offset: f64) -> Result<ValueId, OpError> {
    const A: f64 = -0.75;
    // The distance from the neighbour: `t - offset` before the position, `offset - t` behind it.
    let distance = if offset <= 0.0 {
        plus(cx, t, -offset)?
    } else {
        let offset = cx.scalar_like(t, offset)?;
        sub(cx, offset, t)?
    };
    let coefficients = if (0.0..=1.0).contains(&offset) {
        [A + 2.0, -(A + 3.0), 0.0, 1.0]
    } else {
        [A, -5.0 * A, 8.0 * A, -4.0 * A]
    };
    let mut sum = cx.scalar_like(t, coefficients[0])?;
    for coefficient in &coefficients[1..] {
        let scaled = mul(cx, sum, distance)?;
        sum = plus(cx, scaled, *coefficient)?;
    }
    Ok(sum)
}
