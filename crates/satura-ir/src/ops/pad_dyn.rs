//! Padding and cropping by amounts that are values.

use super::support::{
    axis_index, bounded, check_i64_vector, check_scalar, int_vector, join, sizes_of, source_positions,
};
use super::{Gather, Pad, Slice};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::attr_enum! {
    /// Which elements surround a tensor.
    pub enum PadMode {
        /// One value.
        Constant = "constant",
        /// The tensor mirrored at its outermost elements, which are not repeated.
        Reflect = "reflect",
        /// The outermost elements.
        Edge = "edge",
        /// The tensor again from its other end.
        Wrap = "wrap",
    }
}

crate::op_struct! {
    /// Surrounds or crops `x` (input 0) by the amounts in input 1, an i64 vector: first those before each of `axes`, then those after; negative amounts crop, before
    /// anything is added. The value of mode `constant` is input 2, a scalar of the dtype of `x`. Any dtype.
    pub struct PadDyn {
        /// What is added.
        pub mode: PadMode,
        /// The axes, each once; negative counts from the back; `none` is all of them.
        pub axes: Option<Vec<i64>>,
    }
}

/// What happens to one axis: elements `start..start + kept` stay, `low` are added before and `high` after.
struct AxisPad {
    start: Dim,
    kept: Dim,
    low: Dim,
    high: Dim,
}

impl AxisPad {
    fn of(low: &Dim, high: &Dim, extent: &Dim) -> AxisPad {
        let zero = Dim::from(0);
        let total = extent.clone() + low.clone() + high.clone();
        let start = (-low.clone()).maximum(&zero);
        let kept = ((extent.clone() + high.clone()).minimum(extent) - start.clone()).maximum(&zero);
        // More may be cropped on one side than there is; the output is then shorter than what the other side adds.
        let low = low.maximum(&zero).minimum(&total);
        let high = total - low.clone() - kept.clone();
        AxisPad { start: start.minimum(extent), kept, low, high }
    }

    fn extent(&self) -> Dim {
        self.low.clone() + self.kept.clone() + self.high.clone()
    }
}

impl PadDyn {
    /// What happens to each axis of an input of shape `from`.
    fn resolve(&self, from: &Shape, amounts: &[Dim]) -> Result<Vec<AxisPad>, OpError> {
        let axes = match &self.axes {
            Some(axes) => axes.iter().map(|a| axis_index(*a, from.len())).collect::<Result<Vec<_>, _>>()?,
            None => (0..from.len()).collect(),
        };
        if amounts.len() != 2 * axes.len() {
            return Err(OpError::shape(format!(
                "{} amounts for {} axes, two an axis are expected",
                amounts.len(),
                axes.len()
            )));
        }
        let zero = Dim::from(0);
        let mut pads: Vec<AxisPad> = from.iter().map(|extent| AxisPad::of(&zero, &zero, extent)).collect();
        for (i, axis) in axes.iter().enumerate() {
            if axes[..i].contains(axis) {
                return Err(OpError::attribute(format!("axis {axis} is named twice")));
            }
            let (low, high) = (&amounts[i], &amounts[i + axes.len()]);
            pads[*axis] = AxisPad::of(low, high, &from[*axis]);
            if pads[*axis].extent().as_const().is_some_and(|e| e < 0) {
                return Err(OpError::shape(format!(
                    "axis {axis} of extent {} cannot be cropped by {low} and {high}",
                    from[*axis]
                )));
            }
        }
        Ok(pads)
    }

