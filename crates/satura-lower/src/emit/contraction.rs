//! Contractions: matrix products and convolutions seen alike, as sums of products over a depth axis and taps.

use super::Emitter;
use super::window::UNROLLED_TAPS;
use crate::LowerError;
use satura_ir::ops::Conv;
use satura_ir::{Graph, PrimOp, ValueId};
use satura_kernel::{Index, Reg};

/// Taps of a depthwise window that are written out.
const DEPTHWISE_TAPS: usize = 49;

/// `out[batch, m, n] = sum over depth and taps of left[.., m, ..] * right[.., n, ..]`.
///
/// Matrix product: `left` is the first operand, `right` the second, there are no taps. Convolution: `left` are the weights, `right` the input, rows are the output
/// channels of a group, columns the output's spatial elements, the batch runs over images and groups, and the depth over the input channels of a group.
#[derive(Clone, Debug)]
pub(crate) struct Contraction {
    pub(crate) left: ValueId,
    pub(crate) right: ValueId,
    /// Sizes of the output.
    pub(crate) out: Vec<usize>,
    pub(crate) batch: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    /// Kernel sizes; empty for a matrix product.
    pub(crate) taps: Vec<usize>,
    conv: Option<Conv>,
}

impl Contraction {
    pub(crate) fn of(graph: &Graph, value: ValueId) -> Option<Self> {
        let (_, node) = graph.producer(value)?;
        let (a, b) = (*node.inputs.first()?, *node.inputs.get(1)?);
        let (x, y) = (graph.ty(a).sizes()?, graph.ty(b).sizes()?);
        let out = graph.ty(value).sizes()?;
        match node.op.prim()? {
            PrimOp::MatMul(_) => {
                let rank = out.len();
                Some(Contraction {
                    left: a,
                    right: b,
                    batch: out[..rank - 2].iter().product(),
                    rows: out[rank - 2],
                    columns: out[rank - 1],
                    depth: *x.last()?,
                    taps: Vec::new(),
                    conv: None,
                    out,
                })
            }
            PrimOp::Conv(op) => Some(Contraction {
                left: b,
                right: a,
                batch: out[0] * op.groups,
                rows: out[1] / op.groups,
                columns: out[2..].iter().product(),
                depth: x[1] / op.groups,
                taps: y[2..].to_vec(),
                conv: Some(op.clone()),
                out,
            }),
            _ => None,
        }
    }

    /// Coordinates of the output element of a batch entry, a row and a column.
    pub(crate) fn out_coords(&self, batch: &Index, row: &Index, column: &Index) -> Vec<Index> {
        match &self.conv {
            None => {
                let leading = &self.out[..self.out.len() - 2];
                let mut coords = super::movement::unflatten(batch, leading);
                coords.extend([row.clone(), column.clone()]);
                coords
            }
            Some(conv) => {
                let groups = conv.groups as i64;
                let channel = batch.modulo(groups).mul(self.rows as i64).add(row);
                let mut coords = vec![batch.div(groups), channel];
                coords.extend(super::movement::unflatten(column, &self.out[2..]));
                coords
            }
        }
    }

    /// The factor that depends on the row.
    pub(crate) fn left(
        &self,
        em: &mut Emitter<'_>,
        coords: &[Index],
        depth: &Index,
        tap: &[Index],
    ) -> Result<Reg, LowerError> {
        let at = match &self.conv {
            None => {
                let rank = coords.len();
                let mut at = em.broadcast_coords(self.left, coords);
                let axes = at.len();
                at[axes - 2] = coords[rank - 2].clone();
                at[axes - 1] = depth.clone();
                at
            }
            Some(_) => [&[coords[1].clone(), depth.clone()], tap].concat(),
        };
        em.value(self.left, &at)
    }

    /// The factor that depends on the column; zero where a window reaches over the border.
    pub(crate) fn right(
        &self,
        em: &mut Emitter<'_>,
        coords: &[Index],
        depth: &Index,
        tap: &[Index],
    ) -> Result<Reg, LowerError> {
        let Some(conv) = &self.conv else {
            let rank = coords.len();
            let mut at = em.broadcast_coords(self.right, coords);
            let axes = at.len();
            at[axes - 2] = depth.clone();
            at[axes - 1] = coords[rank - 1].clone();
            return em.value(self.right, &at);
        };
        let group = coords[1].div(self.rows as i64);
        let channel = if conv.groups == 1 { depth.clone() } else { group.mul(self.depth as i64).add(depth) };
        let mut at = vec![coords[0].clone(), channel];
        for (s, c) in coords[2..].iter().enumerate() {
            let moved = c.mul(conv.strides[s] as i64).add(&tap[s].mul(conv.dilations[s] as i64));
            at.push(moved.offset(-(conv.pads_low[s] as i64)));
        }
        let zero = em.zero(em.dtype(self.right))?;
        em.clamped(self.right, &at, zero)
    }
}

impl Emitter<'_> {
    /// One output element as a plain loop: the schedule that others are measured against.
    pub(super) fn contract(&mut self, value: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        let contraction =
            Contraction::of(self.graph, value).ok_or_else(|| LowerError::internal("not a contraction"))?;
        let dtype = self.dtype(value);
        let width = if self.varies(coords) { 4 } else { 1 };
        let zero = self.zero(dtype)?;
        let zero = self.b.widen(zero, width);
        let var = self.accumulator(zero);
        // With a depth of one, as in depthwise convolution, the taps are all there is: larger windows are written out.
        let limit = if contraction.depth == 1 { DEPTHWISE_TAPS } else { UNROLLED_TAPS };
        self.each(contraction.depth, false, &mut |em, depth| {
            em.each_tap_within(&contraction.taps, limit, &mut |em, tap| {
                let left = contraction.left(em, coords, depth, tap)?;
                let right = contraction.right(em, coords, depth, tap)?;
                let old = em.b.get(var);
                let new = em.multiply_add(left, right, old);
                em.b.set(var, new);
                Ok(())
            })
        })?;
        let sum = self.b.get(var);
        Ok(self.wrap(sum, dtype))
    }
}
