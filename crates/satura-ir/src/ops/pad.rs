//! Padding with one value.

use super::support::{bounded, join, sizes_of, source_positions};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// Surrounds `x` (input 0) with copies of a scalar of its dtype (input 1): `low` before and `high` after the elements of each axis. Any dtype.
    pub struct Pad {
        /// How many elements come before each axis, not negative.
        pub low: Vec<Dim>,
        /// How many elements come after each axis, not negative.
        pub high: Vec<Dim>,
    }
}

impl Pad {
    fn check_attributes(&self, rank: usize) -> Result<(), OpError> {
        for (name, amounts) in [("low", &self.low), ("high", &self.high)] {
            if amounts.len() != rank {
                let len = amounts.len();
                return Err(OpError::attribute(format!(
                    "`{name}` has {len} entries, the input has rank {rank}"
                )));
            }
            if let Some(axis) = amounts.iter().position(|a| a.as_const().is_some_and(|a| a < 0)) {
                return Err(OpError::attribute(format!("`{name}` is {} at axis {axis}", amounts[axis])));
            }
        }
        Ok(())
    }
}

impl OpDef for Pad {
    const NAME: &'static str = "pad";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        Ok(vec![cx.same_dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        super::support::check_scalar(cx, 1, "the padding value")?;
        let shape = cx.shape(0)?;
        self.check_attributes(shape.len())?;
        let padded = |axis: usize| shape[axis].clone() + self.low[axis].clone() + self.high[axis].clone();
        Ok(vec![(0..shape.len()).map(padded).collect()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        if inputs[1].elements() != 1 {
            return Err(OpError::shape("the padding value must be a scalar"));
        }
        self.check_attributes(x.rank())?;
        let (low, high) = (sizes_of(&self.low)?, sizes_of(&self.high)?);
        let total = |axis: usize| {
            let amount = x.shape()[axis].checked_add(low[axis]).and_then(|n| n.checked_add(high[axis]));
            amount.ok_or_else(|| OpError::limit(format!("axis {axis} would be too long")))
        };
        let shape = bounded((0..x.rank()).map(total).collect::<Result<_, _>>()?)?;
        // The value lies behind the elements of `x`. Where any axis is outside, the position is the value's, however the others add up.
        let (joined, outside) = (join(inputs)?, x.elements());
        let mut inside = vec![true];
        for axis in 0..x.rank() {
            let range = low[axis]..low[axis] + x.shape()[axis];
            inside = inside
                .iter()
                .flat_map(|i| (0..shape[axis]).map(|at| *i && range.contains(&at)).collect::<Vec<_>>())
                .collect();
        }
        let positions = source_positions(x.shape(), &shape, |axis, i| i.saturating_sub(low[axis]));
        Ok(vec![joined.rearranged(&shape, |i| if inside[i] { positions[i] } else { outside })])
    }
}
