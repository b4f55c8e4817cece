//! Resampling by scales or sizes that are values.

use super::checks::{floats, indices, output_sizes};
use super::resize::{CoordMode, NearestMode, Resize, ResizeMode, resized_dtype};
use super::{axis_index, axis_indices};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, OpErrorKind, ValueId};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::attr_enum! {
    /// What gives the extents of a [`ResizeDyn`].
    pub enum ResizeBy {
        /// Factors: the extent is `floor(input * scale)`.
        Scales = "scales",
        /// Extents.
        Sizes = "sizes",
    }
}

crate::attr_enum! {
    /// How sizes are taken where they would change the ratio of the axes.
    pub enum ResizePolicy {
        /// As they are.
        Stretch = "stretch",
        /// All axes get the least of the scales: no extent is larger than asked for.
        NotLarger = "not_larger",
        /// All axes get the greatest of the scales: no extent is smaller than asked for.
        NotSmaller = "not_smaller",
    }
}

crate::op_struct! {
    /// [`Resize`](super::Resize) of input 0, `x`, to what input 1 says: a vector of f32 scales, or of i64 sizes, one for each of `axes`. The shape follows where that is a
    /// constant (scales), or known (sizes); else the extents of `axes` are unknown. Extents by scale are the f32 product of extent and scale, rounded down.
    pub struct ResizeDyn {
        /// How elements are computed.
        pub mode: ResizeMode,
        /// How coordinates are mapped.
        pub coord: CoordMode,
        /// Which neighbour `nearest` takes.
        pub nearest: NearestMode,
        /// The coefficient `a` of `cubic`; -0.75 is usual.
        pub cubic: Real,
        /// Whether `cubic` leaves neighbours outside the input out.
        pub exclude_outside: bool,
        /// The axes that are resized, in the order of input 1; negative counts from the back; `none` is all of them.
        pub axes: Option<Vec<i64>>,
        /// What input 1 holds.
        pub by: ResizeBy,
        /// How sizes are taken. Scales only stretch.
        pub policy: ResizePolicy,
    }
}

impl OpDef for ResizeDyn {
    const NAME: &'static str = "resize_dyn";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let expected = match self.by {
            ResizeBy::Scales => DType::F32,
            ResizeBy::Sizes => DType::I64,
        };
        if cx.dtype(1)? != expected {
            return Err(OpError::dtype(format!("input 1 must be {expected}, it is {}", cx.ty(1))));
        }
        resized_dtype(self.mode, cx.dtype(0)?).map(|d| vec![d])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let x = cx.shape(0)?;
        let axes = axis_indices(self.axes.as_deref(), x.len())?;
        let target = match (self.by, cx.constant(1)) {
            (ResizeBy::Scales, Some(scales)) => self.by_scales(x, &floats(Self::NAME, scales)?),
            (ResizeBy::Scales, None) => Err(OpError::unknown("the scales are not known")),
            (ResizeBy::Sizes, _) => cx.vector(1).and_then(|sizes| self.by_sizes(x, &sizes)),
        };
        match target {
            Err(error) if error.kind == OpErrorKind::Unknown => {
                let mut shape = x.clone();
                axes.into_iter().for_each(|axis| shape.0[axis] = Dim::unknown());
                Ok(vec![shape])
            }
            target => Ok(vec![target?.0]),
        }
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, target] = inputs else { return Err(OpError::arity("2 inputs expected")) };
        let shape = Shape::of(x.shape());
        let (to, scales) = match self.by {
            ResizeBy::Scales => self.by_scales(&shape, &floats(Self::NAME, target)?)?,
            ResizeBy::Sizes => {
                let extent = |size: i128| {
                    i64::try_from(size)
                        .map(Dim::from)
                        .map_err(|_| OpError::value(format!("a size of {size}")))
                };
                let sizes =
                    indices(Self::NAME, target)?.into_iter().map(extent).collect::<Result<Vec<_>, _>>()?;
                self.by_sizes(&shape, &sizes)?
            }
        };
        output_sizes(&to)?;
        self.resize(to, scales?).eval(&inputs[..1], cx)
    }
}

/// The shape of the output, and the scales where the extents are known well enough for them.
type Target = (Shape, Result<Vec<f64>, OpError>);

