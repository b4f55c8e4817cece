//! Matrix product.

use super::support::positions_in;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor, broadcast_dims, broadcast_sizes};

crate::op_struct! {
    /// `out[.., m, n] = sum_k a[.., m, k] * b[.., k, n]`: `a: [.., M, K]`, `b: [.., K, N]`, the leading axes broadcast. Both of rank 2 or more, numbers of one dtype;
    /// floats are summed in f64, integers wrap.
    pub struct MatMul {}
}

impl OpDef for MatMul {
    const NAME: &'static str = "matmul";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.same_dtype(0)?;
        if dtype.is_float() || dtype.is_int() {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("matmul does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let (a, b) = (cx.shape(0)?, cx.shape(1)?);
        let ([batch_a @ .., m, k], [batch_b @ .., k2, n]) = (&a[..], &b[..]) else {
            return Err(OpError::shape(format!("matmul takes tensors of rank 2 or more, got {a} and {b}")));
        };
        if let (Some(x), Some(y)) = (k.as_const(), k2.as_const())
            && x != y
        {
            return Err(OpError::shape(format!("{a} has {x} columns, {b} has {y} rows")));
        }
        let mut shape = broadcast_dims(batch_a, batch_b)
            .map_err(|_| OpError::shape(format!("the leading axes of {a} and {b} do not broadcast")))?;
        shape.0.extend([m.clone(), n.clone()]);
        Ok(vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let ([batch_a @ .., m, k], [batch_b @ .., k2, n]) = (a.shape(), b.shape()) else {
            return Err(OpError::shape("matmul takes tensors of rank 2 or more"));
        };
        let batch = broadcast_sizes(batch_a, batch_b)
            .filter(|_| k == k2)
            .ok_or_else(|| OpError::shape(format!("{:?} and {:?} do not fit", a.shape(), b.shape())))?;
        let (at_a, at_b) = (positions_in(batch_a, &batch), positions_in(batch_b, &batch));
        let shape = [&batch[..], &[*m, *n]].concat();
        let offsets = at_a.iter().zip(&at_b).map(|(x, y)| (x * m * k, y * k * n));
        let elements = match (a.to_elements(), b.to_elements()) {
            (Elements::Float(x), Elements::Float(y)) => {
                Elements::Float(product(&x, &y, offsets, [*m, *k, *n], 0.0, |s, p, q| s + p * q))
            }
            (Elements::Int(x), Elements::Int(y)) => {
                let dtype = a.dtype();
                let step = move |s: i128, p: i128, q: i128| {
                    super::reduce::wrap(s.wrapping_add(p.wrapping_mul(q)), dtype)
                };
                Elements::Int(product(&x, &y, offsets, [*m, *k, *n], 0, step))
            }
            _ => return Err(OpError::dtype(format!("matmul does not take {}", a.dtype()))),
        };
        Ok(vec![Tensor::from_elements(a.dtype(), &shape, elements)])
    }
}

fn product<T: Copy>(
    a: &[T],
    b: &[T],
    offsets: impl Iterator<Item = (usize, usize)>,
    [rows, inner, columns]: [usize; 3],
    zero: T,
    step: impl Fn(T, T, T) -> T,
) -> Vec<T> {
    let mut out = Vec::new();
    for (at_a, at_b) in offsets {
        for m in 0..rows {
            let mut row = vec![zero; columns];
            for k in 0..inner {
                let factor = a[at_a + m * inner + k];
                let b_row = &b[at_b + k * columns..at_b + (k + 1) * columns];
                row.iter_mut().zip(b_row).for_each(|(sum, y)| *sum = step(*sum, factor, *y));
            }
            out.extend(row);
        }
    }
    out
}
