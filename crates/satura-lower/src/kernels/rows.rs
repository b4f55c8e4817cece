//! Row programs: one or more reductions over the same rows, with elementwise parts before, between and after them.

use super::{Target, linear};
use crate::LowerError;
use crate::emit::{Contraction, Emitter, subgroup_op, unflatten};
use crate::regions::{Rows, kept};
use satura_ir::ops::ReduceKind;
use satura_ir::{PrimOp, ValueId};
use satura_kernel::{BinaryOp, Index, IndexVar, Kernel, Reg, RowSchedule, Scalar, SharedId, UnaryOp};

/// How the elements of one row are shared out.
struct Spread {
    /// Elements of the row.
    length: usize,
    /// 4 where consecutive elements are taken as vectors, else 1.
    vector: usize,
    /// Invocations that share the row, and the number of this one among them.
    team: usize,
    member: Option<IndexVar>,
    kind: RowSchedule,
    scratch: Option<SharedId>,
}

pub(super) fn build(
    target: &Target<'_>,
    root: ValueId,
    rows: &Rows,
    kind: RowSchedule,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let outer = kept(&rows.domain, &rows.axes);
    let count: usize = outer.iter().product();
    let extents: Vec<usize> = rows.axes.iter().map(|a| rows.domain[*a]).collect();
    let length: usize = extents.iter().product();
    let trailing = rows.axes.iter().copied().eq(rows.domain.len() - rows.axes.len()..rows.domain.len());
    let vector = if trailing && length % 4 == 0 { 4 } else { 1 };
    let name = target.name(root, rows.reductions.first().copied());
    let (mut em, spread, row, condition, groups) = start(target, &name, kind, count, length, vector);
    let row_coords = unflatten(&Index::var(row), &outer);

    em.when_some(condition, |em| {
        for reduction in &rows.reductions {
            let Some((_, node)) = target.graph.producer(*reduction) else {
                return Err(LowerError::internal("a reduction without a node"));
            };
            let Some(PrimOp::Reduce(op)) = node.op.prim() else {
                return Err(LowerError::internal("a row program of something that is no reduction"));
            };
            let x = node.inputs[0];
            let dtype = em.dtype(x);
            let init = em.reduction_start(op.kind, dtype)?;
            let partial = spread.fold(em, op.kind, init, &mut |em, i| {
                let at =
                    Emitter::row_coords(&rows.domain, &rows.axes, true, &row_coords, &unflatten(i, &extents));
                em.value(x, &at)
            })?;
            let whole = spread.combine(em, op.kind, partial)?;
            let whole = em.wrap(whole, dtype);
            em.give(*reduction, whole);
        }
        let sizes = target.sizes(root);
        if rows.full {
            spread.each(em, &mut |em, i| {
                let at =
                    Emitter::row_coords(&rows.domain, &rows.axes, true, &row_coords, &unflatten(i, &extents));
                let element = em.compute_given(root, &at)?;
                em.store(root, &linear(&at, &sizes), element)
            })
        } else {
            let at = unflatten(&Index::var(row), &sizes);
            spread.once(em, &mut |em| {
                let element = em.compute_given(root, &at)?;
                em.store(root, &Index::var(row), element)
            })
        }
    })?;
    Ok(em.finish(groups))
}

/// A contraction with few columns: each output element is a row whose elements are the products over depth and taps.
pub(super) fn build_depth(
    target: &Target<'_>,
    root: ValueId,
    core: ValueId,
    kind: RowSchedule,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let contraction =
        Contraction::of(target.graph, core).ok_or_else(|| LowerError::internal("not a contraction"))?;
    let taps: usize = contraction.taps.iter().product();
    let length = contraction.depth * taps;
    let vector = if taps == 1 && length % 4 == 0 { 4 } else { 1 };
    let count: usize = contraction.out.iter().product();
    let name = target.name(root, Some(core));
    let (mut em, spread, row, condition, groups) = start(target, &name, kind, count, length, vector);
    let coords = unflatten(&Index::var(row), &contraction.out);
    let dtype = em.dtype(core);
    em.when_some(condition, |em| {
        let init = em.zero(dtype)?;
        let partial = spread.fold(em, ReduceKind::Sum, init, &mut |em, i| {
            let depth = i.div(taps.max(1) as i64);
            let tap = unflatten(&i.modulo(taps.max(1) as i64), &contraction.taps);
            let left = contraction.left(em, &coords, &depth, &tap)?;
            let right = contraction.right(em, &coords, &depth, &tap)?;
            Ok(em.b.binary(BinaryOp::Mul, left, right))
        })?;
        let sum = spread.combine(em, ReduceKind::Sum, partial)?;
        let sum = em.wrap(sum, dtype);
        em.give(core, sum);
        let at = unflatten(&Index::var(row), &target.sizes(root));
        spread.once(em, &mut |em| {
            let element = em.compute_given(root, &at)?;
            em.store(root, &Index::var(row), element)
        })
    })?;
    Ok(em.finish(groups))
}

