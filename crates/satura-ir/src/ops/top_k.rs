//! The greatest or least elements along an axis.

use super::checks::{indices, output_sizes};
use super::ordering::compare;
use super::{axis_index, support::check_scalar};
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// The `k` greatest (or least) elements along an axis, in order, and their positions (i64): `x: [.., n, ..]` (input 0), `k` (input 1, an i64 scalar from 0 to `n`). Of equal
    /// elements the one with the lower position comes first; NaN is above every number. Any dtype.
    pub struct TopK {
        /// The axis; negative counts from the back.
        pub axis: i64,
        /// Whether the greatest elements are wanted.
        pub largest: bool,
    }
}

impl TopK {
    fn shape(&self, x: &Shape, k: Dim) -> Result<Shape, OpError> {
        let axis = axis_index(self.axis, x.len())?;
        if let (Some(k), Some(n)) = (k.as_const(), x[axis].as_const())
            && !(0..=n).contains(&k)
        {
            return Err(OpError::value(format!("{k} elements are wanted of axis {axis}, which has {n}")));
        }
        let mut shape = x.clone();
        shape.0[axis] = k;
        Ok(shape)
    }
}

impl OpDef for TopK {
    const NAME: &'static str = "top_k";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn outputs(&self) -> usize {
        2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        if cx.dtype(1)? != DType::I64 {
            return Err(OpError::dtype(format!("the number of elements must be i64, it is {}", cx.ty(1))));
        }
        Ok(vec![cx.dtype(0)?, DType::I64])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        check_scalar(cx, 1, "the number of elements")?;
        let shape = self.shape(cx.shape(0)?, cx.scalar(1))?;
        Ok(vec![shape.clone(), shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let k = match indices(Self::NAME, &inputs[1])?[..] {
            [k] => i64::try_from(k).map_err(|_| OpError::value(format!("{k} elements are wanted")))?,
            _ => return Err(OpError::shape("the number of elements must be a scalar")),
        };
        let axis = axis_index(self.axis, x.rank())?;
        let sizes = output_sizes(&self.shape(&Shape::of(x.shape()), Dim::from(k))?)?;
        let (n, k) = (x.shape()[axis], sizes[axis]);
        let inner: usize = x.shape()[axis + 1..].iter().product();
        let outer: usize = x.shape()[..axis].iter().product();
        let elements = x.to_elements();
        let mut sources = vec![0; sizes.iter().product()];
        let mut positions = vec![0i64; sources.len()];
        for block in 0..outer * inner {
            let (o, i) = (block / inner, block % inner);
            let at = |j: &usize| (o * n + j) * inner + i;
            let mut order: Vec<usize> = (0..n).collect();
            // The sort is stable: equal elements keep their order.
            order.sort_by(|a, b| {
                let rising = compare(&elements, at(a), at(b));
                if self.largest { rising.reverse() } else { rising }
            });
            for (rank, j) in order[..k].iter().enumerate() {
                let to = (o * k + rank) * inner + i;
                sources[to] = at(j);
                positions[to] = *j as i64;
            }
        }
        Ok(vec![x.rearranged(&sizes, |i| sources[i]), Tensor::from_vec(positions, &sizes)])
    }
}
