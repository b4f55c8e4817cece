//! Adding nodes: one trait for builders, passes and decompositions.

use crate::{Graph, Op, OpError, SymTensor, Type, ValueId, ops};
use satura_tensor::{DType, Dim, Shape, Tensor, cast};

/// Something that nodes can be added to.
///
/// The required methods are object safe, so decompositions take `&mut dyn Emit`.
pub trait Emit {
    /// Adds a node and gives its outputs.
    fn emit_region_op(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        regions: Vec<Graph>,
    ) -> Result<Vec<ValueId>, OpError>;

    /// The type of a value.
    fn type_of(&self, value: ValueId) -> &Type;

    /// The elements of a value, where they are small integers known at compile time. Single ones may be [unknown](Dim::unknown).
    fn known(&self, value: ValueId) -> Option<&SymTensor>;

    /// The tensor of a value, where a constant node defines it.
    fn constant_of(&self, value: ValueId) -> Option<&Tensor>;
}

impl Emit for Graph {
    fn emit_region_op(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        regions: Vec<Graph>,
    ) -> Result<Vec<ValueId>, OpError> {
        self.add_node(op, inputs.to_vec(), regions)
    }

    fn type_of(&self, value: ValueId) -> &Type {
        self.ty(value)
    }

    fn known(&self, value: ValueId) -> Option<&SymTensor> {
        self.value(value).known.as_ref()
    }

    fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        self.constant(value)
    }
}

impl dyn Emit + '_ {
    /// Adds a node without regions and gives all its outputs.
    pub fn emit(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        self.emit_region_op(op.into(), inputs, Vec::new())
    }

    /// Adds a node of one output.
    pub fn one(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, OpError> {
        let outputs = self.emit(op, inputs)?;
        match outputs[..] {
            [output] => Ok(output),
            _ => Err(OpError::arity(format!("one output expected, the op has {}", outputs.len()))),
        }
    }

    /// Adds a constant.
    pub fn constant(&mut self, value: Tensor) -> Result<ValueId, OpError> {
        self.one(ops::Const { value }, &[])
    }

    /// Adds a scalar constant of the dtype of `like`.
    pub fn scalar_like(&mut self, like: ValueId, value: f64) -> Result<ValueId, OpError> {
        let dtype = self.dtype(like)?;
        self.scalar(dtype, value)
    }

    /// Adds a scalar constant.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> Result<ValueId, OpError> {
        let tensor = cast(&Tensor::scalar(value), dtype)
            .ok_or_else(|| OpError::dtype(format!("{dtype} has no numbers")))?;
        self.constant(tensor)
    }

    /// The dtype of a tensor value.
    pub fn dtype(&self, value: ValueId) -> Result<DType, OpError> {
        self.type_of(value).dtype().ok_or_else(|| OpError::dtype("a tensor is expected"))
    }

    /// The shape of a tensor value of known rank.
    pub fn shape(&self, value: ValueId) -> Result<Shape, OpError> {
        self.type_of(value).shape().cloned().ok_or_else(|| OpError::unknown("the rank is not known"))
    }

    /// The known elements of a value, all of them.
    pub fn need_known(&self, value: ValueId) -> Result<Vec<Dim>, OpError> {
        let known = self.known(value).filter(|known| known.is_known()).map(|known| known.elements.clone());
        known.ok_or_else(|| OpError::unknown("the elements are not known"))
    }

    /// The sizes of a tensor value, all constants.
    pub fn sizes(&self, value: ValueId) -> Result<Vec<usize>, OpError> {
        self.type_of(value).sizes().ok_or_else(|| OpError::unknown("the sizes are not known"))
    }
}