impl ResizeDyn {
    /// The axes in the order of input 1, which has `given` elements.
    fn axes(&self, rank: usize, given: usize) -> Result<Vec<usize>, OpError> {
        axis_indices(self.axes.as_deref(), rank)?;
        let axes: Vec<usize> = match &self.axes {
            Some(axes) => axes.iter().map(|axis| axis_index(*axis, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).collect(),
        };
        if axes.len() != given {
            return Err(OpError::shape(format!("input 1 has {given} elements for {} axes", axes.len())));
        }
        Ok(axes)
    }

    fn by_scales(&self, x: &Shape, scales: &[f64]) -> Result<Target, OpError> {
        if self.policy != ResizePolicy::Stretch {
            return Err(OpError::attribute("scales have no policy but stretch"));
        }
        let (mut shape, mut all) = (x.clone(), vec![1.0; x.len()]);
        for (axis, scale) in self.axes(x.len(), scales.len())?.into_iter().zip(scales) {
            if !(*scale > 0.0 && scale.is_finite()) {
                return Err(OpError::value(format!("the scale of axis {axis} is {scale}")));
            }
            shape.0[axis] = scaled_extent(&x[axis], *scale).ok_or_else(|| {
                OpError::unknown(format!("the extent {} of axis {axis} is not known", x[axis]))
            })?;
            all[axis] = *scale;
        }
        Ok((shape, Ok(all)))
    }

    fn by_sizes(&self, x: &Shape, sizes: &[Dim]) -> Result<Target, OpError> {
        let axes = self.axes(x.len(), sizes.len())?;
        let (mut shape, mut all) = (x.clone(), vec![1.0; x.len()]);
        for (axis, size) in axes.iter().zip(sizes) {
            if size.as_const().is_some_and(|s| s < 0) {
                return Err(OpError::value(format!("the size of axis {axis} is {size}")));
            }
            shape.0[*axis] = size.clone();
        }
        let scales = axes.iter().map(|axis| ratio(&shape[*axis], &x[*axis])).collect::<Result<Vec<_>, _>>();
        let common = match self.policy {
            ResizePolicy::Stretch => {
                let scales = scales.map(|scales| {
                    axes.iter().zip(scales).for_each(|(axis, scale)| all[*axis] = scale);
                    all
                });
                return Ok((shape, scales));
            }
            ResizePolicy::NotLarger => scales?.into_iter().reduce(f64::min),
            ResizePolicy::NotSmaller => scales?.into_iter().reduce(f64::max),
        };
        if let Some(scale) = common {
            for axis in axes {
                let extent = x[axis].as_const().ok_or_else(|| {
                    OpError::unknown(format!("the extent {} of axis {axis} is not known", x[axis]))
                })?;
                shape.0[axis] = Dim::from((scale * extent as f64 + 0.5).floor() as i64);
                all[axis] = scale;
            }
        }
        Ok((shape, Ok(all)))
    }

    fn resize(&self, shape: Shape, scales: Vec<f64>) -> Resize {
        Resize {
            shape,
            scales: scales.into_iter().map(Real::from).collect(),
            mode: self.mode,
            coord: self.coord,
            nearest: self.nearest,
            cubic: self.cubic,
            exclude_outside: self.exclude_outside,
        }
    }
}

/// `floor(extent * scale)`, the product rounded to f32: a scale of 0.7 makes 7 of 10 although the f32 next to 0.7 is less. `None` for an unknown extent and a scale whose
/// product would be rounded.
fn scaled_extent(extent: &Dim, scale: f64) -> Option<Dim> {
    if let Some(extent) = extent.as_const() {
        return Some(Dim::from((extent as f32 * scale as f32).floor() as i64));
    }
    // Small fractions of powers of two are exact.
    let divisor = [1, 2, 4, 8, 16, 32].into_iter().find(|d| (scale * f64::from(*d)).fract() == 0.0)?;
    let factor = scale * f64::from(divisor);
    (factor <= 256.0).then(|| (extent.clone() * Dim::from(factor as i64)).floor_div(&Dim::from(divisor)))
}

/// The scale from one extent to another.
fn ratio(to: &Dim, from: &Dim) -> Result<f64, OpError> {
    if to == from && to.is_known() {
        return Ok(1.0);
    }
    if let (Some(to), Some(from)) = (to.as_const(), from.as_const()) {
        return if from == 0 {
            Err(OpError::value(format!("there are no elements to fill an extent of {to} from")))
        } else {
            Ok(to as f64 / from as f64)
        };
    }
    let inverse = || from.exact_quotient(to).and_then(|q| q.as_const()).map(|q| 1.0 / q as f64);
    let factor = to.exact_quotient(from).and_then(|q| q.as_const()).map(|q| q as f64);
    factor
        .or_else(inverse)
        .ok_or_else(|| OpError::unknown(format!("the ratio of {to} to {from} is not known")))
}

impl Composite for ResizeDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let shape = cx.shape(inputs[0])?;
        let (to, scales) = match self.by {
            ResizeBy::Scales => {
                let scales =
                    cx.constant_of(inputs[1]).ok_or_else(|| OpError::unknown("the scales are not known"))?;
                self.by_scales(&shape, &floats(Self::NAME, scales)?)?
            }
            ResizeBy::Sizes => self.by_sizes(&shape, &cx.need_known(inputs[1])?)?,
        };
        let resize = self.resize(to, scales?);
        Ok(vec![cx.one(resize, &inputs[..1])?])
    }
}
