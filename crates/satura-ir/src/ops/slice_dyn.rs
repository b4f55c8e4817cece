//! Slice with bounds that are values.

use super::Slice;
use super::support::{axis_index, check_i64_vector, int_vector};
use crate::{
    Algebra, Arity, Composite, Emit, EvalCx, InferCx, LIMIT_ELEMENTS, OpDef, OpError, SymTensor, ValueId,
};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// `x[start:end:step]` along each of `axes` as Python writes it: `x` (input 0), starts and ends (inputs 1 and 2, i64 vectors as long as `axes`). Negative bounds count
    /// from the end of the axis, bounds out of range are clamped. Any dtype.
    pub struct SliceDyn {
        /// The axes, each once; negative counts from the back; `none` is the first ones.
        pub axes: Option<Vec<i64>>,
        /// The steps, one for each of `axes`, not 0; `none` is 1.
        pub steps: Option<Vec<i64>>,
    }
}

impl SliceDyn {
    /// The static slice that this is for an input of shape `from`.
    fn resolve(&self, from: &Shape, starts: &[Dim], ends: &[Dim]) -> Result<Slice, OpError> {
        let count = starts.len();
        let axes = self.axes.clone().unwrap_or_else(|| (0..).take(count).collect());
        let steps = self.steps.clone().unwrap_or_else(|| vec![1; count]);
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
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        check_i64_vector(cx, 1, "starts")?;
        check_i64_vector(cx, 2, "ends")?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let from = cx.shape(0)?;
        let (starts, ends) = (cx.vector(1), cx.vector(2));
        // As many as there are axes, or as the other input has; else each axis may be a part.
        let count = [starts.as_ref().ok(), ends.as_ref().ok()].into_iter().flatten().next().map(Vec::len);
        let count = self.axes.as_ref().map(Vec::len).or(count).unwrap_or(from.len());
        let bounds = |given: Result<Vec<Dim>, OpError>| given.unwrap_or_else(|_| vec![Dim::unknown(); count]);
        self.resolve(from, &bounds(starts), &bounds(ends))?.shapes(cx)
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let slice = self.resolve(cx.shape(0).ok()?, &cx.known(1)?.elements, &cx.known(2)?.elements).ok()?;
        slice.values(cx)
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (starts, ends) = (int_vector(&inputs[1], "starts")?, int_vector(&inputs[2], "ends")?);
        self.resolve(&Shape::of(inputs[0].shape()), &starts, &ends)?.eval(&inputs[..1], cx)
    }
}

impl Composite for SliceDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let slice =
            self.resolve(&cx.shape(inputs[0])?, &cx.need_known(inputs[1])?, &cx.need_known(inputs[2])?)?;
        Ok(vec![cx.one(slice, &inputs[..1])?])
    }
}
