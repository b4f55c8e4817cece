//! Reductions, one output element at a time: the form that any coordinates and any fusion can use.

use super::Emitter;
use crate::LowerError;
use satura_ir::ValueId;
use satura_ir::ops::{ArgKind, ArgReduce, Reduce, ReduceKind, Scan, axis_index, axis_indices};
use satura_kernel::{BinaryOp, Index, Reg, Scalar, SubgroupOp, UnaryOp};
use satura_tensor::DType;

/// The operation that combines two partial results.
pub(crate) fn combine_op(kind: ReduceKind) -> BinaryOp {
    match kind {
        ReduceKind::Sum => BinaryOp::Add,
        ReduceKind::Prod => BinaryOp::Mul,
        ReduceKind::Max => BinaryOp::Max,
        ReduceKind::Min => BinaryOp::Min,
    }
}

/// The same over the lanes of a subgroup.
pub(crate) fn subgroup_op(kind: ReduceKind) -> SubgroupOp {
    match kind {
        ReduceKind::Sum => SubgroupOp::Add,
        ReduceKind::Prod => SubgroupOp::Mul,
        ReduceKind::Max => SubgroupOp::Max,
        ReduceKind::Min => SubgroupOp::Min,
    }
}

impl Emitter<'_> {
    /// Combines two partial results; bools are combined as any and all.
    pub(crate) fn combine_partial(&mut self, kind: ReduceKind, a: Reg, b: Reg) -> Reg {
        if self.b.ty(a).scalar == Scalar::Bool {
            let op = if kind == ReduceKind::Max { BinaryOp::Or } else { BinaryOp::And };
            return self.b.binary(op, a, b);
        }
        self.b.binary(combine_op(kind), a, b)
    }

    /// What combining no elements gives.
    pub(crate) fn reduction_start(&mut self, kind: ReduceKind, dtype: DType) -> Result<Reg, LowerError> {
        let scalar =
            super::scalar_of(dtype).ok_or_else(|| LowerError::internal("a reduction of a host dtype"))?;
        let (least, greatest) = dtype.int_range().map_or((0, 0), |(a, b)| {
            (
                a.max(i128::from(i32::MIN)),
                if dtype.is_signed_int() { b.min(i128::from(i32::MAX)) } else { b.min(i128::from(u32::MAX)) },
            )
        });
        Ok(match (scalar, kind) {
            (Scalar::F32, ReduceKind::Sum) => self.b.f32(0.0),
            (Scalar::F32, ReduceKind::Prod) => self.b.f32(1.0),
            (Scalar::F32, ReduceKind::Max) => self.b.f32(f32::NEG_INFINITY),
            (Scalar::F32, ReduceKind::Min) => self.b.f32(f32::INFINITY),
            (Scalar::I32, ReduceKind::Sum) => self.b.i32(0),
            (Scalar::I32, ReduceKind::Prod) => self.b.i32(1),
            (Scalar::I32, ReduceKind::Max) => self.b.i32(least as i32),
            (Scalar::I32, ReduceKind::Min) => self.b.i32(greatest as i32),
            (Scalar::U32, ReduceKind::Sum | ReduceKind::Max) => self.b.u32(0),
            (Scalar::U32, ReduceKind::Prod) => self.b.u32(1),
            (Scalar::U32, ReduceKind::Min) => self.b.u32(greatest as u32),
            (Scalar::Bool, ReduceKind::Max | ReduceKind::Sum) => self.b.bool(false),
            (Scalar::Bool, ReduceKind::Min | ReduceKind::Prod) => self.b.bool(true),
        })
    }

    /// The coordinates in `x` of the element `inner` (one index per reduced axis) of the row at `coords` of the reduced tensor.
    pub(crate) fn row_coords(
        sizes: &[usize],
        axes: &[usize],
        keep: bool,
        coords: &[Index],
        inner: &[Index],
    ) -> Vec<Index> {
        let mut kept = coords.iter();
        let mut reduced = inner.iter();
        (0..sizes.len())
            .map(|axis| {
                if axes.contains(&axis) {
                    if keep {
                        kept.next();
                    }
                    reduced.next().cloned().unwrap_or(Index::constant(0))
                } else {
                    kept.next().cloned().unwrap_or(Index::constant(0))
                }
            })
            .collect()
    }

    pub(super) fn reduce(&mut self, x: ValueId, op: &Reduce, coords: &[Index]) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let axes =
            axis_indices(op.axes.as_deref(), sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
        let dtype = self.dtype(x);
        let width = if self.varies(coords) { 4 } else { 1 };
        let start = self.reduction_start(op.kind, dtype)?;
        let start = self.b.widen(start, width);
        let var = self.accumulator(start);
        let extents: Vec<usize> = axes.iter().map(|a| sizes[*a]).collect();
        let total: usize = extents.iter().product();
        self.each(total, total <= 4, &mut |em, i| {
            let inner = super::movement::unflatten(i, &extents);
            let at = Self::row_coords(&sizes, &axes, op.keep, coords, &inner);
            let element = em.value(x, &at)?;
            let element = em.b.widen(element, width);
            let old = em.b.get(var);
            let new = em.combine_partial(op.kind, old, element);
            let new = em.wrap(new, dtype);
            em.b.set(var, new);
            Ok(())
        })?;
        Ok(self.b.get(var))
    }

    pub(super) fn arg_reduce(
        &mut self,
        x: ValueId,
        op: &ArgReduce,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let axis = axis_index(op.axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
        if self.varies(coords) {
            return self.per_lane(coords, |em, at| em.arg_reduce(x, op, at));
        }
        let first = Self::row_coords(&sizes, &[axis], op.keep, coords, &[Index::constant(0)]);
        let first = self.value(x, &first)?;
        let zero = self.b.i32(0);
        let (best, position) = (self.accumulator(first), self.accumulator(zero));
        let float = self.b.ty(first).scalar == Scalar::F32;
        self.each(sizes[axis], false, &mut |em, i| {
            let at = Self::row_coords(&sizes, &[axis], op.keep, coords, std::slice::from_ref(i));
            let element = em.value(x, &at)?;
            let old = em.b.get(best);
            let (a, b) = if op.kind == ArgKind::Max { (old, element) } else { (element, old) };
            let mut better = em.b.binary(BinaryOp::Lt, a, b);
            if op.last {
                let same = em.b.binary(BinaryOp::Eq, a, b);
                better = em.b.binary(BinaryOp::Or, better, same);
            }
            if float {
                // A NaN wins against every number; the first one stays unless the last is asked for.
                let (new_nan, old_nan) =
                    (em.b.unary(UnaryOp::IsNan, element), em.b.unary(UnaryOp::IsNan, old));
                let fresh = em.b.unary(UnaryOp::Not, old_nan);
                let wins = if op.last { new_nan } else { em.b.binary(BinaryOp::And, new_nan, fresh) };
                better = em.b.binary(BinaryOp::Or, better, wins);
            }
            em.when(better, |em| {
                em.b.set(best, element);
                let at = em.index(i);
                let at = em.b.bitcast(Scalar::I32, at);
                em.b.set(position, at);
                Ok(())
            })
        })?;
        Ok(self.b.get(position))
    }

    /// Each output element combines all before it: quadratic in the axis. A sweep over the row computes scans that need not be packed into words.
    pub(super) fn scan(&mut self, x: ValueId, op: &Scan, coords: &[Index]) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let axis = axis_index(op.axis, sizes.len()).map_err(|e| LowerError::internal(&e.message))?;
        if self.varies(&coords[axis..=axis]) {
            return self.per_lane(coords, |em, at| em.scan(x, op, at));
        }
        let dtype = self.dtype(x);
        let width = if self.varies(coords) { 4 } else { 1 };
        let start = self.reduction_start(op.kind, dtype)?;
        let start = self.b.widen(start, width);
        let var = self.accumulator(start);
        let own = self.index(&coords[axis]);
        self.each(sizes[axis], false, &mut |em, i| {
            let at = em.index(i);
            let condition = match (op.reverse, op.exclusive) {
                (false, true) => em.b.binary(BinaryOp::Lt, at, own),
                (false, false) => em.b.binary(BinaryOp::Le, at, own),
                (true, true) => em.b.binary(BinaryOp::Lt, own, at),
                (true, false) => em.b.binary(BinaryOp::Le, own, at),
            };
            em.when(condition, |em| {
                let mut from = coords.to_vec();
                from[axis] = i.clone();
                let element = em.value(x, &from)?;
                let element = em.b.widen(element, width);
                let old = em.b.get(var);
                let new = em.combine_partial(op.kind, old, element);
                let new = em.wrap(new, dtype);
                em.b.set(var, new);
                Ok(())
            })
        })?;
        Ok(self.b.get(var))
    }
}
