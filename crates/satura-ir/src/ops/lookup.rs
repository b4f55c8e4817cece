//! Looking elements up in a table.

use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};
use std::collections::HashMap;
use std::hash::Hash;

crate::op_struct! {
    /// For each element of `x` (input 0) the value whose key equals it: keys (input 1) and values (input 2) are vectors of one length, the keys of the dtype of `x`. What is no
    /// key becomes input 3, a scalar of the dtype of the values. Of equal keys the last one counts; NaN is a key like any other, and zeros are equal. Floats, integers, bools
    /// and strings; values of any dtype.
    pub struct Lookup {}
}

impl OpDef for Lookup {
    const NAME: &'static str = "lookup";

    fn arity(&self) -> Arity {
        4..=4
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let (x, keys, values, default) = (cx.dtype(0)?, cx.dtype(1)?, cx.dtype(2)?, cx.dtype(3)?);
        if x.is_complex() || x != keys {
            return Err(OpError::dtype(format!("{x} cannot be looked up among keys of {keys}")));
        }
        if values != default {
            return Err(OpError::dtype(format!(
                "the values are {values}, what stands for no key is {default}"
            )));
        }
        Ok(vec![values])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        if let (Ok(keys), Ok(values)) = (cx.shape(1), cx.shape(2)) {
            let lengths = keys.elements().as_const().zip(values.elements().as_const());
            if keys.len() != 1 || values.len() != 1 || lengths.is_some_and(|(k, v)| k != v) {
                return Err(OpError::shape(format!(
                    "keys {keys} and values {values} must be vectors of one length"
                )));
            }
        }
        if let Ok(default) = cx.shape(3)
            && !default.is_empty()
        {
            return Err(OpError::shape(format!("what stands for no key must be a scalar, it is {default}")));
        }
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, keys, values, default] = inputs else { return Err(OpError::arity("4 inputs expected")) };
        if keys.rank() != 1 || values.shape() != keys.shape() || default.rank() != 0 {
            return Err(OpError::shape("keys and values must be vectors of one length"));
        }
        let found = match (x.to_elements(), keys.to_elements()) {
            (Elements::Float(x), Elements::Float(keys)) => {
                positions(x.into_iter().map(float_key), keys.into_iter().map(float_key))
            }
            (Elements::Int(x), Elements::Int(keys)) => positions(x.into_iter(), keys.into_iter()),
            (Elements::Bool(x), Elements::Bool(keys)) => positions(x.into_iter(), keys.into_iter()),
            (Elements::String(x), Elements::String(keys)) => positions(x.into_iter(), keys.into_iter()),
            _ => return Err(OpError::dtype(format!("{} among keys of {}", x.dtype(), keys.dtype()))),
        };
        // The default stands behind the values.
        let all = super::support::join(&[
            values.clone(),
            default.reshaped(&[1]).unwrap_or_else(|| default.clone()),
        ])?;
        let last = values.elements();
        Ok(vec![all.rearranged(x.shape(), |at| found[at].unwrap_or(last))])
    }
}

/// Where each element is among the keys.
fn positions<K: Eq + Hash>(x: impl Iterator<Item = K>, keys: impl Iterator<Item = K>) -> Vec<Option<usize>> {
    let table: HashMap<K, usize> = keys.enumerate().map(|(at, key)| (key, at)).collect();
    x.map(|element| table.get(&element).copied()).collect()
}

/// The bits of a number, with one NaN and one zero.
fn float_key(x: f64) -> u64 {
    if x.is_nan() {
        f64::NAN.to_bits()
    } else if x == 0.0 {
        0
    } else {
        x.to_bits()
    }
}