fn start<'a>(
    target: &'a Target<'_>,
    name: &str,
    kind: RowSchedule,
    count: usize,
    length: usize,
    vector: usize,
) -> (Emitter<'a>, Spread, IndexVar, Option<Reg>, u32) {
    match kind {
        RowSchedule::Serial { workgroup } => {
            let mut em = target.emitter(name, workgroup);
            let (row, condition, groups) = super::invocation(&mut em, workgroup, count);
            (
                em,
                Spread { length, vector, team: 1, member: None, kind, scratch: None },
                row,
                condition,
                groups,
            )
        }
        RowSchedule::Subgroup { subgroups } => {
            let size = target.profile.subgroup_size.unwrap_or(1);
            let mut em = target.emitter(name, size * subgroups);
            em.b.set_subgroup_size(size);
            let (group, local, lane) = (em.b.group(), em.b.local(), em.b.lane());
            let (per, width) = (em.b.u32(subgroups), em.b.u32(size));
            let first = em.b.binary(BinaryOp::Mul, group, per);
            let own = em.b.binary(BinaryOp::Div, local, width);
            let number = em.b.binary(BinaryOp::Add, first, own);
            let condition = (count % subgroups as usize != 0).then(|| {
                let bound = em.b.u32(count as u32);
                em.b.binary(BinaryOp::Lt, number, bound)
            });
            let (row, member) = (em.var(number, count), em.var(lane, size as usize));
            let groups = count.div_ceil(subgroups as usize).max(1) as u32;
            let spread =
                Spread { length, vector, team: size as usize, member: Some(member), kind, scratch: None };
            (em, spread, row, condition, groups)
        }
        RowSchedule::Shared { workgroup } => {
            let mut em = target.emitter(name, workgroup);
            let (group, local) = (em.b.group(), em.b.local());
            let (row, member) = (em.var(group, count), em.var(local, workgroup as usize));
            let scratch = Some(em.b.shared(Scalar::F32, workgroup as usize));
            let spread =
                Spread { length, vector, team: workgroup as usize, member: Some(member), kind, scratch };
            (em, spread, row, None, count as u32)
        }
    }
}

