//! What rules ask about values and constants.

use satura_ir::{EvalCx, Op};
use satura_pass::{Skip, View};
use satura_tensor::{Elements, Shape, Tensor};

use satura_ir::ValueId;

/// Evaluates an op on constants.
pub(crate) fn eval_one(op: impl Into<Op>, inputs: &[Tensor]) -> Result<Tensor, Skip> {
    let mut outputs = op.into().eval(inputs, &EvalCx::new())?;
    if outputs.len() == 1 { Ok(outputs.remove(0)) } else { Err(Skip::CheckFailed("one output expected")) }
}

/// The one value that every element of a constant has: `Real` for floats, `Int` for integers and bools. `None` for empty constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Uniform {
    Real(f64),
    Int(i128),
}

impl Uniform {
    /// Whether it is the number 1.
    pub(crate) fn is_one(self) -> bool {
        self == Uniform::Real(1.0) || self == Uniform::Int(1)
    }

    /// Whether it is a zero, of that sign for floats.
    pub(crate) fn is_zero(self, negative: bool) -> bool {
        match self {
            Uniform::Real(x) => x == 0.0 && x.is_sign_negative() == negative,
            Uniform::Int(x) => x == 0,
        }
    }
}

/// The value that all elements of a constant share.
pub(crate) fn uniform(g: &View<'_>, value: ValueId) -> Option<Uniform> {
    let tensor = g.constant(value)?;
    // Looking at large constants costs more than it finds: what is uniform is a scalar or small.
    if tensor.elements() > 1 << 16 {
        return None;
    }
    match tensor.to_elements() {
        Elements::Float(v) => {
            let first = *v.first()?;
            v.iter().all(|x| x.to_bits() == first.to_bits()).then_some(Uniform::Real(first))
        }
        Elements::Int(v) => {
            let first = *v.first()?;
            v.iter().all(|x| *x == first).then_some(Uniform::Int(first))
        }
        Elements::Bool(v) => {
            let first = *v.first()?;
            v.iter().all(|x| *x == first).then_some(Uniform::Int(i128::from(first)))
        }
        Elements::Complex(_) | Elements::String(_) => None,
    }
}

/// The shape of two values, if it is known to be one for all values of the symbols.
pub(crate) fn same_shape<'g>(g: &'g View<'_>, a: ValueId, b: ValueId) -> Option<&'g Shape> {
    let shape = g.ty(a).shape().filter(|shape| shape.is_known())?;
    (g.ty(b).shape() == Some(shape)).then_some(shape)
}
