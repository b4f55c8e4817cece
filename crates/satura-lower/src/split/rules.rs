//! What a part of an op's result needs of its operands.

use super::{Ranges, Splitter, Step, extents, full, volume};
use crate::LowerError;
use crate::error::node_name;
use satura_ir::ops::{
    Add, Broadcast, Iota, Pad, Reduce, ReduceKind, Resize, Slice, axis_index, axis_indices,
};
use satura_ir::{NodeId, Op, PrimOp, ValueId, elementwise_prims, ops};
use satura_tensor::{Dim, Shape, contiguous_strides};
use std::ops::Range;

/// The part of an operand that a part of the result reads by broadcasting.
pub(super) fn broadcast(sizes: &[usize], range: &[Range<usize>]) -> Ranges {
    let skip = range.len() - sizes.len();
    sizes.iter().zip(&range[skip..]).map(|(size, r)| if *size == 1 { 0..1 } else { r.clone() }).collect()
}

fn amount(dim: &Dim) -> Result<usize, LowerError> {
    let amount = dim.as_const().and_then(|amount| usize::try_from(amount).ok());
    amount.ok_or_else(|| LowerError::internal("a dimension is not bound"))
}

fn axis(axis: i64, rank: usize) -> Result<usize, LowerError> {
    axis_index(axis, rank).map_err(|error| LowerError::internal(&error.message))
}