    /// The position on an axis of `x` that each position of the output takes; `None` for the padding value.
    fn positions(&self, pad: &AxisPad, axis: usize) -> Result<Vec<Option<usize>>, OpError> {
        let [start, kept, low, high] =
            sizes_of(&[pad.start.clone(), pad.kept.clone(), pad.low.clone(), pad.high.clone()])?[..]
        else {
            return Err(OpError::shape("four sizes an axis"));
        };
        let total = bounded(vec![low.saturating_add(kept).saturating_add(high)])?[0];
        if kept == 0 && total > 0 && self.mode != PadMode::Constant {
            return Err(OpError::shape(format!("axis {axis} has no elements to repeat")));
        }
        let position = |i: usize| {
            let at = i as i64 - low as i64;
            let last = kept as i64 - 1;
            let inside = match self.mode {
                PadMode::Constant => return (low..low + kept).contains(&i).then(|| start + i - low),
                PadMode::Edge => at.clamp(0, last),
                PadMode::Wrap => at.rem_euclid(kept as i64),
                PadMode::Reflect if last == 0 => 0,
                PadMode::Reflect => last - (at.rem_euclid(2 * last) - last).abs(),
            };
            Some(start + inside as usize)
        };
        Ok((0..total).map(position).collect())
    }
}

impl OpDef for PadDyn {
    const NAME: &'static str = "pad_dyn";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        check_i64_vector(cx, 1, "the amounts")?;
        let (dtype, value) = (cx.dtype(0)?, cx.dtype(2)?);
        if dtype == value {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("the padding value is {value}, input 0 is {dtype}: they must agree")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        check_scalar(cx, 2, "the padding value")?;
        let from = cx.shape(0)?;
        let open = || vec![Dim::unknown(); 2 * self.axes.as_ref().map_or(from.len(), Vec::len)];
        let pads = self.resolve(from, &cx.vector(1).unwrap_or_else(|_| open()))?;
        Ok(vec![pads.iter().map(AxisPad::extent).collect()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        if inputs[2].elements() != 1 {
            return Err(OpError::shape("the padding value must be a scalar"));
        }
        let pads = self.resolve(&Shape::of(x.shape()), &int_vector(&inputs[1], "the amounts")?)?;
        let taken: Vec<Vec<Option<usize>>> =
            pads.iter().enumerate().map(|(axis, pad)| self.positions(pad, axis)).collect::<Result<_, _>>()?;
        let shape = bounded(taken.iter().map(Vec::len).collect())?;
        // The value lies behind the elements of `x`.
        let (joined, outside) = (join(&[x.clone(), inputs[2].clone()])?, x.elements());
        let mut inside = vec![true];
        for positions in &taken {
            inside = inside.iter().flat_map(|i| positions.iter().map(move |p| *i && p.is_some())).collect();
        }
        let sources = source_positions(x.shape(), &shape, |axis, i| taken[axis][i].unwrap_or(0));
        Ok(vec![joined.rearranged(&shape, |i| if inside[i] { sources[i] } else { outside })])
    }
}

impl Composite for PadDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let from = cx.shape(inputs[0])?;
        let pads = self.resolve(&from, &cx.need_known(inputs[1])?)?;
        let mut x = inputs[0];
        if self.mode == PadMode::Constant {
            let all = |f: fn(&AxisPad) -> &Dim| pads.iter().map(|p| f(p).clone()).collect::<Vec<_>>();
            let sizes = all(|p| &p.kept);
            if sizes[..] != from[..] || !from.is_known() {
                x = cx.one(Slice { starts: all(|p| &p.start), sizes, steps: vec![1; from.len()] }, &[x])?;
            }
            return Ok(vec![cx.one(Pad { low: all(|p| &p.low), high: all(|p| &p.high) }, &[x, inputs[2]])?]);
        }
        for (axis, pad) in pads.iter().enumerate() {
            let extent = &from[axis];
            if extent.is_known() && pad.kept == *extent && pad.extent() == *extent {
                continue;
            }
            let taken = self.positions(pad, axis)?;
            let taken: Vec<i64> = taken.into_iter().flatten().map(|p| p as i64).collect();
            let count = taken.len();
            let indices = cx.constant(Tensor::from_vec(taken, &[count]))?;
            x = cx.one(Gather { axis: axis as i64 }, &[x, indices])?;
        }
        Ok(vec![x])
    }
}
