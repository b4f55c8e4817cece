//! Slice with bounds that are values.

use super::Slice;
use super::support::{axis_index, check_i64_vector, int_vector};
use crate::{
    Algebra, Arity, Composite, Emit, EvalCx, InferCx, LIMIT_ELEMENTS, OpDef, OpError, OpErrorKind, SymTensor,
    ValueId,
};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// `x[start:end:step]` along each of `axes` as Python writes it: `x` (input 0), starts and ends (inputs 1 and 2, i64 vectors as long as `axes`). Negative bounds count
    /// from the end of the axis, bounds out of range are clamped. Axes and steps may be inputs 3 and 4, i64 vectors too, in the place of the attributes. Any dtype.
    pub struct SliceDyn {
        /// The axes, each once; negative counts from the back; `none` is the first ones.
        pub axes: Option<Vec<i64>>,
        /// The steps, one for each of `axes`, not 0; `none` is 1.
        pub steps: Option<Vec<i64>>,
    }
}

/// What is taken, whether attributes or inputs say it.
struct Bounds {
    starts: Vec<Dim>,
    ends: Vec<Dim>,
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
}

impl SliceDyn {
    /// The bounds for that many inputs, the elements of which are given by position.
    fn bounds(
        &self,
        inputs: usize,
        elements: impl Fn(usize) -> Result<Vec<Dim>, OpError>,
    ) -> Result<Bounds, OpError> {
        let numbers = |i: usize, attribute: &Option<Vec<i64>>| {
            if i >= inputs {
                return Ok(attribute.clone());
            }
            let numbers: Option<Vec<i64>> = elements(i)?.iter().map(Dim::as_const).collect();
            let numbers = numbers
                .ok_or_else(|| OpError::unknown(format!("the elements of input {i} are not known")))?;
            Ok(Some(numbers))
        };
        let (axes, steps) = (numbers(3, &self.axes)?, numbers(4, &self.steps)?);
        Ok(Bounds { starts: elements(1)?, ends: elements(2)?, axes, steps })
    }

    /// The shape where the bounds are not known: an axis that is sliced has an unknown extent.
    fn open(&self, cx: &InferCx<'_>, from: &Shape) -> Result<Shape, OpError> {
        let given = [1, 2].into_iter().find_map(|i| cx.vector(i).ok());
        let axes = match (cx.len() > 3, &self.axes) {
            (true, _) => cx.known(3).and_then(SymTensor::constants),
            (false, Some(axes)) => Some(axes.clone()),
            (false, None) => given.map(|given| (0..).take(given.len()).collect()),
        };
        let Some(axes) = axes else { return Ok(Shape(vec![Dim::unknown(); from.len()])) };
        let mut shape = from.clone();
        for axis in axes {
            shape.0[axis_index(axis, from.len())?] = Dim::unknown();
        }
        Ok(shape)
    }

    /// The static slice that this is for an input of shape `from`.
    fn resolve(&self, from: &Shape, bounds: Bounds) -> Result<Slice, OpError> {
        let Bounds { starts, ends, axes, steps } = bounds;
        let count = starts.len();
        let axes = axes.unwrap_or_else(|| (0..).take(count).collect());
        let steps = steps.unwrap_or_else(|| vec![1; count]);
        for (name, len) in [("ends", ends.len()), ("axes", axes.len()), ("steps", steps.len())] {
            if len != count {
                return Err(OpError::attribute(format!("{count} starts, but {len} {name}")));
            }
        }
        let mut slice = Slice {
            starts: vec![Dim::from(0); from.len()],
            sizes: from.to_vec(),
            steps: vec![1; from.len()],
        };
        let mut seen = Vec::new();
        for (i, axis) in axes.iter().enumerate() {
            let axis = axis_index(*axis, from.len())?;
            if seen.contains(&axis) {
                return Err(OpError::attribute(format!("axes {axes:?} name axis {axis} twice")));
            }
            seen.push(axis);
            if steps[i] == 0 {
                return Err(OpError::attribute(format!("the step at axis {axis} is 0")));
            }
            // Beyond every extent, all steps take one element; nearer ones keep the arithmetic below from saturating.
            let step = steps[i].clamp(-LIMIT_ELEMENTS, LIMIT_ELEMENTS);
            (slice.starts[axis], slice.sizes[axis]) = clamped(&starts[i], &ends[i], step, &from[axis]);
            slice.steps[axis] = step;
        }
        Ok(slice)
    }
}

/// The bound counted from the front. What is beyond every possible extent is clamped here, so that `start:` keeps the extent itself.
fn from_front(bound: &Dim, extent: &Dim) -> Dim {
    match bound.as_const() {
        Some(value) if value >= LIMIT_ELEMENTS => extent.clone(),
        Some(value) if value <= -LIMIT_ELEMENTS => Dim::from(-1),
        Some(value) if value < 0 => bound.clone() + extent.clone(),
        Some(_) => bound.clone(),
        None if bound.is_non_negative() => bound.clone(),
        // 1 where the bound is negative, else 0.
        None => {
            bound.clone() + extent.clone() * (-bound.clone()).maximum(&Dim::from(0)).minimum(&Dim::from(1))
        }
    }
}

/// Start and size of `start:end:step` on an axis.
fn clamped(start: &Dim, end: &Dim, step: i64, extent: &Dim) -> (Dim, Dim) {
    let zero = Dim::from(0);
    let (start, end) = (from_front(start, extent), from_front(end, extent));
    // A start behind the end of the walk gives no elements, so only the sides where elements are taken from are clamped.
    if step > 0 {
        let start = start.maximum(&zero);
        let span = end.minimum(extent) - start.clone();
        (start, span.ceil_div(&Dim::from(step)).maximum(&zero))
    } else {
        let last = extent.clone() - Dim::from(1);
        let start = start.minimum(&last);
        let span = start.clone() - end.maximum(&Dim::from(-1));
        (start.maximum(&zero), span.ceil_div(&Dim::from(step.saturating_neg())).maximum(&zero))
    }
}

impl OpDef for SliceDyn {
    const NAME: &'static str = "slice_dyn";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        3..=5
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        check_i64_vector(cx, 1, "starts")?;
        check_i64_vector(cx, 2, "ends")?;
        for (i, what, attribute) in [(3, "axes", &self.axes), (4, "steps", &self.steps)] {
            if i < cx.len() {
                check_i64_vector(cx, i, what)?;
                if attribute.is_some() {
                    return Err(OpError::attribute(format!("the {what} are an attribute and input {i}")));
                }
            }
        }
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let from = cx.shape(0)?;
        match self.bounds(cx.len(), |i| cx.vector(i)) {
            Ok(bounds) => self.resolve(from, bounds)?.shapes(cx),
            Err(error) if error.kind == OpErrorKind::Unknown => Ok(vec![self.open(cx, from)?]),
            Err(error) => Err(error),
        }
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let bounds = self.bounds(cx.len(), |i| cx.need_known(i).map(|known| known.elements.clone())).ok()?;
        self.resolve(cx.shape(0).ok()?, bounds).ok()?.values(cx)
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let bounds = self.bounds(inputs.len(), |i| int_vector(&inputs[i], "bounds, axes and steps"))?;
        self.resolve(&Shape::of(inputs[0].shape()), bounds)?.eval(&inputs[..1], cx)
    }
}

impl Composite for SliceDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let bounds = self.bounds(inputs.len(), |i| cx.need_known(inputs[i]))?;
        let slice = self.resolve(&cx.shape(inputs[0])?, bounds)?;
        Ok(vec![cx.one(slice, &inputs[..1])?])
    }
}
