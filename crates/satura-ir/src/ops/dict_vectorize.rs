//! A map as a row of numbers.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, Type};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// The values of a map (input 0) in the order of a vocabulary (input 1, a vector of its keys' dtype): `[1, K]`; 0, or no text, where a key is missing. The values of the map are
    /// tensors of one element.
    pub struct DictVectorize {}
}

fn value_dtype(ty: &Type) -> Result<(DType, DType), OpError> {
    match ty {
        Type::Map(key, value) => match value.dtype() {
            Some(value) => Ok((*key, value)),
            None => Err(OpError::dtype(format!("a map to tensors is expected, it is {ty}"))),
        },
        other => Err(OpError::dtype(format!("a map is expected, got {other}"))),
    }
}

impl OpDef for DictVectorize {
    const NAME: &'static str = "dict_vectorize";

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let (key, value) = value_dtype(cx.ty(0))?;
        let vocabulary = cx.dtype(1)?;
        if key != vocabulary {
            return Err(OpError::dtype(format!("the keys are {key}, the vocabulary is {vocabulary}")));
        }
        Ok(vec![value])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let vocabulary = cx.shape(1)?;
        match &vocabulary[..] {
            [count] => Ok(vec![Shape(vec![1.into(), count.clone()])]),
            _ => Err(OpError::shape(format!("the vocabulary must be a vector, it is {vocabulary}"))),
        }
    }

    fn eval_data(&self, inputs: &[Datum], _: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let (Datum::Map { keys, values }, Some(vocabulary)) = (&inputs[0], inputs[1].as_tensor()) else {
            return Err(OpError::dtype("dict_vectorize takes a map and a vector"));
        };
        let (known, wanted) = (texts(keys), texts(vocabulary));
        let mut row = Vec::with_capacity(wanted.len());
        for word in &wanted {
            let Some(at) = known.iter().position(|key| key == word) else {
                row.push(None);
                continue;
            };
            match values.get(at).and_then(Datum::as_tensor).and_then(|tensor| tensor.reshaped(&[1])) {
                Some(tensor) => row.push(Some(tensor)),
                None => return Err(OpError::value("a value of the map is not one number")),
            }
        }
        let Some(dtype) = values.iter().find_map(Datum::as_tensor).map(Tensor::dtype) else {
            return Err(OpError::value("the map is empty: its values have no dtype"));
        };
        let missing = if dtype == DType::String {
            Tensor::from_strings(vec![Box::default()], &[1])
        } else {
            satura_tensor::cast(&Tensor::from_vec(vec![0i64], &[1]), dtype)
                .ok_or_else(|| OpError::dtype(format!("{dtype} has no numbers")))?
        };
        let parts: Vec<Tensor> =
            row.into_iter().map(|part| part.unwrap_or_else(|| missing.clone())).collect();
        let all = match parts[..] {
            [] => missing.rearranged(&[0], |_| 0),
            _ => super::support::join(&parts)?,
        };
        let width = all.elements();
        let row = all.reshaped(&[1, width]).ok_or_else(|| OpError::shape("the row has another length"))?;
        Ok(vec![Datum::Tensor(row)])
    }
}

/// Keys in a form that compares.
fn texts(keys: &Tensor) -> Vec<Vec<u8>> {
    match keys.to_elements() {
        Elements::String(v) => v.into_iter().map(|text| text.into_vec()).collect(),
        Elements::Int(v) => v.into_iter().map(|number| number.to_le_bytes().to_vec()).collect(),
        Elements::Float(_) | Elements::Bool(_) | Elements::Complex(_) => Vec::new(),
    }
}
