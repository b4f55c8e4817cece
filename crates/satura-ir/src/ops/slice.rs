//! A regular part of a tensor.

use super::support::{known_rearranged, sizes_of, source_positions};
use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{Dim, Shape, Tensor};

crate::op_struct! {
    /// `out[i_0, ..] = x[start_0 + i_0 * step_0, ..]`: one start, size and step for each axis. Every element taken must exist. Any dtype.
    pub struct Slice {
        /// The first position on each axis, not negative; free where the size is 0.
        pub starts: Vec<Dim>,
        /// The extents of the output.
        pub sizes: Vec<Dim>,
        /// The distance from one element to the next on each axis; may be negative, not 0.
        pub steps: Vec<i64>,
    }
}

impl Slice {
    fn check_attributes(&self, rank: usize) -> Result<(), OpError> {
        for (name, len) in
            [("starts", self.starts.len()), ("sizes", self.sizes.len()), ("steps", self.steps.len())]
        {
            if len != rank {
                return Err(OpError::attribute(format!(
                    "`{name}` has {len} entries, the input has rank {rank}"
                )));
            }
        }
        match self.steps.iter().position(|s| *s == 0) {
            Some(axis) => Err(OpError::attribute(format!("the step at axis {axis} is 0"))),
            None => Ok(()),
        }
    }

    /// Checks that everything that is taken from an axis of `extent` exists, as far as start and size are constants.
    fn check_range(&self, axis: usize, extent: Option<i64>) -> Result<(), OpError> {
        let (Some(start), Some(size)) = (self.starts[axis].as_const(), self.sizes[axis].as_const()) else {
            return Ok(());
        };
        if size < 0 {
            return Err(OpError::attribute(format!("the size at axis {axis} is {size}")));
        }
        if size == 0 {
            return Ok(());
        }
        let last = i128::from(start) + (i128::from(size) - 1) * i128::from(self.steps[axis]);
        for position in [i128::from(start), last] {
            if position < 0 || extent.is_some_and(|e| position >= i128::from(e)) {
                let extent = extent.map_or("any".to_owned(), |e| e.to_string());
                return Err(OpError::shape(format!(
                    "axis {axis} of extent {extent} has no position {position} (start {start}, size {size}, step {})",
                    self.steps[axis]
                )));
            }
        }
        Ok(())
    }

    /// The row-major position in a tensor of these sizes of each element taken, and the sizes of the output.
    fn positions(&self, from: &[usize]) -> Result<(Vec<usize>, Vec<usize>), OpError> {
        self.check_attributes(from.len())?;
        let sizes = sizes_of(&self.sizes)?;
        let starts = self.starts.iter().map(Dim::as_const).collect::<Option<Vec<i64>>>();
        let starts = starts.ok_or_else(|| OpError::unknown("the starts are not bound"))?;
        for (axis, extent) in from.iter().enumerate() {
            self.check_range(axis, i64::try_from(*extent).ok())?;
        }
        let index = |axis: usize, i: usize| {
            let at = i128::from(starts[axis]) + i as i128 * i128::from(self.steps[axis]);
            usize::try_from(at).expect("the range was checked")
        };
        Ok((source_positions(from, &sizes, index), sizes))
    }
}

impl OpDef for Slice {
    const NAME: &'static str = "slice";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let rank = cx.shape(0).map_or(self.sizes.len(), |s| s.len());
        self.check_attributes(rank)?;
        for axis in 0..rank {
            self.check_range(axis, cx.shape(0).ok().and_then(|s| s[axis].as_const()))?;
        }
        Ok(vec![self.sizes.iter().cloned().collect()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let known = cx.known(0)?;
        let (positions, shape) = self.positions(&known.shape).ok()?;
        known_rearranged(known, &shape, |i| positions[i])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (positions, shape) = self.positions(inputs[0].shape())?;
        Ok(vec![inputs[0].rearranged(&shape, |i| positions[i])])
    }
}
