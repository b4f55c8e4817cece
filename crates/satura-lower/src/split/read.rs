//! Slices of values of the source, put together from their parts.

use super::{Ranges, Splitter, volume};
use crate::LowerError;
use satura_ir::ValueId;
use satura_ir::ops::Transpose;
use satura_tensor::contiguous_strides;
use std::collections::BTreeMap;
use std::ops::Range;

impl Splitter<'_> {
    /// The axes of a value in the order in which its elements lie in memory, outermost first.
    pub(super) fn axes_in_memory(&self, value: ValueId) -> Vec<usize> {
        match self.transposed.get(&value) {
            Some((x, perm)) if !self.parts.contains_key(&value) => {
                let inner = self.axes_in_memory(*x);
                inner.iter().filter_map(|axis| perm.iter().position(|p| p == axis)).collect()
            }
            _ => (0..self.sizes(value).len()).collect(),
        }
    }

    /// A slice of a value of the source; `None` if it is too big for a buffer.
    pub(super) fn read(
        &mut self,
        value: ValueId,
        range: &[Range<usize>],
    ) -> Result<Option<ValueId>, LowerError> {
        if !self.is_big(value) {
            let whole = self.whole(value)?;
            return self.slab(value, whole, range).map(Some);
        }
        if volume(range) > self.most_elements() {
            return Ok(None);
        }
        let key = (value, range.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>());
        if let Some(slab) = self.slabs.get(&key) {
            return Ok(Some(*slab));
        }
        if !self.parts.contains_key(&value)
            && let Some((x, perm)) = self.transposed.get(&value).cloned()
        {
            let mut wanted = vec![0..0; range.len()];
            perm.iter().zip(range).for_each(|(axis, r)| wanted[*axis] = r.clone());
            let Some(slab) = self.read(x, &wanted)? else { return Ok(None) };
            let slab = self.emit(Transpose { perm }, &[slab])?;
            self.slabs.insert(key, slab);
            return Ok(Some(slab));
        }
        let mut pieces: Vec<(Ranges, ValueId)> = Vec::new();
        for (place, part) in self.parts(value)? {
            let common: Ranges =
                place.iter().zip(range).map(|(p, r)| p.start.max(r.start)..p.end.min(r.end)).collect();
            if common.iter().any(|r| r.start >= r.end) {
                continue;
            }
            let inside: Ranges =
                common.iter().zip(&place).map(|(c, p)| c.start - p.start..c.end - p.start).collect();
            pieces.push((common, self.slice(part, &inside)?));
        }
        let slab = self.join(&pieces)?;
        self.slabs.insert(key, slab);
        Ok(Some(slab))
    }

    fn slab(
        &mut self,
        value: ValueId,
        whole: ValueId,
        range: &[Range<usize>],
    ) -> Result<ValueId, LowerError> {
        let key = (value, range.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>());
        if let Some(slab) = self.slabs.get(&key) {
            return Ok(*slab);
        }
        let slab = self.slice(whole, range)?;
        self.slabs.insert(key, slab);
        Ok(slab)
    }

    /// One value from pieces that tile a box: along the innermost axis on which they differ first.
    fn join(&mut self, pieces: &[(Ranges, ValueId)]) -> Result<ValueId, LowerError> {
        let mut pieces = pieces.to_vec();
        let rank = pieces.first().map_or(0, |(range, _)| range.len());
        for axis in (0..rank).rev() {
            let mut groups: BTreeMap<Vec<(usize, usize)>, Vec<(Ranges, ValueId)>> = BTreeMap::new();
            for piece in pieces {
                let others = piece.0.iter().enumerate().filter(|(a, _)| *a != axis);
                let key = others.map(|(_, r)| (r.start, r.end)).collect();
                groups.entry(key).or_default().push(piece);
            }
            pieces = Vec::new();
            for group in groups.into_values() {
                let values: Vec<ValueId> = group.iter().map(|(_, v)| *v).collect();
                let mut range = group[0].0.clone();
                range[axis].end = group.last().map_or(range[axis].end, |(r, _)| r[axis].end);
                let value = self.concat(axis, &values)?;
                pieces.push((range, value));
            }
        }
        match pieces[..] {
            [(_, value)] => Ok(value),
            _ => Err(LowerError::internal("the pieces of a tensor do not tile it")),
        }
    }

    /// The elements `range` of a value's row-major order, as a vector; `None` if it is too big for a buffer.
    pub(super) fn read_flat(
        &mut self,
        value: ValueId,
        range: Range<usize>,
    ) -> Result<Option<ValueId>, LowerError> {
        let sizes = self.sizes(value);
        if !self.is_big(value) {
            let whole = self.whole(value)?;
            let line = self.reshape(whole, &[sizes.iter().product()])?;
            return self.slice(line, &[range]).map(Some);
        }
        if range.len() > self.most_elements() {
            return Ok(None);
        }
        let strides = contiguous_strides(&sizes);
        let mut pieces = Vec::new();
        for (place, part) in self.parts(value)? {
            let start: usize = place.iter().zip(&strides).map(|(r, s)| r.start * s).sum();
            let count = volume(&place);
            let (from, to) = (range.start.max(start), range.end.min(start + count));
            if from < to {
                let line = self.reshape(part, &[count])?;
                let inside = from - start..to - start;
                pieces.push(self.slice(line, &[inside])?);
            }
        }
        self.concat(0, &pieces).map(Some)
    }
}
