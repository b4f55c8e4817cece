//! Tiled contractions: matrix products and convolutions with their epilogues.

use super::{Target, linear};
use crate::LowerError;
use crate::emit::{Contraction, Emitter, unflatten};
use satura_ir::ValueId;
use satura_kernel::{BinaryOp, ContractionSchedule, Index, IndexVar, Kernel, Reg, Scalar, VarId};

pub(super) fn build(
    target: &Target<'_>,
    root: ValueId,
    core: ValueId,
    tiling: ContractionSchedule,
) -> Result<(Kernel, Vec<ValueId>), LowerError> {
    let contraction =
        Contraction::of(target.graph, core).ok_or_else(|| LowerError::internal("not a contraction"))?;
    let work = Work { target, root, core, c: contraction };
    match tiling {
        ContractionSchedule::Naive { workgroup } => super::elements::build(target, root, 1, workgroup),
        ContractionSchedule::Register { rows, workgroup, .. } => work.lanes(rows, workgroup, None),
        ContractionSchedule::Subgroup { rows, subgroups } => {
            let size = target.profile.subgroup_size.ok_or_else(|| LowerError::internal("no subgroups"))?;
            work.lanes(rows, size * subgroups, Some(size))
        }
        ContractionSchedule::Shared { rows, columns, inner, thread_rows, thread_columns } => {
            work.shared([rows, columns, inner], [thread_rows, thread_columns])
        }
    }
}

struct Work<'a> {
    target: &'a Target<'a>,
    root: ValueId,
    core: ValueId,
    c: Contraction,
}

/// Steps of the depth axis that are written out in the body of the loop.
const DEPTH_STEPS: usize = 4;

