//! Repetition of a whole tensor.

use super::support::{bounded, check_i64_vector, int_vector, known_rearranged, sizes_of, source_positions};
use super::{Broadcast, Reshape};
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// `out[i_0, ..] = x[i_0 mod d_0, ..]` of extent `d * repeats` on each axis: `x: [d_0, ..]` (input 0), repeats (input 1, an i64 vector of one entry an axis, not negative).
    /// Any dtype.
    pub struct TileDyn {}
}

fn check_repeats(rank: usize, repeats: &[Dim]) -> Result<(), OpError> {
    if repeats.len() != rank {
        return Err(OpError::shape(format!("{} repeats for rank {rank}", repeats.len())));
    }
    match repeats.iter().position(|r| r.as_const().is_some_and(|r| r < 0)) {
        Some(axis) => Err(OpError::value(format!("axis {axis} would be repeated {} times", repeats[axis]))),
        None => Ok(()),
    }
}

fn target(from: &Shape, repeats: &[Dim]) -> Result<Shape, OpError> {
    check_repeats(from.len(), repeats)?;
    Ok(from.iter().zip(repeats).map(|(d, r)| d.clone() * r.clone()).collect())
}

impl OpDef for TileDyn {
    const NAME: &'static str = "tile_dyn";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        check_i64_vector(cx, 1, "repeats")?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let from = cx.shape(0)?;
        let repeats = cx.vector(1).unwrap_or_else(|_| vec![Dim::unknown(); from.len()]);
        Ok(vec![target(from, &repeats)?])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let known = cx.known(0)?;
        let shape = target(&Shape::of(&known.shape), &cx.known(1)?.elements).ok()?.sizes()?;
        if shape.iter().try_fold(1usize, |p, s| p.checked_mul(*s))? > SymTensor::LIMIT {
            return None;
        }
        let positions = source_positions(&known.shape, &shape, |axis, i| i % known.shape[axis]);
        known_rearranged(known, &shape, |i| positions[i])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (x, repeats) = (&inputs[0], int_vector(&inputs[1], "repeats")?);
        let shape = bounded(sizes_of(&target(&Shape::of(x.shape()), &repeats)?)?)?;
        let positions = source_positions(x.shape(), &shape, |axis, i| i % x.shape()[axis]);
        Ok(vec![x.rearranged(&shape, |i| positions[i])])
    }
}

impl Composite for TileDyn {
    /// Each repeated axis gets an axis of extent 1 before it, which is broadcast and then joined with it.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let (from, repeats) = (cx.shape(inputs[0])?, cx.need_known(inputs[1])?);
        let shape = target(&from, &repeats)?;
        let (mut spread, mut repeated) = (Vec::new(), Vec::new());
        for (extent, count) in from.iter().zip(&repeats) {
            if !count.is(1) {
                spread.push(Dim::from(1));
                repeated.push(count.clone());
            }
            spread.push(extent.clone());
            repeated.push(extent.clone());
        }
        let spread = cx.one(Reshape { shape: Shape(spread) }, &inputs[..1])?;
        let repeated = cx.one(Broadcast { shape: Shape(repeated) }, &[spread])?;
        Ok(vec![cx.one(Reshape { shape }, &[repeated])?])
    }
}
