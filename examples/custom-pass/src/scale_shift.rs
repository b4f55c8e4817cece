//! The op `example.scale_shift`.

use satura_ir::attr::{AttrText, AttrValue, Real};
use satura_ir::{Arity, ConstStore, Custom, CustomOp, Emit, InferCx, OpError, Type, ValueId, ops};

/// `x * scale + shift`, elementwise. Floats of any shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleShift {
    /// The factor.
    pub scale: Real,
    /// What is added.
    pub shift: Real,
}

impl ScaleShift {
    /// The name in the text form.
    pub const NAME: &'static str = "example.scale_shift";

    pub(crate) fn parse(mut text: AttrText, store: &ConstStore) -> Result<Custom, String> {
        let op = ScaleShift { scale: text.take("scale", store)?, shift: text.take("shift", store)? };
        text.finish()?;
        Ok(Custom::new(op))
    }
}

impl CustomOp for ScaleShift {
    fn name(&self) -> &str {
        ScaleShift::NAME
    }

    fn attrs(&self) -> Vec<(&'static str, String)> {
        vec![("scale", self.scale.print()), ("shift", self.shift.print())]
    }

    fn arity(&self) -> Arity {
        1..=1
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let dtype = cx.dtype(0)?;
        if dtype.is_float() {
            Ok(vec![cx.ty(0).clone()])
        } else {
            Err(OpError::dtype(format!("{} does not take {dtype}", ScaleShift::NAME)))
        }
    }

    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let scale = cx.scalar_like(inputs[0], self.scale.get())?;
        let scaled = cx.one(ops::Mul {}, &[inputs[0], scale])?;
        let shift = cx.scalar_like(inputs[0], self.shift.get())?;
        Ok(vec![cx.one(ops::Add {}, &[scaled, shift])?])
    }
}
