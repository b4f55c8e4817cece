//! Repetition along axes of extent 1.

use super::support::{bounded, known_rearranged, positions_in};
use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{Shape, Tensor, broadcast_sizes};

crate::op_struct! {
    /// Repeats the input to exactly `shape` under NumPy's rule: new axes come first, and an axis of extent 1 takes any extent. Any dtype.
    pub struct Broadcast {
        /// The shape of the output.
        pub shape: Shape,
    }
}

impl OpDef for Broadcast {
    const NAME: &'static str = "broadcast";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        1..=1
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        if let Ok(from) = cx.shape(0) {
            let skip = self.shape.len().checked_sub(from.len()).ok_or_else(|| {
                OpError::shape(format!(
                    "{from} has more axes than {}, so it does not broadcast to it",
                    self.shape
                ))
            })?;
            for (axis, extent) in from.iter().enumerate() {
                let to = &self.shape[axis + skip];
                if let (Some(x), Some(y)) = (extent.as_const(), to.as_const())
                    && x != y
                    && x != 1
                {
                    return Err(OpError::shape(format!(
                        "{from} does not broadcast to {}: extent {x} at axis {axis} does not become {y}",
                        self.shape
                    )));
                }
            }
        }
        Ok(vec![self.shape.clone()])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let (known, shape) = (cx.known(0)?, self.shape.sizes()?);
        let count = shape.iter().try_fold(1usize, |p, s| p.checked_mul(*s))?;
        if count > SymTensor::LIMIT || broadcast_sizes(&known.shape, &shape)? != shape {
            return None;
        }
        let positions = positions_in(&known.shape, &shape);
        known_rearranged(known, &shape, |i| positions[i])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = self
            .shape
            .sizes()
            .ok_or_else(|| OpError::unknown(format!("the sizes of {} are not bound", self.shape)))?;
        let shape = bounded(shape)?;
        let from = inputs[0].shape();
        if broadcast_sizes(from, &shape).as_ref() != Some(&shape) {
            return Err(OpError::shape(format!("{from:?} does not broadcast to {shape:?}")));
        }
        let positions = positions_in(from, &shape);
        Ok(vec![inputs[0].rearranged(&shape, |i| positions[i])])
    }
}
