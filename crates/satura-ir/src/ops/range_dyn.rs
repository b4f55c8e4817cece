//! Arithmetic sequences.

use super::support::{bounded, check_scalar, exact};
use super::{Add, Const, Iota, Mul};
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, OpErrorKind, SymTensor, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// `start, start + delta, ..` as long as it is before `limit`: three scalars of one dtype, number; delta is not 0. A vector of `max(ceil((limit - start) / delta), 0)` elements.
    pub struct RangeDyn {}
}

/// The number of elements from bounds that are integers.
fn count(start: &Dim, limit: &Dim, delta: &Dim) -> Result<Dim, OpError> {
    let step = delta.as_const().ok_or_else(|| OpError::unknown(format!("the delta {delta} is not bound")))?;
    if step == 0 {
        return Err(OpError::value("the delta is 0"));
    }
    let (span, step) = if step > 0 {
        (limit.clone() - start.clone(), step)
    } else {
        (start.clone() - limit.clone(), step.saturating_neg())
    };
    Ok(span.ceil_div(&Dim::from(step)).maximum(&Dim::from(0)))
}

fn only(known: &SymTensor) -> Result<&Dim, OpError> {
    known.elements.first().ok_or_else(|| OpError::shape("a scalar is expected"))
}

impl OpDef for RangeDyn {
    const NAME: &'static str = "range_dyn";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.same_dtype(0)?;
        if dtype.is_float() || dtype.is_int() {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("range_dyn does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        for (i, what) in ["start", "limit", "delta"].into_iter().enumerate() {
            check_scalar(cx, i, what)?;
        }
        Ok(vec![Shape(vec![match count(&cx.scalar(0), &cx.scalar(1), &cx.scalar(2)) {
            Err(error) if error.kind == OpErrorKind::Unknown => Dim::unknown(),
            count => count?,
        }])])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let (start, limit, delta) =
            (only(cx.known(0)?).ok()?, only(cx.known(1)?).ok()?, only(cx.known(2)?).ok()?);
        let count = usize::try_from(count(start, limit, delta).ok()?.as_const()?).ok()?;
        if count > SymTensor::LIMIT {
            return None;
        }
        let element = |i: usize| exact(start.clone() + delta.clone() * Dim::from(i));
        Some(SymTensor::vector((0..count).map(element).collect::<Option<_>>()?))
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let dtype = inputs[0].dtype();
        if inputs.iter().any(|t| t.elements() != 1 || t.dtype() != dtype) {
            return Err(OpError::shape("start, limit and delta must be scalars of one dtype"));
        }
        let zero = || OpError::value("the delta is 0");
        let too_long = || OpError::limit("the sequence is too long");
        let elements = match (inputs[0].to_elements(), inputs[1].to_elements(), inputs[2].to_elements()) {
            (Elements::Int(start), Elements::Int(limit), Elements::Int(delta)) => {
                let (start, limit, delta) = (start[0], limit[0], delta[0]);
                if delta == 0 {
                    return Err(zero());
                }
                let (span, step) = if delta > 0 { (limit - start, delta) } else { (start - limit, -delta) };
                let count = usize::try_from((span.max(0) + step - 1) / step).map_err(|_| too_long())?;
                bounded(vec![count])?;
                Elements::Int((0..count).map(|i| start + i as i128 * delta).collect())
            }
            (Elements::Float(start), Elements::Float(limit), Elements::Float(delta)) => {
                let (start, limit, delta) = (start[0], limit[0], delta[0]);
                if delta == 0.0 {
                    return Err(zero());
                }
                let count = ((limit - start) / delta).ceil().max(0.0);
                if !count.is_finite() {
                    return Err(too_long());
                }
                let count = count as usize;
                bounded(vec![count])?;
                Elements::Float((0..count).map(|i| start + i as f64 * delta).collect())
            }
            _ => return Err(OpError::dtype(format!("range_dyn does not take {dtype}"))),
        };
        Ok(vec![Tensor::from_elements(dtype, &[elements.len()], elements)])
    }
}

impl Composite for RangeDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [start, limit, delta] = inputs else { return Err(OpError::arity("three inputs expected")) };
        // Constants of any dtype give the elements at once: floats are not among the values that inference tracks.
        if let (Some(a), Some(b), Some(c)) =
            (cx.constant_of(*start), cx.constant_of(*limit), cx.constant_of(*delta))
        {
            let value = self.eval(&[a.clone(), b.clone(), c.clone()], &EvalCx::new())?.swap_remove(0);
            return Ok(vec![cx.one(Const { value }, &[])?]);
        }
        let known = |v: ValueId| cx.known(v).ok_or_else(|| OpError::unknown("the bounds are not known"));
        let count = count(only(known(*start)?)?, only(known(*limit)?)?, only(known(*delta)?)?)?;
        let index = cx.one(Iota { dtype: cx.dtype(*start)?, shape: Shape(vec![count]), axis: 0 }, &[])?;
        let scaled = cx.one(Mul {}, &[index, *delta])?;
        Ok(vec![cx.one(Add {}, &[scaled, *start])?])
    }
}
