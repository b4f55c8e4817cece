//! Remainder.

use super::support::{Zip, broadcast_shape, known_elementwise, zip_elements};
use crate::{Algebra, Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::attr_enum! {
    /// How the quotient is rounded, and so which sign a remainder has.
    pub enum RemKind {
        /// Down: the remainder has the sign of the divisor.
        Floor = "floor",
        /// Towards zero: the remainder has the sign of the dividend.
        Trunc = "trunc",
    }
}

crate::op_struct! {
    /// `a - b * q`, `q` being the rounded quotient, elementwise with broadcasting. Numbers; an integer divided by zero is an error, a float gives NaN.
    pub struct Rem {
        /// How the quotient is rounded.
        pub kind: RemKind,
    }
}

impl OpDef for Rem {
    const NAME: &'static str = "rem";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.same_dtype(0)?;
        if dtype.is_float() || dtype.is_int() {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("rem does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        broadcast_shape(cx)
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        known_elementwise(cx, |x| match (self.kind, x[0].as_const(), x[1].as_const()) {
            (_, _, Some(0)) => None,
            (RemKind::Trunc, Some(a), Some(b)) => a.checked_rem(b).map(Dim::from),
            (RemKind::Floor, ..) => {
                (x[1].is_positive() || x[1].as_const().is_some()).then(|| x[0].modulo(x[1]))
            }
            // Where neither is negative the two kinds are the same.
            (RemKind::Trunc, ..) => (x[0].is_non_negative() && x[1].is_positive()).then(|| x[0].modulo(x[1])),
        })
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let zip = match self.kind {
            RemKind::Floor => Zip {
                float: Some(floor_float),
                int: Some(|a, b, _| {
                    remainder(a, b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r })
                }),
                ..Zip::default()
            },
            RemKind::Trunc => {
                Zip { float: Some(|a, b| a % b), int: Some(|a, b, _| remainder(a, b)), ..Zip::default() }
            }
        };
        zip_elements("rem", inputs, zip)
    }
}

fn remainder(a: i128, b: i128) -> Result<i128, OpError> {
    if b == 0 { Err(OpError::value("division by zero")) } else { Ok(a % b) }
}

fn floor_float(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r == 0.0 {
        0f64.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}
