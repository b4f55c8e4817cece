//! Parts of matrix products and convolutions: ranges of the batch, rows and columns, and where the operands are still too big, sums over ranges of the depth.

use super::rules::broadcast;
use super::{Splitter, Step};
use crate::LowerError;
use satura_ir::ops::{Conv, ConvTranspose, MatMul};
use satura_ir::{NodeId, ValueId};
use std::ops::Range;

fn middle(range: &Range<usize>) -> usize {
    range.start + range.len() / 2
}

/// The channels of a grouped convolution that a range of output channels belongs to.
struct Groups {
    /// Groups in the range: more than one only if all are whole.
    count: usize,
    first: usize,
}

impl Groups {
    /// The groups of a range of output channels, `each` in a group; an error is the channel to cut at.
    fn of(range: &Range<usize>, each: usize) -> Result<Groups, usize> {
        let (first, last) = (range.start / each, range.end.saturating_sub(1) / each);
        if first == last {
            return Ok(Groups { count: 1, first });
        }
        if range.start % each != 0 {
            return Err((first + 1) * each);
        }
        if range.end % each != 0 {
            return Err(last * each);
        }
        Ok(Groups { count: last - first + 1, first })
    }
}

impl Splitter<'_> {
    pub(super) fn matmul(
        &mut self,
        id: NodeId,
        range: &[Range<usize>],
        depth: Range<usize>,
    ) -> Result<Step, LowerError> {
        let (a, b) = (self.source.node(id).inputs[0], self.source.node(id).inputs[1]);
        let (batch, row, column) = (range.len() - 2, range.len() - 2, range.len() - 1);
        let operand = |sizes: &[usize], last: [Range<usize>; 2]| {
            let mut wanted = broadcast(&sizes[..sizes.len() - 2], &range[..batch]);
            wanted.extend(last);
            wanted
        };
        let wanted_a = operand(&self.sizes(a), [range[row].clone(), depth.clone()]);
        let wanted_b = operand(&self.sizes(b), [depth.clone(), range[column].clone()]);
        let mut slabs = Vec::new();
        for (value, wanted, own) in [(a, wanted_a, row), (b, wanted_b, column)] {
            if let Some(slab) = self.read(value, &wanted)? {
                slabs.push(slab);
                continue;
            }
            // The outermost axis of the operand decides: that is how its parts lie.
            let rank = wanted.len();
            let order = self.axes_in_memory(value);
            let Some(outer) = order.into_iter().find(|a| wanted[*a].len() > 1) else {
                return Err(self.beyond(id));
            };
            if outer + 2 < rank {
                let axis = outer + range.len() - rank;
                return Ok(Step::Cut(axis, self.boundary(value, outer, &range[axis])));
            }
            let is_depth = (outer == rank - 1) == (own == row);
            if !is_depth {
                return Ok(Step::Cut(own, self.boundary(value, outer, &range[own])));
            }
            let at = self.boundary(value, outer, &depth);
            let low = self.matmul(id, range, depth.start..at)?;
            let high = self.matmul(id, range, at..depth.end)?;
            return self.sum(low, high);
        }
        self.emit(MatMul {}, &slabs).map(Step::Done)
    }

    /// `depth` is a range of the input channels of a group.
    pub(super) fn conv(
        &mut self,
        id: NodeId,
        op: &Conv,
        range: &[Range<usize>],
        depth: Range<usize>,
    ) -> Result<Step, LowerError> {
        let (x, w) = (self.source.node(id).inputs[0], self.source.node(id).inputs[1]);
        let (sizes, weights) = (self.sizes(x), self.sizes(w));
        let (out_each, in_each) = (weights[0] / op.groups, weights[1]);
        let groups = match Groups::of(&range[1], out_each) {
            Ok(groups) => groups,
            Err(at) => return Ok(Step::Cut(1, at)),
        };
        let part = Conv { groups: groups.count, ..op.clone() };
        let channels = self.channels(&groups, in_each, &depth);
        let mut wanted = vec![range[0].clone(), channels];
        let mut part = part;
        for s in 0..range.len() - 2 {
            let size = sizes[2 + s] as i64;
            let low = (range[2 + s].start * op.strides[s]) as i64 - op.pads_low[s] as i64;
            let last =
                ((range[2 + s].end - 1) * op.strides[s] + (weights[2 + s] - 1) * op.dilations[s]) as i64;
            let high = last + 1 - op.pads_low[s] as i64;
            let (from, to) = (low.max(0), high.min(size));
            if from >= to {
                return Err(self.beyond(id));
            }
            part.pads_low[s] = (from - low) as usize;
            part.pads_high[s] = (high - to) as usize;
            wanted.push(from as usize..to as usize);
        }
        let filters = [&[range[1].clone(), depth.clone()][..], &super::full(&weights[2..])].concat();
        let Some(filters) = self.read(w, &filters)? else {
            return self.fewer_channels(id, range, &groups, out_each, &depth, w, 0, &mut |s, depth| {
                s.conv(id, op, range, depth)
            });
        };
        if let Some(image) = self.read(x, &wanted)? {
            return self.emit(part, &[image, filters]).map(Step::Done);
        }
        if range[0].len() > 1 {
            return Ok(Step::Cut(0, self.boundary(x, 0, &range[0])));
        }
        if groups.count == 1 && depth.len() == 1 {
            return match (2..range.len()).find(|a| range[*a].len() > 1) {
                Some(axis) => Ok(Step::Cut(axis, middle(&range[axis]))),
                None => Err(self.beyond(id)),
            };
        }
        let first = groups.first * in_each;
        self.by_channels(id, range, &groups, out_each, &depth, x, first, &mut |s, depth| {
            s.conv(id, op, range, depth)
        })
    }

    /// The part of a transposed convolution with all its spatial elements.
    pub(super) fn conv_transpose(
        &mut self,
        id: NodeId,
        op: &ConvTranspose,
        range: &[Range<usize>],
        depth: Range<usize>,
    ) -> Result<Step, LowerError> {
        let (x, w) = (self.source.node(id).inputs[0], self.source.node(id).inputs[1]);
        let (sizes, weights) = (self.sizes(x), self.sizes(w));
        let (out_each, in_each) = (weights[1], sizes[1] / op.groups);
        let groups = match Groups::of(&range[1], out_each) {
            Ok(groups) => groups,
            Err(at) => return Ok(Step::Cut(1, at)),
        };
        let channels = self.channels(&groups, in_each, &depth);
        let outputs = match groups.count {
            1 => range[1].start - groups.first * out_each..range[1].end - groups.first * out_each,
            _ => 0..out_each,
        };
        let filters = [&[channels.clone(), outputs][..], &super::full(&weights[2..])].concat();
        let image = [&[range[0].clone(), channels][..], &super::full(&sizes[2..])].concat();
        let first = groups.first * in_each;
        let Some(filters) = self.read(w, &filters)? else {
            return self.by_channels(id, range, &groups, out_each, &depth, w, first, &mut |s, depth| {
                s.conv_transpose(id, op, range, depth)
            });
        };
        if let Some(image) = self.read(x, &image)? {
            let part = ConvTranspose { groups: groups.count, ..op.clone() };
            return self.emit(part, &[image, filters]).map(Step::Done);
        }
        if range[0].len() > 1 {
            return Ok(Step::Cut(0, self.boundary(x, 0, &range[0])));
        }
        self.by_channels(id, range, &groups, out_each, &depth, x, first, &mut |s, depth| {
            s.conv_transpose(id, op, range, depth)
        })
    }

    /// The input channels of some groups.
    fn channels(&self, groups: &Groups, in_each: usize, depth: &Range<usize>) -> Range<usize> {
        let first = groups.first * in_each;
        match groups.count {
            1 => first + depth.start..first + depth.end,
            count => first..first + count * in_each,
        }
    }

    /// Fewer groups at a time; within one group, sums over fewer input channels. `operand` is too big, and its axis of channels starts `first` before the group's.
    fn by_channels(
        &mut self,
        id: NodeId,
        range: &[Range<usize>],
        groups: &Groups,
        out_each: usize,
        depth: &Range<usize>,
        operand: ValueId,
        first: usize,
        part: &mut dyn FnMut(&mut Self, Range<usize>) -> Result<Step, LowerError>,
    ) -> Result<Step, LowerError> {
        if groups.count > 1 {
            return Ok(Step::Cut(1, (groups.first + groups.count / 2) * out_each));
        }
        if depth.len() < 2 {
            return match range[1].len() {
                0 | 1 => Err(self.beyond(id)),
                _ => Ok(Step::Cut(1, middle(&range[1]))),
            };
        }
        let axis = if operand == self.source.node(id).inputs[0] { 1 } else { 0 };
        let at = self.boundary(operand, axis, &(first + depth.start..first + depth.end)) - first;
        let low = part(self, depth.start..at)?;
        let high = part(self, at..depth.end)?;
        self.sum(low, high)
    }

    /// Fewer output channels at a time; with one, sums over fewer input channels.
    fn fewer_channels(
        &mut self,
        id: NodeId,
        range: &[Range<usize>],
        groups: &Groups,
        out_each: usize,
        depth: &Range<usize>,
        operand: ValueId,
        first: usize,
        part: &mut dyn FnMut(&mut Self, Range<usize>) -> Result<Step, LowerError>,
    ) -> Result<Step, LowerError> {
        if range[1].len() < 2 {
            return self.by_channels(id, range, groups, out_each, depth, operand, first, part);
        }
        match groups.count {
            1 => Ok(Step::Cut(1, self.boundary(operand, 0, &range[1]))),
            count => Ok(Step::Cut(1, (groups.first + count / 2) * out_each)),
        }
    }
}
