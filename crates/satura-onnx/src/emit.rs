//! Shorthand for the ops that many converters compose: one method adds one node.

use crate::node::NodeCx;
use satura_import::{Code, Diagnostic};
use satura_ir::ops::{self, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor, cast};

/// The value of a node, or why it cannot be.
pub(crate) type Emitted = Result<ValueId, Diagnostic>;

macro_rules! binary {
    ($($(#[$meta:meta])* $name:ident $op:ident;)*) => {$(
        $(#[$meta])*
        pub(crate) fn $name(&mut self, a: ValueId, b: ValueId) -> Emitted {
            self.one(ops::$op {}, &[a, b])
        }
    )*};
}

impl NodeCx<'_> {
    binary! {
        /// `a + b`.
        add Add;
        /// `a - b`.
        sub Sub;
        /// `a * b`.
        mul Mul;
        /// `a / b`.
        div Div;
        /// The greater one.
        max Max;
        /// The lesser one.
        min Min;
        /// `a < b`.
        less Less;
        /// `a <= b`.
        less_equal LessEqual;
        /// `a == b`.
        equal Equal;
        /// `a` and `b`.
        and And;
        /// The product of matrices.
        matmul MatMul;
    }

    /// An op of one input and no attributes.
    pub(crate) fn map(&mut self, op: impl Into<Op>, x: ValueId) -> Emitted {
        self.one(op, &[x])
    }

    /// `condition ? a : b`.
    pub(crate) fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Emitted {
        self.one(ops::Select {}, &[condition, a, b])
    }

    /// The value in that dtype; itself if it has it.
    pub(crate) fn cast(&mut self, x: ValueId, to: DType) -> Emitted {
        if self.dtype(x)? == to { Ok(x) } else { self.one(ops::Cast { to }, &[x]) }
    }

    /// A scalar constant.
    pub(crate) fn scalar(&mut self, dtype: DType, value: f64) -> Emitted {
        let tensor = cast(&Tensor::scalar(value), dtype)
            .ok_or_else(|| Diagnostic::error(Code::DType, format!("{dtype} has no numbers")))?;
        self.constant(tensor)
    }

    /// `x + value`.
    pub(crate) fn add_scalar(&mut self, x: ValueId, value: f64) -> Emitted {
        let value = self.scalar_like(x, value)?;
        self.add(x, value)
    }

    /// `x * factor`; `x` itself for a factor of 1.
    pub(crate) fn scale(&mut self, x: ValueId, factor: f64) -> Emitted {
        if factor == 1.0 {
            return Ok(x);
        }
        let factor = self.scalar_like(x, factor)?;
        self.mul(x, factor)
    }

    /// Limits to the range of two numbers.
    pub(crate) fn clip(&mut self, x: ValueId, least: f64, greatest: f64) -> Emitted {
        let (least, greatest) = (self.scalar_like(x, least)?, self.scalar_like(x, greatest)?);
        self.one(ops::Clip {}, &[x, least, greatest])
    }

    /// Whether a value is a constant whose elements are all 0.
    pub(crate) fn constant_is_zero(&self, value: ValueId) -> bool {
        self.graph.constant(value).is_some_and(|tensor| match tensor.to_elements() {
            Elements::Int(v) => v.iter().all(|x| *x == 0),
            Elements::Float(v) => v.iter().all(|x| *x == 0.0),
            Elements::Bool(_) | Elements::Complex(_) | Elements::String(_) => false,
        })
    }

    /// The extents of a value, which must be of known rank.
    pub(crate) fn dims(&self, x: ValueId, what_for: &str) -> Result<Vec<Dim>, Diagnostic> {
        self.need_rank(x, what_for)?;
        Ok(self.shape(x).map(|s| s.0.clone()).unwrap_or_default())
    }

    /// The extents of a value that must have that many axes.
    pub(crate) fn dims_of<const N: usize>(&self, x: ValueId, what: &str) -> Result<[Dim; N], Diagnostic> {
        let dims = self.dims(x, what)?;
        let rank = dims.len();
        <[Dim; N]>::try_from(dims)
            .map_err(|_| Diagnostic::error(Code::Shape, format!("{what} needs rank {N}, the rank is {rank}")))
    }

    /// An extent that must be constant.
    pub(crate) fn constant_dim(&self, dim: &Dim, what: &str) -> Result<usize, Diagnostic> {
        dim.as_const().and_then(|v| usize::try_from(v).ok()).ok_or_else(|| {
            Diagnostic::error(Code::NotConstant, format!("{what} must be a constant extent, it is {dim}"))
                .help("export the model with fixed sizes")
        })
    }

    /// The same elements in another shape; the value itself if it has it. One extent may be unknown beside constants: it is what is left.
    pub(crate) fn reshape(&mut self, x: ValueId, dims: Vec<Dim>) -> Emitted {
        let shape = Shape(dims);
        if shape.iter().filter(|dim| !dim.is_known()).count() == 1 {
            let extent =
                |dim: &Dim| if dim.is_known() { dim.as_const().filter(|d| *d > 0) } else { Some(-1) };
            if let Some(wanted) = shape.iter().map(extent).collect() {
                let wanted = self.vector(wanted)?;
                return self.one(ops::ReshapeDyn { allow_zero: false }, &[x, wanted]);
            }
        }
        if shape.is_known() && self.shape(x) == Some(&shape) {
            Ok(x)
        } else {
            self.one(ops::Reshape { shape }, &[x])
        }
    }

    /// Repeated to a shape; the value itself if it has it.
    pub(crate) fn broadcast(&mut self, x: ValueId, dims: Vec<Dim>) -> Emitted {
        let shape = Shape(dims);
        if shape.is_known() && self.shape(x) == Some(&shape) {
            Ok(x)
        } else {
            self.one(ops::Broadcast { shape }, &[x])
        }
    }

    /// The axes in another order.
    pub(crate) fn transpose(&mut self, x: ValueId, perm: &[usize]) -> Emitted {
        self.one(ops::Transpose { perm: perm.to_vec() }, &[x])
    }

    /// New axes of extent 1.
    pub(crate) fn unsqueeze(&mut self, x: ValueId, axes: &[i64]) -> Emitted {
        self.one(ops::Unsqueeze { axes: axes.to_vec() }, &[x])
    }

    /// Without axes of extent 1.
    pub(crate) fn squeeze(&mut self, x: ValueId, axes: &[i64]) -> Emitted {
        self.one(ops::Squeeze { axes: Some(axes.to_vec()) }, &[x])
    }

    /// A part of one axis.
    pub(crate) fn part(&mut self, x: ValueId, axis: usize, start: Dim, size: Dim) -> Emitted {
        self.steps(x, axis, start, size, 1)
    }

    /// A part of one axis, of which every `step`th element is taken.
    pub(crate) fn steps(&mut self, x: ValueId, axis: usize, start: Dim, size: Dim, step: i64) -> Emitted {
        let mut sizes = self.dims(x, "taking a part of it")?;
        let mut starts = vec![Dim::from(0); sizes.len()];
        let mut steps = vec![1; sizes.len()];
        let Some(extent) = sizes.get(axis) else {
            return Err(Diagnostic::error(Code::Shape, format!("there is no axis {axis}")));
        };
        if *extent == size && size.is_known() && step == 1 {
            return Ok(x);
        }
        let others_known = sizes.iter().enumerate().all(|(at, dim)| at == axis || dim.is_known());
        if let (false, Some(first), Some(count)) = (others_known, start.as_const(), size.as_const()) {
            // A walk to the front ends before position 0, which no bound says but one that is beyond every axis.
            let end = count.checked_mul(step).and_then(|span| span.checked_add(first)).unwrap_or(i64::MAX);
            let end = if end < 0 { i64::MIN } else { end };
            let (start, end) = (self.vector(vec![first])?, self.vector(vec![end])?);
            let axes = Some(vec![i64::try_from(axis).unwrap_or(i64::MAX)]);
            return self.one(ops::SliceDyn { axes, steps: Some(vec![step]) }, &[x, start, end]);
        }
        sizes[axis] = size;
        starts[axis] = start;
        steps[axis] = step;
        self.one(ops::Slice { starts, sizes, steps }, &[x])
    }

    /// One after the other along an axis.
    pub(crate) fn concat(&mut self, parts: &[ValueId], axis: usize) -> Emitted {
        let axis = i64::try_from(axis).unwrap_or(i64::MAX);
        if let [only] = parts { Ok(*only) } else { self.one(ops::Concat { axis }, parts) }
    }

    /// A reduction of some axes, which stay with extent 1; of all axes, which go, for `None`.
    pub(crate) fn reduce(&mut self, kind: ReduceKind, x: ValueId, axes: Option<&[i64]>) -> Emitted {
        self.one(ops::Reduce { kind, axes: axes.map(<[i64]>::to_vec), keep: axes.is_some() }, &[x])
    }

    /// Each element its position along an axis.
    pub(crate) fn iota(&mut self, dtype: DType, dims: Vec<Dim>, axis: usize) -> Emitted {
        self.one(ops::Iota { dtype, shape: Shape(dims), axis }, &[])
    }
}
