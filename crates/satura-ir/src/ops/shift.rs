//! Shifts of bits.

use super::arith::{below, div, less, mul, select, sub};
use super::support::{Zip, broadcast_shape, zip_elements};
use super::{Max, Min, Pow, Rem, RemKind};
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Shape, Tensor};

crate::attr_enum! {
    /// Where bits move.
    pub enum ShiftKind {
        /// To the higher places; zeros come in.
        Left = "left",
        /// To the lower places; copies of the sign come in, zeros where there is no sign.
        Right = "right",
    }
}

crate::op_struct! {
    /// Moves the bits of input 0 by as many places as input 1 says, elementwise with broadcasting. Integers of one dtype. A distance below 0 or of the dtype's width or more moves
    /// every bit out.
    pub struct Shift {
        /// Where bits move.
        pub kind: ShiftKind,
    }
}

impl OpDef for Shift {
    const NAME: &'static str = "shift";
    const ALGEBRA: Algebra = Algebra::ELEMENTWISE;

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.same_dtype(0)?;
        if dtype.is_int() {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("shift does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        broadcast_shape(cx)
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let int = match self.kind {
            ShiftKind::Left => |x: i128, by: i128, dtype| Ok(distance(by, dtype).map_or(0, |by| x << by)),
            ShiftKind::Right => |x: i128, by: i128, dtype| {
                Ok(distance(by, dtype).map_or(if x < 0 { -1 } else { 0 }, |by| x >> by))
            },
        };
        zip_elements(Self::NAME, inputs, Zip { int: Some(int), ..Zip::default() })
    }
}

/// The distance, unless every bit moves out.
fn distance(by: i128, dtype: DType) -> Option<u32> {
    u32::try_from(by).ok().filter(|by| (*by as usize) < dtype.bits())
}

impl Composite for Shift {
    /// By products with and quotients by powers of two.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, by] = inputs else { return Err(OpError::arity("two inputs expected")) };
        let dtype = cx.dtype(*x)?;
        let (least, _) =
            dtype.int_range().ok_or_else(|| OpError::dtype(format!("shift does not take {dtype}")))?;
        let signed = least < 0;
        // The last place of a signed integer is its sign: 2 to that power is no positive number. Moving everything but the sign out gives the same as moving one place less far.
        let kept_sign = signed && self.kind == ShiftKind::Right;
        let farthest = (dtype.bits() - if kept_sign { 2 } else { 1 }) as f64;
        let greatest = cx.scalar_like(*x, farthest)?;
        let beyond = less(cx, greatest, *by)?;
        let mut distance = cx.one(Min {}, &[*by, greatest])?;
        let zero = cx.scalar_like(*x, 0.0)?;
        if signed {
            distance = cx.one(Max {}, &[distance, zero])?;
        }
        let two = cx.scalar_like(*x, 2.0)?;
        let power = cx.one(Pow {}, &[two, distance])?;
        let (moved, gone) = match self.kind {
            ShiftKind::Left => (mul(cx, *x, power)?, zero),
            ShiftKind::Right if signed => {
                let rest = cx.one(Rem { kind: RemKind::Floor }, &[*x, power])?;
                let multiple = sub(cx, *x, rest)?;
                let ones = cx.scalar_like(*x, -1.0)?;
                let negative = less(cx, *x, zero)?;
                (div(cx, multiple, power)?, select(cx, negative, ones, zero)?)
            }
            ShiftKind::Right => (div(cx, *x, power)?, zero),
        };
        let result = select(cx, beyond, gone, moved)?;
        if !signed {
            return Ok(vec![result]);
        }
        let backwards = below(cx, *by, 0.0)?;
        Ok(vec![select(cx, backwards, gone, result)?])
    }
}
