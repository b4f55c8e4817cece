//! Gather and scatter: coordinates that come from tensors.
//!
//! An index out of range is an error by the definition of these ops; a kernel cannot raise one, so it clamps the index into the axis: memory is safe, the element arbitrary.

use super::Emitter;
use crate::LowerError;
use satura_ir::ValueId;
use satura_ir::ops::{ScatterElements, ScatterKind, ScatterNd, axis_index};
use satura_kernel::{BinaryOp, Index, Reg, Scalar};

impl Emitter<'_> {
    /// The element of an index tensor as an index into an axis: negative ones count from the back.
    pub(crate) fn loaded_index(
        &mut self,
        indices: ValueId,
        at: &[Index],
        extent: usize,
    ) -> Result<Index, LowerError> {
        let raw = self.value(indices, at)?;
        let raw = self.b.convert(Scalar::I32, raw);
        let (zero, n) = (self.b.i32(0), self.b.i32(extent as i32));
        let negative = self.b.binary(BinaryOp::Lt, raw, zero);
        let moved = self.b.binary(BinaryOp::Add, raw, n);
        let index = self.b.select(negative, moved, raw);
        let index = self.b.bitcast(Scalar::U32, index);
        let last = self.b.u32(extent.saturating_sub(1) as u32);
        let index = self.b.binary(BinaryOp::Min, index, last);
        let var = self.var(index, extent);
        Ok(Index::var(var))
    }

    pub(super) fn gather(
        &mut self,
        x: ValueId,
        indices: ValueId,
        axis: i64,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let axis = axis_index(axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
        let rank = self.sizes(indices).len();
        let at = &coords[axis..axis + rank];
        if self.varies(at) {
            return self.per_lane(coords, |em, coords| em.gather(x, indices, axis as i64, coords));
        }
        let index = self.loaded_index(indices, at, sizes[axis])?;
        let from = [&coords[..axis], &[index], &coords[axis + rank..]].concat();
        self.value(x, &from)
    }

    pub(super) fn gather_elements(
        &mut self,
        x: ValueId,
        indices: ValueId,
        axis: i64,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let axis = axis_index(axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
        if self.varies(coords) {
            return self.per_lane(coords, |em, coords| em.gather_elements(x, indices, axis as i64, coords));
        }
        let mut from = coords.to_vec();
        from[axis] = self.loaded_index(indices, coords, sizes[axis])?;
        self.value(x, &from)
    }

    pub(super) fn gather_nd(
        &mut self,
        x: ValueId,
        indices: ValueId,
        batch: usize,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let (sizes, index_sizes) = (self.sizes(x), self.sizes(indices));
        let leading = index_sizes.len() - 1;
        if self.varies(&coords[..leading]) {
            return self.per_lane(coords, |em, coords| em.gather_nd(x, indices, batch, coords));
        }
        let mut from = coords[..batch].to_vec();
        for k in 0..index_sizes[leading] {
            let at = [&coords[..leading], &[Index::constant(k as i64)]].concat();
            from.push(self.loaded_index(indices, &at, sizes[batch + k])?);
        }
        from.extend_from_slice(&coords[leading..]);
        self.value(x, &from)
    }

    /// Each output element looks for the updates that meet it, in row-major order: no two invocations write one element, and the last update wins.
    pub(super) fn scatter_elements(
        &mut self,
        [x, indices, updates]: [ValueId; 3],
        op: &ScatterElements,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        if self.varies(coords) {
            return self.per_lane(coords, |em, at| em.scatter_elements([x, indices, updates], op, at));
        }
        let (sizes, index_sizes) = (self.sizes(x), self.sizes(indices));
        let axis = axis_index(op.axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
        let start = self.value(x, coords)?;
        let var = self.accumulator(start);
        // The indices may be smaller than `x` on the other axes: beyond them nothing is updated.
        let (mut others, mut extents) = (Vec::new(), Vec::new());
        for (a, c) in coords.iter().enumerate().filter(|(a, _)| *a != axis) {
            others.push(c.clone());
            extents.push(index_sizes[a]);
        }
        let conditions = others.iter().zip(&extents).filter_map(|(c, n)| self.inside(c, *n)).collect();
        let reached = self.all(conditions);
        let dtype = self.dtype(x);
        let search = |em: &mut Self| {
            em.each(index_sizes[axis], false, &mut |em, i| {
                let mut at: Vec<Index> = coords
                    .iter()
                    .zip(&index_sizes)
                    .map(|(c, n)| c.clone().assume_within(*n as i64))
                    .collect();
                at[axis] = i.clone();
                let target = em.loaded_index(indices, &at, sizes[axis])?;
                let (target, own) = (em.index(&target), em.index(&coords[axis]));
                let hit = em.b.binary(BinaryOp::Eq, target, own);
                em.when(hit, |em| {
                    let update = em.value(updates, &at)?;
                    let old = em.b.get(var);
                    let new = em.combine(op.combine, old, update);
                    let new = em.wrap(new, dtype);
                    em.b.set(var, new);
                    Ok(())
                })
            })
        };
        match reached {
            Some(condition) => self.when(condition, |em| search(em))?,
            None => search(self)?,
        }
        Ok(self.b.get(var))
    }

    /// As [`scatter_elements`](Self::scatter_elements), for whole slices.
    pub(super) fn scatter_nd(
        &mut self,
        [x, indices, updates]: [ValueId; 3],
        op: &ScatterNd,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let (sizes, index_sizes) = (self.sizes(x), self.sizes(indices));
        let leading = index_sizes.len() - 1;
        let depth = index_sizes[leading];
        if self.varies(&coords[..depth]) {
            return self.per_lane(coords, |em, at| em.scatter_nd([x, indices, updates], op, at));
        }
        let start = self.value(x, coords)?;
        let width = if self.varies(coords) { 4 } else { 1 };
        let start = self.b.widen(start, width);
        let var = self.accumulator(start);
        let dtype = self.dtype(x);
        let count: usize = index_sizes[..leading].iter().product();
        self.each(count, false, &mut |em, i| {
            let row = super::movement::unflatten(i, &index_sizes[..leading]);
            let mut hits = Vec::new();
            for k in 0..depth {
                let at = [&row[..], &[Index::constant(k as i64)]].concat();
                let target = em.loaded_index(indices, &at, sizes[k])?;
                let (target, own) = (em.index(&target), em.index(&coords[k]));
                hits.push(em.b.binary(BinaryOp::Eq, target, own));
            }
            let hit = match em.all(hits) {
                Some(hit) => hit,
                None => em.b.bool(true),
            };
            em.when(hit, |em| {
                let at = [&row[..], &coords[depth..]].concat();
                let update = em.value(updates, &at)?;
                let old = em.b.get(var);
                let new = em.combine(op.combine, old, update);
                let new = em.wrap(new, dtype);
                let new = em.b.widen(new, width);
                em.b.set(var, new);
                Ok(())
            })
        })?;
        Ok(self.b.get(var))
    }

    pub(crate) fn combine(&mut self, kind: ScatterKind, old: Reg, update: Reg) -> Reg {
        match kind {
            ScatterKind::Replace => update,
            ScatterKind::Add => self.b.binary(BinaryOp::Add, old, update),
            ScatterKind::Mul => self.b.binary(BinaryOp::Mul, old, update),
            ScatterKind::Max => self.b.binary(BinaryOp::Max, old, update),
            ScatterKind::Min => self.b.binary(BinaryOp::Min, old, update),
        }
    }
}
