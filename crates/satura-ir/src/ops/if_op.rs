//! Conditional execution.

use crate::{Arity, Datum, EvalCx, InferCx, OpDef, OpError, SymTensor, Type};
use satura_tensor::{DType, Elements};

crate::op_struct! {
    /// Runs region 0 if the condition (input 0, a bool scalar) is true, else region 1. Both take the remaining inputs and give the node's outputs.
    pub struct If {
        /// The number of outputs.
        pub results: usize,
    }
}

impl If {
    /// The region that runs, where the condition is known. The other one need not fit the types of its inputs.
    pub fn taken(condition: Option<&SymTensor>) -> Option<usize> {
        let value = condition?.elements.first()?.as_const()?;
        Some(usize::from(value == 0))
    }
}

impl OpDef for If {
    const NAME: &'static str = "if";

    fn arity(&self) -> Arity {
        1..=usize::MAX
    }

    fn outputs(&self) -> usize {
        self.results
    }

    fn regions(&self) -> usize {
        2
    }

    fn capture(&self, _region: usize, index: usize) -> Option<usize> {
        Some(index + 1)
    }

    /// What both regions agree on: an extent that differs becomes unknown, as does the rank. Where the condition is known, the types of its region.
    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        if cx.dtype(0)? != DType::Bool {
            return Err(OpError::dtype(format!("the condition must be bool, it is {}", cx.ty(0))));
        }
        for (name, region) in ["then", "else"].iter().zip(cx.regions()) {
            if region.inputs().len() + 1 != cx.len() || region.outputs().len() != self.results {
                return Err(OpError::arity(format!(
                    "region `{name}` has {} inputs and {} outputs, the node passes {} and expects {}",
                    region.inputs().len(),
                    region.outputs().len(),
                    cx.len() - 1,
                    self.results
                )));
            }
        }
        let [then, other] = cx.regions() else { return Err(OpError::arity("two regions expected")) };
        let taken = If::taken(cx.known(0));
        (0..self.results)
            .map(|i| {
                let (a, b) = (then.ty(then.outputs()[i].value), other.ty(other.outputs()[i].value));
                match taken {
                    Some(0) => Ok(a.clone()),
                    Some(_) => Ok(b.clone()),
                    None => a.join(b).ok_or_else(|| {
                        OpError::dtype(format!("output {i} is {a} in `then` and {b} in `else`"))
                    }),
                }
            })
            .collect()
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let region = &cx.regions()[If::taken(cx.known(0))?];
        region.value(region.outputs().first()?.value).known.clone()
    }

    fn eval_data(&self, inputs: &[Datum], cx: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let condition = match inputs[0].clone().into_tensor()?.to_elements() {
            Elements::Bool(v) if v.len() == 1 => v[0],
            _ => return Err(OpError::value("the condition must be one bool")),
        };
        cx.run_data(&cx.regions()[usize::from(!condition)], &inputs[1..])
    }
}
