//! What a rule sees: one node, the gradients of its outputs, and the graph it adds to.

use satura_ir::ops::{self, ReduceKind};
use satura_ir::{Emit, Graph, Op, OpError, ValueId};
use satura_tensor::{DType, Dim, Shape};

/// A value that was added, or why not.
pub(crate) type Emitted = Result<ValueId, OpError>;

/// The gradient of each input; `None` where the output does not depend on it, or nobody asked.
pub(crate) type Gradients = Result<Vec<Option<ValueId>>, OpError>;

/// One node while its rule runs.
pub(crate) struct Vjp<'a> {
    pub(crate) graph: &'a mut Graph,
    /// The inputs of the node.
    pub(crate) inputs: &'a [ValueId],
    /// Its outputs.
    pub(crate) outputs: &'a [ValueId],
    /// The gradient of its first output.
    pub(crate) gradient: ValueId,
    /// For each input, whether its gradient is wanted.
    pub(crate) wanted: &'a [bool],
}

macro_rules! binary {
    ($($name:ident $op:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        pub(crate) fn $name(&mut self, a: ValueId, b: ValueId) -> Emitted {
            self.one(ops::$op {}, &[a, b])
        }
    )*};
}

impl Vjp<'_> {
    binary! {
        add Add "`a + b`.";
        sub Sub "`a - b`.";
        mul Mul "`a * b`.";
        div Div "`a / b`.";
        less Less "`a < b`.";
        equal Equal "`a == b`.";
    }

    fn emitter(&mut self) -> &mut dyn Emit {
        self.graph
    }

    pub(crate) fn one(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Emitted {
        self.emitter().one(op, inputs)
    }

    pub(crate) fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Emitted {
        self.one(ops::Select {}, &[condition, a, b])
    }

    /// A scalar of the dtype of `like`.
    pub(crate) fn scalar(&mut self, like: ValueId, value: f64) -> Emitted {
        self.emitter().scalar_like(like, value)
    }

    /// `x * factor`.
    pub(crate) fn scaled(&mut self, x: ValueId, factor: f64) -> Emitted {
        let factor = self.scalar(x, factor)?;
        self.mul(x, factor)
    }

    pub(crate) fn neg(&mut self, x: ValueId) -> Emitted {
        self.one(ops::Neg {}, &[x])
    }

    /// Truth as 1 and 0, of the dtype of `like`.
    pub(crate) fn indicator(&mut self, truth: ValueId, like: ValueId) -> Emitted {
        let to = self.dtype(like)?;
        self.one(ops::Cast { to }, &[truth])
    }

    pub(crate) fn dtype(&self, x: ValueId) -> Result<DType, OpError> {
        self.graph.ty(x).dtype().ok_or_else(|| OpError::dtype("a tensor is expected"))
    }

    pub(crate) fn shape(&self, x: ValueId) -> Result<Shape, OpError> {
        let shape = self.graph.ty(x).shape().cloned();
        shape.ok_or_else(|| OpError::unknown("the rank of a value is not known"))
    }

    /// The value in another shape of as many elements; itself if it has it.
    pub(crate) fn reshape(&mut self, x: ValueId, shape: Shape) -> Emitted {
        if shape.is_known() && self.shape(x)? == shape {
            Ok(x)
        } else {
            self.one(ops::Reshape { shape }, &[x])
        }
    }

    pub(crate) fn broadcast(&mut self, x: ValueId, shape: Shape) -> Emitted {
        if shape.is_known() && self.shape(x)? == shape {
            Ok(x)
        } else {
            self.one(ops::Broadcast { shape }, &[x])
        }
    }

    pub(crate) fn transpose(&mut self, x: ValueId, perm: Vec<usize>) -> Emitted {
        self.one(ops::Transpose { perm }, &[x])
    }

    /// A number everywhere, of a shape and of the dtype of `like`.
    pub(crate) fn filled(&mut self, like: ValueId, shape: Shape, value: f64) -> Emitted {
        let value = self.scalar(like, value)?;
        self.broadcast(value, shape)
    }

    /// The sum over some axes, which go.
    pub(crate) fn sum(&mut self, x: ValueId, axes: Vec<usize>) -> Emitted {
        if axes.is_empty() {
            return Ok(x);
        }
        let axes = axes.into_iter().map(|axis| axis as i64).collect();
        self.one(ops::Reduce { kind: ReduceKind::Sum, axes: Some(axes), keep: false }, &[x])
    }

    /// The gradient of a value that was broadcast: the sum over all copies of each element.
    pub(crate) fn unbroadcast(&mut self, gradient: ValueId, of: ValueId) -> Emitted {
        let (from, to) = (self.shape(gradient)?, self.shape(of)?);
        if from == to && to.is_known() {
            return Ok(gradient);
        }
        let new = from.len().checked_sub(to.len());
        let new = new.ok_or_else(|| OpError::shape(format!("{to} was not broadcast to {from}")))?;
        let mut axes: Vec<usize> = (0..new).collect();
        for (axis, extent) in to.iter().enumerate() {
            let repeated = &from[new + axis];
            if extent == repeated && extent.is_known() {
                continue;
            }
            if !extent.is(1) {
                let message = format!("whether extent {extent} is repeated to {repeated} is not known");
                return Err(OpError::unknown(message));
            }
            axes.push(new + axis);
        }
        let sum = self.sum(gradient, axes)?;
        self.reshape(sum, to)
    }

    /// Consecutive elements of one axis.
    pub(crate) fn part(&mut self, x: ValueId, axis: usize, start: Dim, size: Dim) -> Emitted {
        let mut sizes = self.shape(x)?.0;
        let mut starts = vec![Dim::from(0); sizes.len()];
        let steps = vec![1; sizes.len()];
        starts[axis] = start;
        sizes[axis] = size;
        self.one(ops::Slice { starts, sizes, steps }, &[x])
    }

    /// The gradients of an op of one input.
    pub(crate) fn single(x: ValueId) -> Gradients {
        Ok(vec![Some(x)])
    }
}
