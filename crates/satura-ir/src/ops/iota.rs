//! Positions along an axis.

use super::support::{bounded, sizes_of};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// Each element is its own index along `axis`: 0, 1, 2 and so on. No inputs. Numbers; integers wrap.
    pub struct Iota {
        /// The dtype of the output: an integer or a float.
        pub dtype: DType,
        /// The shape of the output.
        pub shape: Shape,
        /// The axis, below the rank.
        pub axis: usize,
    }
}

/// The index along `axis` of each element of a tensor of these sizes.
fn indices(sizes: &[usize], axis: usize) -> impl Iterator<Item = usize> {
    let (count, inner, extent) =
        (sizes.iter().product(), sizes[axis + 1..].iter().product::<usize>(), sizes[axis]);
    (0..count).map(move |i| i / inner % extent)
}

impl OpDef for Iota {
    const NAME: &'static str = "iota";

    fn arity(&self) -> Arity {
        0..=0
    }

    fn dtypes(&self, _: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        if self.dtype.is_float() || self.dtype.is_int() {
            Ok(vec![self.dtype])
        } else {
            Err(OpError::dtype(format!("iota does not give {}", self.dtype)))
        }
    }

    fn shapes(&self, _: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        if self.axis >= self.shape.len() {
            return Err(OpError::attribute(format!(
                "axis {} is out of range for rank {}",
                self.axis,
                self.shape.len()
            )));
        }
        Ok(vec![self.shape.clone()])
    }

    fn values(&self, _: &InferCx<'_>) -> Option<SymTensor> {
        let shape = self.shape.sizes()?;
        let count = shape.iter().try_fold(1usize, |p, s| p.checked_mul(*s))?;
        (count <= SymTensor::LIMIT).then(|| {
            let elements = indices(&shape, self.axis).map(Dim::from).collect();
            SymTensor { shape, elements }
        })
    }

    fn eval(&self, _: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let shape = bounded(sizes_of(&self.shape)?)?;
        if self.axis >= shape.len() {
            return Err(OpError::attribute(format!(
                "axis {} is out of range for rank {}",
                self.axis,
                shape.len()
            )));
        }
        let elements = if self.dtype.is_float() {
            Elements::Float(indices(&shape, self.axis).map(|i| i as f64).collect())
        } else if self.dtype.is_int() {
            Elements::Int(indices(&shape, self.axis).map(|i| i as i128).collect())
        } else {
            return Err(OpError::dtype(format!("iota does not give {}", self.dtype)));
        };
        Ok(vec![Tensor::from_elements(self.dtype, &shape, elements)])
    }
}
