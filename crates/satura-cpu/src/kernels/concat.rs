//! Joining and padding: copies into parts of one storage.

use crate::assemble::merge_axes;
use crate::compile::Compiler;
use crate::lower::target;
use crate::memory::{Kernel, Memory, StorageId, dense_strides};
use crate::program::Destination;
use satura_ir::{ExecError, Node, OpError, ops};
use satura_tensor::contiguous_strides;

pub(crate) fn concat(cx: &mut Compiler<'_>, node: &Node, op: &ops::Concat) -> Result<bool, ExecError> {
    let out = target(cx, node, false)?;
    let axis = ops::axis_index(op.axis, out.shape.len()).map_err(|e| ExecError::Internal(e.to_string()))?;
    let outer: usize = out.shape[..axis].iter().product();
    let inner: usize = out.shape[axis + 1..].iter().product();
    let pitch = out.shape[axis] * inner;
    let mut at = 0;
    for value in &node.inputs {
        let part = cx.view(*value)?;
        let row = part.shape[axis] * inner;
        if part.elements() > 0 {
            let to = Destination {
                storage: out.storage,
                offset: at,
                outer: vec![outer],
                strides: vec![pitch as isize],
                row,
            };
            cx.copy_into(&part, to);
        }
        at += row;
    }
    Ok(true)
}

/// Fills a storage with one element of another.
struct Fill {
    value: (StorageId, usize),
    out: StorageId,
}

impl Kernel for Fill {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (value, out) = (memory.span(self.value.0), memory.span(self.out));
        // SAFETY: the plan keeps the two apart, and nothing else runs during the step.
        unsafe { out.slice_mut(0..out.len()).fill(value.slice(self.value.1..self.value.1 + 1)[0]) };
        Ok(())
    }
}

pub(crate) fn pad(cx: &mut Compiler<'_>, node: &Node, op: &ops::Pad) -> Result<bool, ExecError> {
    let (x, value) = (cx.view(node.inputs[0])?, cx.view(node.inputs[1])?);
    let low: Option<Vec<usize>> =
        op.low.iter().map(|d| d.as_const().and_then(|v| usize::try_from(v).ok())).collect();
    let Some(low) = low else {
        return Err(ExecError::Unsupported("a padding whose amounts are not constant".to_owned()));
    };
    let out = target(cx, node, false)?;
    let fill = Fill { value: (value.storage, value.offset), out: out.storage };
    cx.push("fill", fill, vec![value.storage], vec![out.storage]);
    if x.elements() > 0 {
        let strides = contiguous_strides(&out.shape);
        let offset = low.iter().zip(&strides).map(|(l, s)| l * s).sum();
        // Axes that are not padded make the contiguous rows longer.
        let (mut outer, strides) = merge_axes(&x.shape, vec![dense_strides(&out.shape)]);
        let mut strides = strides.into_iter().next().unwrap_or_default();
        let row = if strides.last() == Some(&1) { strides.pop().and(outer.pop()).unwrap_or(1) } else { 1 };
        cx.copy_into(&x, Destination { storage: out.storage, offset, outer, strides, row });
    }
    Ok(true)
}
