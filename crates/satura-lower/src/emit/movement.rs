//! Movement ops: maps on coordinates.

use super::Emitter;
use crate::LowerError;
use satura_ir::ValueId;
use satura_ir::ops::{Iota, Pad, Slice, axis_index};
use satura_kernel::{BinaryOp, Index, Reg, Scalar};
use satura_tensor::{Dim, contiguous_strides};

fn constant(dim: &Dim) -> Result<i64, LowerError> {
    dim.as_const().ok_or_else(|| LowerError::internal("a dimension is not bound"))
}

impl Emitter<'_> {
    pub(super) fn reshape(&mut self, x: ValueId, to: &[usize], coords: &[Index]) -> Result<Reg, LowerError> {
        let flat = coords
            .iter()
            .zip(contiguous_strides(to))
            .fold(Index::constant(0), |sum, (c, stride)| sum.add(&c.mul(stride as i64)));
        let from = unflatten(&flat, &self.sizes(x));
        self.value(x, &from)
    }

    pub(super) fn transpose(
        &mut self,
        x: ValueId,
        perm: &[usize],
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let mut from = vec![Index::constant(0); perm.len()];
        for (i, axis) in perm.iter().enumerate() {
            from[*axis] = coords[i].clone();
        }
        self.value(x, &from)
    }

    /// The coordinates of an operand that broadcasts to these.
    pub(super) fn broadcast_coords(&self, x: ValueId, coords: &[Index]) -> Vec<Index> {
        let sizes = self.sizes(x);
        let skip = coords.len() - sizes.len();
        sizes
            .iter()
            .zip(&coords[skip..])
            .map(|(size, c)| if *size == 1 { Index::constant(0) } else { c.clone() })
            .collect()
    }

    pub(super) fn broadcast(&mut self, x: ValueId, coords: &[Index]) -> Result<Reg, LowerError> {
        let from = self.broadcast_coords(x, coords);
        self.value(x, &from)
    }

    pub(super) fn slice(&mut self, x: ValueId, op: &Slice, coords: &[Index]) -> Result<Reg, LowerError> {
        let from: Vec<Index> = coords
            .iter()
            .enumerate()
            .map(|(axis, c)| Ok(c.mul(op.steps[axis]).offset(constant(&op.starts[axis])?)))
            .collect::<Result<_, LowerError>>()?;
        self.value(x, &from)
    }

    pub(super) fn pad(
        &mut self,
        x: ValueId,
        fill: ValueId,
        op: &Pad,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let mut from = Vec::with_capacity(coords.len());
        for (axis, c) in coords.iter().enumerate() {
            from.push(c.offset(-constant(&op.low[axis])?));
        }
        self.guarded(&from, &sizes, &mut |em| em.value(fill, &[]), &mut |em, at| em.value(x, at))
    }

    /// `inside` where every index lies in its extent, else `outside`.
    pub(super) fn guarded(
        &mut self,
        indices: &[Index],
        extents: &[usize],
        outside: &mut dyn FnMut(&mut Self) -> Result<Reg, LowerError>,
        inside: &mut dyn FnMut(&mut Self, &[Index]) -> Result<Reg, LowerError>,
    ) -> Result<Reg, LowerError> {
        let unsure = |(index, extent): (&Index, &usize)| !index.within(*extent as i64);
        if !indices.iter().zip(extents).any(unsure) {
            return inside(self, indices);
        }
        if indices.iter().zip(extents).any(|(i, n)| i.range().1 < 0 || i.range().0 >= *n as i64) {
            return outside(self);
        }
        let lanes_differ = self
            .lane
            .is_some_and(|lane| indices.iter().zip(extents).any(|(i, n)| unsure((i, n)) && i.mentions(lane)));
        if lanes_differ {
            return self.per_lane(indices, |em, at| em.guarded(at, extents, outside, inside));
        }
        let conditions = indices.iter().zip(extents).filter_map(|(i, n)| self.inside(i, *n)).collect();
        let Some(condition) = self.all(conditions) else { return inside(self, indices) };
        let known: Vec<Index> =
            indices.iter().zip(extents).map(|(i, n)| i.clone().assume_within(*n as i64)).collect();
        let width = if self.varies(indices) { 4 } else { 1 };
        let fill = outside(self)?;
        let fill = self.b.widen(fill, width);
        let var = self.accumulator(fill);
        self.when(condition, |em| {
            let element = inside(em, &known)?;
            let element = em.b.widen(element, width);
            em.b.set(var, element);
            Ok(())
        })?;
        Ok(self.b.get(var))
    }

    pub(super) fn concat(&mut self, x: &[ValueId], axis: i64, coords: &[Index]) -> Result<Reg, LowerError> {
        let axis = axis_index(axis, coords.len()).map_err(|e| LowerError::internal(&e.message))?;
        let at = &coords[axis];
        let (least, greatest) = at.range();
        let mut parts = Vec::new();
        let mut start = 0i64;
        for part in x {
            let extent = self.sizes(*part)[axis] as i64;
            if extent > 0 && start <= greatest && start + extent > least {
                parts.push((*part, start, extent));
            }
            start += extent;
        }
        if let [(part, start, extent)] = parts[..] {
            let mut from = coords.to_vec();
            from[axis] = at.offset(-start).assume_within(extent);
            return self.value(part, &from);
        }
        if let Some(lane) = self.lane.filter(|lane| at.mentions(*lane)) {
            // All four lanes fall into one part if they start at a multiple of 4 and all borders are one.
            let together = at.linear_in(lane).is_some_and(|(c, rest)| c == 1 && rest.is_multiple_of(4))
                && parts.iter().all(|(_, start, extent)| start % 4 == 0 && extent % 4 == 0);
            if !together {
                return self.per_lane(coords, |em, at| em.concat(x, axis as i64, at));
            }
        }
        let first_lane = match self.lane {
            Some(lane) => at.at(lane, 0),
            None => at.clone(),
        };
        let width = if self.varies(coords) { 4 } else { 1 };
        let zero = self.zero(self.dtype(x[0]))?;
        let zero = self.b.widen(zero, width);
        let var = self.accumulator(zero);
        for (part, start, extent) in parts {
            let inside = self.inside(&first_lane.offset(-start), extent as usize);
            let condition = match inside {
                Some(condition) => condition,
                None => self.b.bool(true),
            };
            let mut from = coords.to_vec();
            from[axis] = at.offset(-start).assume_within(extent);
            self.when(condition, |em| {
                let element = em.value(part, &from)?;
                let element = em.b.widen(element, width);
                em.b.set(var, element);
                Ok(())
            })?;
        }
        Ok(self.b.get(var))
    }

    pub(super) fn iota(&mut self, op: &Iota, coords: &[Index]) -> Result<Reg, LowerError> {
        let to = super::scalar_of(op.dtype).ok_or_else(|| LowerError::internal("iota of a host dtype"))?;
        let at = self.index_vector(&coords[op.axis]);
        let at = self.b.bitcast(Scalar::I32, at);
        Ok(self.b.convert(to, at))
    }

    /// An index as a `U32` register, a vector if it mentions the lane variable.
    pub(super) fn index_vector(&mut self, index: &Index) -> Reg {
        let Some(lane) = self.lane.filter(|lane| index.mentions(*lane)) else { return self.index(index) };
        if let Some((step, rest)) = index.linear_in(lane) {
            let base = self.index(&rest);
            let steps: Vec<Reg> = (0..4).map(|l| self.b.u32((l * step) as u32)).collect();
            let steps = self.b.compose(&steps);
            return self.b.binary(BinaryOp::Add, base, steps);
        }
        let parts: Vec<Reg> = (0..4).map(|l| self.index(&index.at(lane, l))).collect();
        self.b.compose(&parts)
    }
}

/// The coordinates, in a tensor of these sizes, of a row-major position.
pub(crate) fn unflatten(flat: &Index, sizes: &[usize]) -> Vec<Index> {
    let strides = contiguous_strides(sizes);
    // Only the outermost axis that is not 1 needs no remainder.
    let outermost = sizes.iter().position(|s| *s != 1).unwrap_or(0);
    (0..sizes.len())
        .map(|axis| {
            if sizes[axis] <= 1 {
                return Index::constant(0);
            }
            let quotient = flat.div(strides[axis].max(1) as i64);
            if axis == outermost {
                quotient.assume_within(sizes[axis] as i64)
            } else {
                quotient.modulo(sizes[axis] as i64)
            }
        })
        .collect()
}
