//! A tensor as a sequence of its parts.

use super::{axis_index, support};
use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{DType, Dim, Elements, Tensor};

crate::op_struct! {
    /// The parts of a tensor (input 0) along an axis. Input 1 says how large: one integer for parts of that extent, of which the last may be smaller, or the extents of all parts. Without it
    /// each part has extent 1, and the axis is dropped unless `keep` is set.
    pub struct SeqSplit {
        /// The axis; from the end where negative.
        pub axis: i64,
        /// Without input 1: whether the axis stays, with extent 1.
        pub keep: bool,
    }
}

impl OpDef for SeqSplit {
    const NAME: &'static str = "seq_split";

    fn arity(&self) -> Arity {
        1..=2
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let dtype = cx.dtype(0)?;
        if cx.len() == 2 && !matches!(cx.dtype(1)?, DType::I32 | DType::I64) {
            return Err(OpError::dtype(format!("the extents must be i32 or i64, they are {}", cx.dtype(1)?)));
        }
        let item = match cx.ty(0).shape() {
            None => Type::unranked(dtype),
            Some(shape) => {
                let axis = axis_index(self.axis, shape.len())?;
                let mut dims = shape.0.clone();
                match (cx.len(), self.keep) {
                    (1, false) => {
                        dims.remove(axis);
                        Type::tensor(dtype, dims)
                    }
                    (1, true) => {
                        dims[axis] = Dim::from(1);
                        Type::tensor(dtype, dims)
                    }
                    _ => {
                        dims[axis] = equal_extent(cx, &shape[axis]).unwrap_or_else(Dim::unknown);
                        Type::tensor(dtype, dims)
                    }
                }
            }
        };
        Ok(vec![Type::Sequence(Box::new(item))])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let x = inputs[0].clone().into_tensor()?;
        let axis = axis_index(self.axis, x.rank())?;
        let extent = x.shape()[axis];
        let extents = match inputs.get(1) {
            Some(extents) => extents_of(&extents.clone().into_tensor()?, extent)?,
            None => vec![1; extent],
        };
        if extents.iter().sum::<usize>() != extent {
            return Err(OpError::shape(format!("parts of extents {extents:?} do not make {extent}")));
        }
        let inner: usize = x.shape()[axis + 1..].iter().product();
        let mut start = 0;
        let mut parts = Vec::with_capacity(extents.len());
        for size in extents {
            let mut shape = x.shape().to_vec();
            shape[axis] = size;
            let row = size * inner;
            let part = x.rearranged(&shape, |i| (i / row * extent + start) * inner + i % row);
            start += size;
            if inputs.len() == 1 && !self.keep {
                shape.remove(axis);
            }
            let part =
                part.reshaped(&shape).ok_or_else(|| OpError::shape("a part of extent 1 is expected"))?;
            parts.push(Datum::Tensor(part));
        }
        Ok(vec![Datum::Sequence(parts)])
    }
}

/// The extent of every part, where they are all equal and that is known.
fn equal_extent(cx: &InferCx<'_>, whole: &Dim) -> Option<Dim> {
    let known = cx.known(1)?;
    let first = known.elements.first()?;
    if !known.shape.is_empty() {
        return known.elements.iter().all(|extent| extent == first).then(|| first.clone());
    }
    let (extent, whole) = (first.as_const()?, whole.as_const()?);
    (extent > 0 && whole % extent == 0).then(|| first.clone())
}

fn extents_of(tensor: &Tensor, whole: usize) -> Result<Vec<usize>, OpError> {
    let Elements::Int(numbers) = tensor.to_elements() else {
        return Err(OpError::dtype("the extents must be integers"));
    };
    let size =
        |n: &i128| usize::try_from(*n).map_err(|_| OpError::value(format!("extent {n} is out of range")));
    let sizes = numbers.iter().map(size).collect::<Result<Vec<usize>, _>>()?;
    match (tensor.rank(), &sizes[..]) {
        (0, [0]) => Err(OpError::value("parts of extent 0 have no end")),
        (0, [size]) => {
            let count = whole.div_ceil(*size);
            Ok((0..count).map(|i| (*size).min(whole - i * size)).collect())
        }
        (1, _) => support::bounded(sizes),
        _ => Err(OpError::shape("the extents must be one integer or a vector")),
    }
}