impl Spread {
    /// Runs `f` for each of this member's elements, or vectors of elements, of the row. `f` gets the element's number, which mentions the lane variable where vectors are taken.
    fn each(
        &self,
        em: &mut Emitter<'_>,
        f: &mut dyn FnMut(&mut Emitter<'_>, &Index) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        let steps = self.length / self.vector;
        let rounds = steps.div_ceil(self.team);
        let saved = em.lane;
        let lane = (self.vector == 4).then(|| em.lane_var());
        em.lane = lane;
        let result = em.each(rounds, rounds <= 2, &mut |em, round| {
            let step = match self.member {
                Some(member) => round.mul(self.team as i64).add(&Index::var(member)),
                None => round.clone(),
            };
            let inside = em.inside(&step, steps);
            let step = step.assume_within(steps as i64);
            let number = match lane {
                Some(lane) => step.mul(4).add(&Index::var(lane)),
                None => step,
            };
            em.when_some(inside, |em| f(em, &number))
        });
        em.lane = saved;
        result
    }

    /// This member's part of a reduction of the row, as one scalar.
    fn fold(
        &self,
        em: &mut Emitter<'_>,
        kind: ReduceKind,
        init: Reg,
        f: &mut dyn FnMut(&mut Emitter<'_>, &Index) -> Result<Reg, LowerError>,
    ) -> Result<Reg, LowerError> {
        let width = self.vector as u8;
        let wide = em.b.widen(init, width);
        let var = em.accumulator(wide);
        self.each(em, &mut |em, i| {
            let element = f(em, i)?;
            let element = em.b.widen(element, width);
            let old = em.b.get(var);
            let new = em.combine_partial(kind, old, element);
            em.b.set(var, new);
            Ok(())
        })?;
        let total = em.b.get(var);
        let mut parts: Vec<Reg> = (0..width).map(|l| em.b.extract(total, l)).collect();
        while parts.len() > 1 {
            parts = parts.chunks(2).map(|p| em.combine_partial(kind, p[0], p[1])).collect();
        }
        Ok(parts[0])
    }

    /// The members' parts combined, known to every member.
    fn combine(&self, em: &mut Emitter<'_>, kind: ReduceKind, partial: Reg) -> Result<Reg, LowerError> {
        match self.kind {
            RowSchedule::Serial { .. } => Ok(partial),
            RowSchedule::Subgroup { .. } => {
                let scalar = em.b.ty(partial).scalar;
                if scalar == Scalar::Bool {
                    let number = em.b.convert(Scalar::U32, partial);
                    let whole = em.b.subgroup(subgroup_op(kind), number);
                    return Ok(em.b.convert(Scalar::Bool, whole));
                }
                let whole = em.b.subgroup(subgroup_op(kind), partial);
                if scalar != Scalar::F32 || matches!(kind, ReduceKind::Sum | ReduceKind::Prod) {
                    return Ok(whole);
                }
                // What a subgroup's maximum makes of NaN is the device's choice; ours is to keep it.
                let nan = em.b.unary(UnaryOp::IsNan, partial);
                let nan = em.b.convert(Scalar::U32, nan);
                let any = em.b.subgroup(satura_kernel::SubgroupOp::Max, nan);
                let any = em.b.convert(Scalar::Bool, any);
                let missing = em.b.f32(f32::NAN);
                Ok(em.b.select(any, missing, whole))
            }
            RowSchedule::Shared { workgroup } => {
                let scratch = self.scratch.ok_or_else(|| LowerError::internal("no shared memory"))?;
                let scalar = em.b.ty(partial).scalar;
                let local = em.b.local();
                let bits = match scalar {
                    Scalar::Bool => em.b.convert(Scalar::F32, partial),
                    Scalar::F32 => partial,
                    _ => em.b.bitcast(Scalar::F32, partial),
                };
                let back = |em: &mut Emitter<'_>, x: Reg| match scalar {
                    Scalar::Bool => em.b.convert(Scalar::Bool, x),
                    Scalar::F32 => x,
                    _ => em.b.bitcast(scalar, x),
                };
                em.b.barrier();
                em.b.store_shared(scratch, local, bits);
                let mut half = workgroup / 2;
                while half > 0 {
                    em.b.barrier();
                    let bound = em.b.u32(half);
                    let mine = em.b.binary(BinaryOp::Lt, local, bound);
                    em.when(mine, |em| {
                        let other = em.b.binary(BinaryOp::Add, local, bound);
                        let (a, b) = (em.b.load_shared(scratch, local), em.b.load_shared(scratch, other));
                        let (a, b) = (back(em, a), back(em, b));
                        let both = em.combine_partial(kind, a, b);
                        let bits = match scalar {
                            Scalar::Bool => em.b.convert(Scalar::F32, both),
                            Scalar::F32 => both,
                            _ => em.b.bitcast(Scalar::F32, both),
                        };
                        em.b.store_shared(scratch, local, bits);
                        Ok(())
                    })?;
                    half /= 2;
                }
                em.b.barrier();
                let zero = em.b.u32(0);
                let whole = em.b.load_shared(scratch, zero);
                Ok(back(em, whole))
            }
        }
    }

    /// Runs `f` on one member of the team.
    fn once(
        &self,
        em: &mut Emitter<'_>,
        f: &mut dyn FnMut(&mut Emitter<'_>) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        let Some(member) = self.member else { return f(em) };
        let number = em.index(&Index::var(member));
        let zero = em.b.u32(0);
        let first = em.b.binary(BinaryOp::Eq, number, zero);
        em.when(first, |em| f(em))
    }
}
