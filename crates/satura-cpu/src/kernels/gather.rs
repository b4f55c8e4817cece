//! Selection of slices by index along one axis.

use crate::compile::{Binding, Compiler};
use crate::lower::target;
use crate::memory::{HostId, Kernel, Memory, StorageId};
use satura_ir::{ExecError, Node, OpError, ops};
use satura_tensor::{Elements, Tensor};

struct Gather {
    x: StorageId,
    x_at: usize,
    indices: HostId,
    out: StorageId,
    axis: usize,
    outer: usize,
    extent: usize,
    inner: usize,
}

pub(crate) fn emit(cx: &mut Compiler<'_>, node: &Node, op: &ops::Gather) -> Result<bool, ExecError> {
    let Binding::Host(indices) = cx.binding(node.inputs[1])? else { return Ok(false) };
    let x = cx.dense(node.inputs[0])?;
    let axis = ops::axis_index(op.axis, x.shape.len()).map_err(|e| ExecError::Internal(e.to_string()))?;
    let out = target(cx, node, false)?;
    let kernel = Gather {
        x: x.storage,
        x_at: x.offset,
        indices,
        out: out.storage,
        axis,
        outer: x.shape[..axis].iter().product(),
        extent: x.shape[axis],
        inner: x.shape[axis + 1..].iter().product(),
    };
    cx.push("gather", kernel, vec![x.storage], vec![out.storage]);
    Ok(true)
}

/// The indices counted from the front.
fn wrapped(indices: &Tensor, extent: usize, axis: usize) -> Result<Vec<usize>, OpError> {
    let Elements::Int(values) = indices.to_elements() else {
        return Err(OpError::dtype("the indices must be integers"));
    };
    let size = extent as i128;
    values
        .into_iter()
        .map(|i| {
            let at = if i < 0 { i + size } else { i };
            usize::try_from(at).ok().filter(|at| *at < extent).ok_or_else(|| {
                OpError::value(format!("index {i} is out of range for axis {axis} of extent {extent}"))
            })
        })
        .collect()
}

impl Kernel for Gather {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let indices = wrapped(memory.tensor(self.indices)?, self.extent, self.axis)?;
        let (x, out) = (memory.span(self.x), memory.span(self.out));
        let (block, inner) = (self.extent * self.inner, self.inner);
        let width = indices.len() * inner;
        // SAFETY: the plan keeps input and result apart, and nothing else runs during the step.
        let (x, to) = unsafe {
            (x.slice(self.x_at..self.x_at + self.outer * block), out.slice_mut(0..self.outer * width))
        };
        for o in 0..self.outer {
            for (i, index) in indices.iter().enumerate() {
                let from = &x[o * block + index * inner..][..inner];
                to[o * width + i * inner..][..inner].copy_from_slice(from);
            }
        }
        Ok(())
    }
}
