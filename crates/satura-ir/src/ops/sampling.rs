//! Interpolation between the elements around positions that are values: what the sampling ops share.

use super::arith::{add, mul, plus, select, sub, times};
use super::{And, Cast, Floor, LessEqual, Max, Min, Mul};
use crate::{Emit, Op, OpError, ValueId};
use satura_tensor::DType;

/// A neighbour along one axis, for every position: index (i64), weight, and whether it exists, where that matters.
pub(super) struct Tap {
    pub(super) index: ValueId,
    pub(super) weight: Option<ValueId>,
    pub(super) inside: Option<ValueId>,
}

/// The sum over all combinations of one neighbour an axis: element times product of the weights, of `dtype`; 0 where a neighbour does not exist. `gather` gets the
/// row-major index of a combination in a block of these extents.
pub(super) fn interpolate(
    cx: &mut dyn Emit,
    axes: &[Vec<Tap>],
    extents: &[usize],
    dtype: DType,
    mut gather: impl FnMut(&mut dyn Emit, ValueId) -> Result<ValueId, OpError>,
) -> Result<ValueId, OpError> {
    let mut sum = None;
    for choice in 0..axes.iter().map(Vec::len).product::<usize>() {
        let mut rest = choice;
        let mut taps: Vec<&Tap> = Vec::with_capacity(axes.len());
        for axis in axes {
            taps.push(&axis[rest % axis.len()]);
            rest /= axis.len();
        }
        let mut index = taps[0].index;
        for (tap, extent) in taps.iter().zip(extents).skip(1) {
            let row = times(cx, index, *extent as f64)?;
            index = add(cx, row, tap.index)?;
        }
        let mut value = gather(cx, index)?;
        if let Some(inside) = joined(cx, And {}, taps.iter().filter_map(|tap| tap.inside))? {
            let zero = cx.scalar(DType::F32, 0.0)?;
            let zero = cx.one(Cast { to: dtype }, &[zero])?;
            value = select(cx, inside, value, zero)?;
        }
        if let Some(weight) = joined(cx, Mul {}, taps.iter().filter_map(|tap| tap.weight))? {
            value = mul(cx, value, weight)?;
        }
        sum = Some(match sum {
            Some(sum) => add(cx, sum, value)?,
            None => value,
        });
    }
    sum.ok_or_else(|| OpError::shape("there is nothing to sample from"))
}

/// All of the values joined by an op; `None` if there are none.
fn joined(
    cx: &mut dyn Emit,
    op: impl Into<Op> + Clone,
    values: impl Iterator<Item = ValueId>,
) -> Result<Option<ValueId>, OpError> {
    let mut joined = None;
    for value in values {
        joined = Some(match joined {
            Some(joined) => cx.one(op.clone(), &[joined, value])?,
            None => value,
        });
    }
    Ok(joined)
}

/// The two neighbours of a position, in elements, along an axis of that extent, with weights of `dtype`. Those outside do not exist.
pub(super) fn linear_taps(
    cx: &mut dyn Emit,
    at: ValueId,
    extent: usize,
    dtype: DType,
) -> Result<Vec<Tap>, OpError> {
    let last = extent as f64 - 1.0;
    let below = cx.one(Floor {}, &[at])?;
    let behind = sub(cx, at, below)?;
    let one = cx.scalar_like(behind, 1.0)?;
    let before = sub(cx, one, behind)?;
    let above = plus(cx, below, 1.0)?;
    let mut taps = Vec::new();
    for (place, weight) in [(below, before), (above, behind)] {
        let inside = exists(cx, place, last)?;
        let index = clamped(cx, place, last)?;
        let index = cx.one(Cast { to: DType::I64 }, &[index])?;
        let weight = cx.one(Cast { to: dtype }, &[weight])?;
        taps.push(Tap { index, weight: Some(weight), inside: Some(inside) });
    }
    Ok(taps)
}

/// Whether `x` is from 0 to `last`.
pub(super) fn exists(cx: &mut dyn Emit, x: ValueId, last: f64) -> Result<ValueId, OpError> {
    let (zero, end) = (cx.scalar_like(x, 0.0)?, cx.scalar_like(x, last)?);
    let from = cx.one(LessEqual {}, &[zero, x])?;
    let to = cx.one(LessEqual {}, &[x, end])?;
    cx.one(And {}, &[from, to])
}

/// `min(max(x, 0), last)`.
pub(super) fn clamped(cx: &mut dyn Emit, x: ValueId, last: f64) -> Result<ValueId, OpError> {
    let (zero, end) = (cx.scalar_like(x, 0.0)?, cx.scalar_like(x, last)?);
    let raised = cx.one(Max {}, &[x, zero])?;
    cx.one(Min {}, &[raised, end])
}