impl Work<'_> {
    /// `rows` x 4 outputs per invocation. With a subgroup size, each lane loads the left factors of some rows and the others get them by broadcast; else every
    /// invocation loads all it needs.
    fn lanes(
        &self,
        rows: u32,
        workgroup: u32,
        subgroup: Option<u32>,
    ) -> Result<(Kernel, Vec<ValueId>), LowerError> {
        let c = &self.c;
        let rows = rows as usize;
        let team = subgroup.unwrap_or(1) as usize;
        let row_tiles = c.rows.div_ceil(rows);
        let column_tiles = c.columns.div_ceil(4 * team);
        let tasks = c.batch * row_tiles * column_tiles;
        let mut em = self.target.emitter(&self.target.name(self.root, Some(self.core)), workgroup);
        let per_group = workgroup as usize / team;
        let groups = tasks.div_ceil(per_group).max(1) as u32;
        let (group, local) = (em.b.group(), em.b.local());
        let (per, size) = (em.b.u32(per_group as u32), em.b.u32(team as u32));
        let first = em.b.binary(BinaryOp::Mul, group, per);
        let own = em.b.binary(BinaryOp::Div, local, size);
        let number = em.b.binary(BinaryOp::Add, first, own);
        let condition = (tasks % per_group != 0).then(|| {
            let bound = em.b.u32(tasks as u32);
            em.b.binary(BinaryOp::Lt, number, bound)
        });
        let task = Index::var(em.var(number, tasks));
        let member = match subgroup {
            Some(size) => {
                em.b.set_subgroup_size(size);
                let lane = em.b.lane();
                Some(em.var(lane, team))
            }
            None => None,
        };
        em.when_some(condition, |em| self.tile(em, &task, rows, row_tiles, column_tiles, team, member))?;
        Ok(em.finish(groups))
    }

    fn tile(
        &self,
        em: &mut Emitter<'_>,
        task: &Index,
        rows: usize,
        row_tiles: usize,
        column_tiles: usize,
        team: usize,
        member: Option<IndexVar>,
    ) -> Result<(), LowerError> {
        let c = &self.c;
        // Row tiles change fastest: the columns of a tile stay in the cache while the rows go by.
        let row_tile = task.modulo(row_tiles as i64);
        let rest = task.div(row_tiles as i64);
        let column_tile = rest.modulo(column_tiles as i64);
        let batch = rest.div(column_tiles as i64);
        let first_row = row_tile.mul(rows as i64);
        let own_column = match member {
            Some(member) => column_tile.mul(4 * team as i64).add(&Index::var(member).mul(4)),
            None => column_tile.mul(4),
        };
        let column_lane = em.lane_var();
        // Lanes beyond the last columns work on the last four again, and do not store what is not theirs.
        let whole = c.columns % (4 * team) == 0;
        let base = if whole {
            own_column.clone()
        } else {
            let (raw, last) = (em.index(&own_column), em.b.u32(c.columns as u32 - 4));
            let clamped = em.b.binary(BinaryOp::Min, raw, last);
            if c.columns % 4 == 0 {
                // Both are multiples of 4, and vectors stay aligned.
                let four = em.b.u32(4);
                let quarter = em.b.binary(BinaryOp::Div, clamped, four);
                Index::var(em.var(quarter, c.columns / 4)).mul(4)
            } else {
                Index::var(em.var(clamped, c.columns - 3))
            }
        };
        let column = base.add(&Index::var(column_lane));

        let zero = em.zero(em.dtype(self.core))?;
        let zero = em.b.widen(zero, 4);
        let sums: Vec<VarId> = (0..rows).map(|_| em.accumulator(zero)).collect();
        let taps: usize = c.taps.iter().product();
        let stepped = taps == 1 && c.depth % DEPTH_STEPS == 0;
        let depth_lane = stepped.then(|| em.lane_var());
        let rounds = if stepped { c.depth / DEPTH_STEPS } else { c.depth };
        let holders = rows.div_ceil(team);
        em.each(rounds, false, &mut |em, round| {
            em.each_tap(&c.taps, &mut |em, tap| {
                let steps = if stepped { DEPTH_STEPS } else { 1 };
                // The left factors that this lane holds.
                let depth = match depth_lane {
                    Some(lane) => round.mul(DEPTH_STEPS as i64).add(&Index::var(lane)),
                    None => round.clone(),
                };
                em.lane = depth_lane;
                let mut held = Vec::new();
                let count = if member.is_some() { holders } else { rows };
                for j in 0..count {
                    let row = match member {
                        Some(member) => first_row.offset((j * team) as i64).add(&Index::var(member)),
                        None => first_row.offset(j as i64),
                    };
                    let row = em.at_most(&row, c.rows);
                    let coords = c.out_coords(&batch, &row, &Index::constant(0));
                    held.push(c.left(em, &coords, &depth, tap)?);
                }
                em.lane = Some(column_lane);
                for step in 0..steps {
                    let depth = round.mul(steps as i64).offset(step as i64);
                    let coords = c.out_coords(&batch, &Index::constant(0), &column);
                    let right = c.right(em, &coords, &depth, tap)?;
                    for r in 0..rows {
                        let factor = match member {
                            Some(_) => {
                                let part = em.b.extract(held[r / team], step as u8);
                                em.b.broadcast(part, (r % team) as u32)
                            }
                            None => em.b.extract(held[r], step as u8),
                        };
                        let old = em.b.get(sums[r]);
                        let new = em.multiply_add(factor, right, old);
                        em.b.set(sums[r], new);
                    }
                }
                em.lane = None;
                Ok(())
            })
        })?;

        em.lane = Some(column_lane);
        let sizes = self.target.sizes(self.root);
        for (r, sum) in sums.iter().enumerate() {
            let row = first_row.offset(r as i64);
            let inside = em.inside(&row, c.rows);
            let row = row.assume_within(c.rows as i64);
            em.when_some(inside, |em| {
                let sum = em.b.get(*sum);
                let coords = c.out_coords(&batch, &row, &column);
                let flat = linear(&coords, &c.out);
                let at = if sizes == c.out { coords } else { unflatten(&flat, &sizes) };
                let sum = em.wrap(sum, em.dtype(self.core));
                em.give(self.core, sum);
                let element = em.compute_given(self.root, &at)?;
                if whole {
                    return em.store(self.root, &flat, element);
                }
                let (own, end) = (em.index(&own_column), em.b.u32(c.columns as u32));
                if c.columns % 4 == 0 {
                    let mine = em.b.binary(BinaryOp::Lt, own, end);
                    return em.when(mine, |em| em.store(self.root, &flat, element));
                }
                for l in 0..4i64 {
                    let position = em.index(&base.offset(l));
                    let mine = em.b.binary(BinaryOp::Le, own, position);
                    let index = flat.at(column_lane, l);
                    let part = em.b.extract(element, l as u8);
                    em.when(mine, |em| em.store(self.root, &index, part))?;
                }
                Ok(())
            })?;
        }
        em.lane = None;
        Ok(())
    }

    /// Tiles staged in shared memory.
    fn shared(
        &self,
        [bm, bn, bk]: [u32; 3],
        [tm, tn]: [u32; 2],
    ) -> Result<(Kernel, Vec<ValueId>), LowerError> {
        let c = &self.c;
        let threads = (bm / tm) * (bn / tn);
        let (row_tiles, column_tiles) = (c.rows.div_ceil(bm as usize), c.columns.div_ceil(bn as usize));
        let groups = c.batch * row_tiles * column_tiles;
        let mut em = self.target.emitter(&self.target.name(self.root, Some(self.core)), threads);
        let (group, local) = (em.b.group(), em.b.local());
        let task = Index::var(em.var(group, groups));
        let local = Index::var(em.var(local, threads as usize));
        let row_tile = task.modulo(row_tiles as i64);
        let rest = task.div(row_tiles as i64);
        let (column_tile, batch) = (rest.modulo(column_tiles as i64), rest.div(column_tiles as i64));
        let (first_row, first_column) = (row_tile.mul(i64::from(bm)), column_tile.mul(i64::from(bn)));
        let scalar = crate::emit::scalar_of(em.dtype(self.core)).unwrap_or(Scalar::F32);
        let (left, right) =
            (em.b.shared(scalar, (bm * bk) as usize), em.b.shared(scalar, (bn * bk) as usize));
        let zero = em.zero(em.dtype(self.core))?;
        let (own_row, own_column) = (
            local.div(i64::from(bn / tn)).mul(i64::from(tm)),
            local.modulo(i64::from(bn / tn)).mul(i64::from(tn)),
        );
        let sums: Vec<VarId> = (0..tm * tn).map(|_| em.accumulator(zero)).collect();
        let taps: usize = c.taps.iter().product();
        let length = c.depth * taps;
        let rounds = length.div_ceil(bk as usize);
        em.each(rounds, false, &mut |em, round| {
            em.b.barrier();
            for (is_left, extent, shared) in [(true, bm, left), (false, bn, right)] {
                let total = extent * bk;
                for part in 0..total.div_ceil(threads) {
                    let element = local.offset(i64::from(part * threads));
                    let inside_tile = em.inside(&element, total as usize);
                    let element = element.assume_within(i64::from(total));
                    em.when_some(inside_tile, |em| {
                        // The left tile is read along its depth, the right one along its columns: as they lie in memory.
                        let (line, k) = if is_left {
                            (element.div(i64::from(bk)), element.modulo(i64::from(bk)))
                        } else {
                            (element.modulo(i64::from(bn)), element.div(i64::from(bn)))
                        };
                        let depth = round.mul(i64::from(bk)).add(&k);
                        let beyond = em.inside(&depth, length);
                        let depth = em.at_most(&depth, length);
                        let tap = unflatten(&depth.modulo(taps.max(1) as i64), &c.taps);
                        let channel = depth.div(taps.max(1) as i64);
                        let value = if is_left {
                            let row = em.at_most(&first_row.add(&line), c.rows);
                            let coords = c.out_coords(&batch, &row, &Index::constant(0));
                            c.left(em, &coords, &channel, &tap)?
                        } else {
                            let column = em.at_most(&first_column.add(&line), c.columns);
                            let coords = c.out_coords(&batch, &Index::constant(0), &column);
                            c.right(em, &coords, &channel, &tap)?
                        };
                        let value = match beyond {
                            Some(inside) => em.b.select(inside, value, zero),
                            None => value,
                        };
                        let at = em.index(&k.mul(i64::from(extent)).add(&line));
                        em.b.store_shared(shared, at, value);
                        Ok(())
                    })?;
                }
            }
            em.b.barrier();
            em.each(bk as usize, false, &mut |em, k| {
                let load = |em: &mut Emitter<'_>, shared, extent: u32, own: &Index, i: u32| {
                    let at = em.index(&k.mul(i64::from(extent)).add(own).offset(i64::from(i)));
                    em.b.load_shared(shared, at)
                };
                let lefts: Vec<Reg> = (0..tm).map(|i| load(em, left, bm, &own_row, i)).collect();
                let rights: Vec<Reg> = (0..tn).map(|j| load(em, right, bn, &own_column, j)).collect();
                for (i, a) in lefts.iter().enumerate() {
                    for (j, b) in rights.iter().enumerate() {
                        let var = sums[i * tn as usize + j];
                        let old = em.b.get(var);
                        let new = em.multiply_add(*a, *b, old);
                        em.b.set(var, new);
                    }
                }
                Ok(())
            })
        })?;
        let sizes = self.target.sizes(self.root);
        for i in 0..tm {
            for j in 0..tn {
                let row = first_row.add(&own_row).offset(i64::from(i));
                let column = first_column.add(&own_column).offset(i64::from(j));
                let conditions: Vec<Reg> =
                    [em.inside(&row, c.rows), em.inside(&column, c.columns)].into_iter().flatten().collect();
                let inside = em.all(conditions);
                let (row, column) =
                    (row.assume_within(c.rows as i64), column.assume_within(c.columns as i64));
                em.when_some(inside, |em| {
                    let sum = em.b.get(sums[(i * tn + j) as usize]);
                    let coords = c.out_coords(&batch, &row, &column);
                    let flat = linear(&coords, &c.out);
                    let at = if sizes == c.out { coords } else { unflatten(&flat, &sizes) };
                    let sum = em.wrap(sum, em.dtype(self.core));
                    em.give(self.core, sum);
                    let element = em.compute_given(self.root, &at)?;
                    em.store(self.root, &flat, element)
                })?;
            }
        }
        Ok(em.finish(groups as u32))
    }
}
