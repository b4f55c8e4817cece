//! The ops: one file each, and the one list.

#[macro_use]
mod support;

mod add;
mod cast;
mod concat;
mod constant;
mod div;
mod exp;
mod if_op;
mod matmul;
mod max;
mod reduce;
mod relu;
mod reshape;
mod select;
mod softmax;
mod sub;
mod transpose;

pub use add::Add;
pub use cast::Cast;
pub use concat::Concat;
pub use constant::Const;
pub use div::Div;
pub use exp::Exp;
pub use if_op::If;
pub use matmul::MatMul;
pub use max::Max;
pub use reduce::{Reduce, ReduceKind};
pub use relu::Relu;
pub use reshape::Reshape;
pub use select::Select;
pub use softmax::Softmax;
pub use sub::Sub;
pub use support::{axis_index, axis_indices};
pub use transpose::Transpose;

use crate::attr::{AttrText, Attrs};
use crate::op::{Algebra, Arity, Composite, OpDef, ops};
use crate::{ConstStore, Emit, EvalCx, InferCx, OpError, SymTensor, Type, ValueId};
use satura_tensor::Tensor;

// The only list of ops. A primitive is what every back end must implement; a composite decomposes.
ops! {
    primitive:
        constant::Const,
        // Elementwise.
        add::Add, sub::Sub, div::Div, max::Max, exp::Exp, select::Select, cast::Cast,
        // Movement.
        reshape::Reshape, transpose::Transpose, concat::Concat,
        // Reductions and contractions.
        reduce::Reduce, matmul::MatMul,
        // Control flow.
        if_op::If;
    composite:
        // Activations.
        relu::Relu,
        // Normalisation.
        softmax::Softmax;
}
