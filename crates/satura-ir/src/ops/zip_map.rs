//! Rows of numbers as maps.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::DType;

crate::op_struct! {
    /// Each row of `x: [N, K]` (input 0; a vector is one row) as a map from the keys (input 1, a vector of K integers or strings) to its elements, scalars: a sequence of N maps.
    pub struct ZipMap {}
}

impl OpDef for ZipMap {
    const NAME: &'static str = "zip_map";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let (x, keys) = (cx.dtype(0)?, cx.dtype(1)?);
        if !(keys == DType::String || keys.is_int()) {
            return Err(OpError::dtype(format!("a map has integers or strings as keys, not {keys}")));
        }
        if let (Ok(x), Ok(keys)) = (cx.shape(0), cx.shape(1)) {
            let count = x.last().and_then(|d| d.as_const()).zip(keys.elements().as_const());
            if keys.len() != 1 || !matches!(x.len(), 1 | 2) || count.is_some_and(|(x, keys)| x != keys) {
                return Err(OpError::shape(format!("rows of {x} do not match keys {keys}")));
            }
        }
        Ok(vec![Type::Sequence(Box::new(Type::Map(keys, Box::new(Type::of(x, &[])))))])
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let (Some(x), Some(keys)) = (inputs[0].as_tensor(), inputs[1].as_tensor()) else {
            return Err(OpError::dtype("zip_map takes tensors"));
        };
        let width = keys.elements();
        let rows = match *x.shape() {
            [row] if row == width => 1,
            [rows, row] if row == width => rows,
            _ => {
                return Err(OpError::shape(format!("rows of {:?} do not match {width} keys", x.shape())));
            }
        };
        let row = |row: usize| Datum::Map {
            keys: keys.clone(),
            values: (0..width).map(|at| Datum::Tensor(x.rearranged(&[], |_| row * width + at))).collect(),
        };
        Ok(vec![Datum::Sequence((0..rows).map(row).collect())])
    }
}