impl Splitter<'_> {
    /// A cut in the middle of the outermost axis that has one, or an error: nothing more can be cut.
    pub(super) fn halve(&self, id: NodeId, range: &[Range<usize>]) -> Result<Step, LowerError> {
        match range.iter().position(|r| r.len() > 1) {
            Some(axis) => Ok(Step::Cut(axis, range[axis].start + range[axis].len() / 2)),
            None => Err(self.beyond(id)),
        }
    }

    pub(super) fn beyond(&self, id: NodeId) -> LowerError {
        let node = self.source.node(id);
        let types = node.inputs.iter().chain(&node.outputs).map(|v| self.source.ty(*v).to_string());
        LowerError::Beyond(format!(
            "{} {:?} ({}) cannot be cut into parts within the device's binding limit of {} bytes",
            node.op.name(),
            node_name(self.source, id),
            types.collect::<Vec<_>>().join(", "),
            self.profile.max_binding_bytes
        ))
    }

    /// An op on slices of its operands, or a cut where one is too big.
    fn on(
        &mut self,
        id: NodeId,
        op: Op,
        reads: &[(ValueId, Ranges)],
        range: &[Range<usize>],
    ) -> Result<Step, LowerError> {
        let mut inputs = Vec::with_capacity(reads.len());
        for (value, wanted) in reads {
            match self.read(*value, wanted)? {
                Some(slab) => inputs.push(slab),
                None => return self.halve(id, range),
            }
        }
        self.emit(op, &inputs).map(Step::Done)
    }

    /// As [`on`](Self::on) for an op that needs some axes of its result whole: the wanted part is cut out of what it gives.
    fn whole_axes(
        &mut self,
        id: NodeId,
        keep: &dyn Fn(usize) -> bool,
        range: &[Range<usize>],
        step: &mut dyn FnMut(&mut Self, &[Range<usize>]) -> Result<Step, LowerError>,
    ) -> Result<Step, LowerError> {
        let sizes = self.sizes(self.source.node(id).outputs[0]);
        let wider: Ranges =
            range.iter().enumerate().map(|(a, r)| if keep(a) { r.clone() } else { 0..sizes[a] }).collect();
        if volume(&wider) > self.most_elements() && wider != range {
            return self.halve_kept(id, keep, range);
        }
        match step(self, &wider)? {
            Step::Done(value) => {
                let inside: Ranges =
                    range.iter().zip(&wider).map(|(r, w)| r.start - w.start..r.end - w.start).collect();
                self.slice(value, &inside).map(Step::Done)
            }
            Step::Cut(axis, _) if !keep(axis) => self.halve_kept(id, keep, range),
            cut => Ok(cut),
        }
    }

    fn halve_kept(
        &self,
        id: NodeId,
        keep: &dyn Fn(usize) -> bool,
        range: &[Range<usize>],
    ) -> Result<Step, LowerError> {
        match (0..range.len()).find(|a| keep(*a) && range[*a].len() > 1) {
            Some(axis) => Ok(Step::Cut(axis, range[axis].start + range[axis].len() / 2)),
            None => Err(self.beyond(id)),
        }
    }

    pub(super) fn rule(&mut self, id: NodeId, range: &[Range<usize>]) -> Result<Step, LowerError> {
        let source = self.source;
        let node = source.node(id);
        let x = &node.inputs;
        let out = node.outputs[0];
        let Some(op) = node.op.prim() else { return Err(LowerError::internal("a composite on the device")) };
        match op {
            PrimOp::Const(_) | PrimOp::ShapeOf(_) | PrimOp::If(_) | PrimOp::Loop(_) => {
                Err(LowerError::internal("an op of the host on the device"))
            }
            PrimOp::Reshape(_) => {
                let strides = contiguous_strides(&self.sizes(out));
                let start: usize = range.iter().zip(&strides).map(|(r, s)| r.start * s).sum();
                let last: usize = range.iter().zip(&strides).map(|(r, s)| (r.end - 1) * s).sum();
                if last + 1 - start != volume(range) {
                    // Not one run of elements: cut until it is.
                    return self.halve(id, range);
                }
                match self.read_flat(x[0], start..last + 1)? {
                    Some(line) => self.reshape(line, &extents(range)).map(Step::Done),
                    None => self.halve(id, range),
                }
            }
            PrimOp::Transpose(op) => {
                let mut wanted = vec![0..0; range.len()];
                op.perm.iter().zip(range).for_each(|(axis, r)| wanted[*axis] = r.clone());
                self.on(id, op.clone().into(), &[(x[0], wanted)], range)
            }
            PrimOp::Broadcast(_) => {
                let wanted = broadcast(&self.sizes(x[0]), range);
                let op = Broadcast { shape: Shape::of(&extents(range)) };
                self.on(id, op.into(), &[(x[0], wanted)], range)
            }
            PrimOp::Slice(op) => {
                let mut wanted = Vec::new();
                let mut starts = Vec::new();
                for (a, r) in range.iter().enumerate() {
                    let start = amount(&op.starts[a])? as i64;
                    let (first, last) =
                        (start + r.start as i64 * op.steps[a], start + (r.end as i64 - 1) * op.steps[a]);
                    let (low, high) = (first.min(last) as usize, first.max(last) as usize);
                    wanted.push(low..high + 1);
                    starts.push(Dim::from(first as usize - low));
                }
                let sizes = range.iter().map(|r| Dim::from(r.len())).collect();
                let op = Slice { starts, sizes, steps: op.steps.clone() };
                self.on(id, op.into(), &[(x[0], wanted)], range)
            }
            PrimOp::Pad(op) => self.pad(id, op, range),
            PrimOp::Concat(op) => {
                let along = axis(op.axis, range.len())?;
                let (mut pieces, mut start) = (Vec::new(), 0);
                for part in x {
                    let end = start + self.sizes(*part)[along];
                    let (from, to) = (range[along].start.max(start), range[along].end.min(end));
                    if from < to {
                        let mut wanted = range.to_vec();
                        wanted[along] = from - start..to - start;
                        match self.read(*part, &wanted)? {
                            Some(slab) => pieces.push(slab),
                            None => return self.halve(id, range),
                        }
                    }
                    start = end;
                }
                self.concat(along, &pieces).map(Step::Done)
            }
            PrimOp::Iota(op) => {
                let part = Iota { dtype: op.dtype, shape: Shape::of(&extents(range)), axis: op.axis };
                let counted = self.emit(part, &[])?;
                let first = self.scalar(op.dtype, range[op.axis].start as f64)?;
                self.emit(Add {}, &[counted, first]).map(Step::Done)
            }
            PrimOp::Gather(op) => {
                let along = axis(op.axis, self.sizes(x[0]).len())?;
                self.gather(id, along, range)
            }
            PrimOp::GatherElements(op) => {
                let along = axis(op.axis, range.len())?;
                let mut wanted = range.to_vec();
                wanted[along] = 0..self.sizes(x[0])[along];
                self.on(id, op.clone().into(), &[(x[0], wanted), (x[1], range.to_vec())], range)
            }
            PrimOp::GatherNd(op) => {
                let (sizes, indices) = (self.sizes(x[0]), self.sizes(x[1]));
                let (leading, depth) = (indices.len() - 1, indices[indices.len() - 1]);
                let mut wanted = range[..op.batch_dims].to_vec();
                wanted.extend(full(&sizes[op.batch_dims..op.batch_dims + depth]));
                wanted.extend_from_slice(&range[leading..]);
                let mut places = range[..leading].to_vec();
                places.push(0..depth);
                self.on(id, op.clone().into(), &[(x[0], wanted), (x[1], places)], range)
            }
            PrimOp::Reduce(op) => {
                let sizes = self.sizes(x[0]);
                let axes = axis_indices(op.axes.as_deref(), sizes.len())
                    .map_err(|error| LowerError::internal(&error.message))?;
                let mut kept = range.iter();
                let wanted: Ranges = (0..sizes.len())
                    .map(|a| match axes.contains(&a) {
                        true => {
                            if op.keep {
                                kept.next();
                            }
                            0..sizes[a]
                        }
                        false => kept.next().cloned().unwrap_or(0..sizes[a]),
                    })
                    .collect();
                self.reduce(id, op, &axes, &wanted, range)
            }
            PrimOp::ArgReduce(op) => {
                let sizes = self.sizes(x[0]);
                let along = axis(op.axis, sizes.len())?;
                let mut wanted = range.to_vec();
                match op.keep {
                    true => wanted[along] = 0..sizes[along],
                    false => wanted.insert(along, 0..sizes[along]),
                }
                self.on(id, op.clone().into(), &[(x[0], wanted)], range)
            }
            PrimOp::Scan(op) => {
                let along = axis(op.axis, range.len())?;
                let keep = |a: usize| a != along;
                self.whole_axes(id, &keep, range, &mut |s, wider| {
                    s.on(id, op.clone().into(), &[(x[0], wider.to_vec())], wider)
                })
            }
            PrimOp::MatMul(_) => {
                let depth = self.sizes(x[0]).last().copied().unwrap_or(0);
                self.matmul(id, range, 0..depth)
            }
            PrimOp::Conv(op) => {
                let depth = self.sizes(x[1])[1];
                self.conv(id, op, range, 0..depth)
            }
            PrimOp::ConvTranspose(op) => {
                let depth = self.sizes(x[0])[1] / op.groups;
                self.whole_axes(id, &|a| a < 2, range, &mut |s, wider| {
                    s.conv_transpose(id, op, wider, 0..depth)
                })
            }
            PrimOp::MaxPool(_) | PrimOp::AvgPool(_) => {
                let sizes = self.sizes(x[0]);
                self.whole_axes(id, &|a| a < 2, range, &mut |s, wider| {
                    let wanted = [&wider[..2], &full(&sizes[2..])].concat();
                    s.on(id, node.op.clone(), &[(x[0], wanted)], wider)
                })
            }
            PrimOp::Resize(op) => self.resize(id, op, range),
            // Any update may meet any element.
            PrimOp::ScatterElements(_) | PrimOp::ScatterNd(_) => Err(self.beyond(id)),
            elementwise_prims!() => {
                let reads: Vec<(ValueId, Ranges)> =
                    x.iter().map(|v| (*v, broadcast(&self.sizes(*v), range))).collect();
                self.on(id, node.op.clone(), &reads, range)
            }
        }
    }

    fn pad(&mut self, id: NodeId, op: &Pad, range: &[Range<usize>]) -> Result<Step, LowerError> {
        let (x, fill) = (self.source.node(id).inputs[0], self.source.node(id).inputs[1]);
        let sizes = self.sizes(x);
        let (mut wanted, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        for (a, r) in range.iter().enumerate() {
            let before = amount(&op.low[a])?;
            let (from, to) = (r.start.max(before), r.end.min(before + sizes[a]));
            if from >= to {
                let fill = self.whole(fill)?;
                let op = Broadcast { shape: Shape::of(&extents(range)) };
                return self.emit(op, &[fill]).map(Step::Done);
            }
            wanted.push(from - before..to - before);
            low.push(Dim::from(from - r.start));
            high.push(Dim::from(r.end - to));
        }
        self.on(id, Pad { low, high }.into(), &[(x, wanted), (fill, Vec::new())], range)
    }

    /// The reduction of a part of the operand; where it is too big, of its halves along the outermost axis, which are then combined or lie side by side.
    fn reduce(
        &mut self,
        id: NodeId,
        op: &Reduce,
        axes: &[usize],
        wanted: &[Range<usize>],
        range: &[Range<usize>],
    ) -> Result<Step, LowerError> {
        let x = self.source.node(id).inputs[0];
        if let Some(slab) = self.read(x, wanted)? {
            return self.emit(op.clone(), &[slab]).map(Step::Done);
        }
        let order = self.axes_in_memory(x);
        let Some(outer) = order.into_iter().find(|a| wanted[*a].len() > 1) else {
            return Err(self.beyond(id));
        };
        if !axes.contains(&outer) {
            let axis = if op.keep { outer } else { outer - axes.iter().filter(|a| **a < outer).count() };
            return Ok(Step::Cut(axis, self.boundary(x, outer, &range[axis])));
        }
        let at = self.boundary(x, outer, &wanted[outer]);
        let (mut low, mut high) = (wanted.to_vec(), wanted.to_vec());
        (low[outer].end, high[outer].start) = (at, at);
        let (low, high) =
            match (self.reduce(id, op, axes, &low, range)?, self.reduce(id, op, axes, &high, range)?) {
                (Step::Done(low), Step::Done(high)) => (low, high),
                (Step::Cut(axis, at), _) | (_, Step::Cut(axis, at)) => return Ok(Step::Cut(axis, at)),
            };
        let combined: Op = match op.kind {
            ReduceKind::Sum => Add {}.into(),
            ReduceKind::Prod => ops::Mul {}.into(),
            ReduceKind::Max => ops::Max {}.into(),
            ReduceKind::Min => ops::Min {}.into(),
        };
        self.emit(combined, &[low, high]).map(Step::Done)
    }

    /// Rows of a table that is too big are looked up in each of its parts; the part that holds the index gives the element.
    fn gather(&mut self, id: NodeId, along: usize, range: &[Range<usize>]) -> Result<Step, LowerError> {
        let (x, indices) = (self.source.node(id).inputs[0], self.source.node(id).inputs[1]);
        let extent = self.sizes(x)[along];
        let rank = self.sizes(indices).len();
        let op = ops::Gather { axis: along as i64 };
        let places = &range[along..along + rank];
        let table = |rows: Range<usize>| [&range[..along], &[rows], &range[along + rank..]].concat();
        let Some(raw) = self.read(indices, places)? else { return self.halve(id, range) };
        if let Some(slab) = self.read(x, &table(0..extent))? {
            return self.emit(op, &[slab, raw]).map(Step::Done);
        }
        let mut chunks: Vec<Range<usize>> = std::iter::once(0..extent).collect();
        let mut blocks = Vec::new();
        while let Some(rows) = chunks.pop() {
            match self.read(x, &table(rows.clone()))? {
                Some(slab) => blocks.push((rows, slab)),
                None if rows.len() > 1 => {
                    let at = self.boundary(x, along, &rows);
                    chunks.push(at..rows.end);
                    chunks.push(rows.start..at);
                }
                None => return self.halve(id, range),
            }
        }
        let dtype = self.dtype(indices);
        let (zero, whole) = (self.scalar(dtype, 0.0)?, self.scalar(dtype, extent as f64)?);
        let negative = self.emit(ops::Less {}, &[raw, zero])?;
        let moved = self.emit(Add {}, &[raw, whole])?;
        let index = self.emit(ops::Select {}, &[negative, moved, raw])?;
        let mut shape = vec![1; range.len()];
        shape[along..along + rank].clone_from_slice(&extents(places));
        let mut result = None;
        for (rows, slab) in blocks {
            let (first, last) =
                (self.scalar(dtype, rows.start as f64)?, self.scalar(dtype, (rows.len() - 1) as f64)?);
            let local = self.emit(ops::Sub {}, &[index, first])?;
            let least = self.emit(ops::Max {}, &[local, zero])?;
            let clamped = self.emit(ops::Min {}, &[least, last])?;
            let found = self.emit(op.clone(), &[slab, clamped])?;
            result = Some(match result {
                None => found,
                Some(before) => {
                    // The blocks go up, so whatever is not below this one belongs to it or to a later one.
                    let here = self.emit(ops::LessEqual {}, &[zero, local])?;
                    let here = self.reshape(here, &shape)?;
                    self.emit(ops::Select {}, &[here, found, before])?
                }
            });
        }
        result.map(Step::Done).ok_or_else(|| self.beyond(id))
    }

    fn resize(&mut self, id: NodeId, op: &Resize, range: &[Range<usize>]) -> Result<Step, LowerError> {
        let node = self.source.node(id);
        let (sizes, result) = (self.sizes(node.inputs[0]), self.sizes(node.outputs[0]));
        let keep = |a: usize| sizes[a] == result[a] && op.scales[a].get() == 1.0;
        self.whole_axes(id, &keep, range, &mut |s, wider| {
            let wanted =
                (0..wider.len()).map(|a| if keep(a) { wider[a].clone() } else { 0..sizes[a] }).collect();
            let part = Resize { shape: Shape::of(&extents(wider)), ..op.clone() };
            s.on(id, part.into(), &[(node.inputs[0], wanted)], wider)
        })
    }

    /// Where to cut a range of an axis of a value: at the border between two of its parts nearest to the middle, so that no slice spans both; else in the middle.
    pub(super) fn boundary(&mut self, value: ValueId, axis: usize, range: &Range<usize>) -> usize {
        let middle = range.start + range.len() / 2;
        if !self.is_big(value) {
            return middle;
        }
        if !self.parts.contains_key(&value)
            && let Some((x, perm)) = self.transposed.get(&value).cloned()
        {
            return self.boundary(x, perm[axis], range);
        }
        let parts = self.parts(value).unwrap_or_default();
        let borders = parts
            .iter()
            .map(|(place, _)| place[axis].start)
            .filter(|at| *at > range.start && *at < range.end);
        borders.min_by_key(|at| at.abs_diff(middle)).unwrap_or(middle)
    }

    /// The sum of two terms in the dtype of a contraction.
    pub(super) fn sum(&mut self, low: Step, high: Step) -> Result<Step, LowerError> {
        match (low, high) {
            (Step::Done(low), Step::Done(high)) => self.emit(Add {}, &[low, high]).map(Step::Done),
            (Step::Cut(axis, at), _) | (_, Step::Cut(axis, at)) => Ok(Step::Cut(axis, at)),
        }
    }
}
