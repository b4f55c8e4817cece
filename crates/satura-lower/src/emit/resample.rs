//! Resampling. Where each output index looks is known at compile time: indices and weights come as a run of selections for short axes and as arithmetic for the usual rules.

use super::Emitter;
use crate::LowerError;
use satura_ir::ValueId;
use satura_ir::ops::Resize;
use satura_kernel::{Index, Reg, Scalar};

impl Emitter<'_> {
    pub(super) fn resize(&mut self, x: ValueId, op: &Resize, coords: &[Index]) -> Result<Reg, LowerError> {
        if self.varies(coords) {
            return self.per_lane(coords, |em, at| em.resize(x, op, at));
        }
        let (from, to) = (
            self.sizes(x),
            op.shape.sizes().ok_or_else(|| LowerError::internal("a dimension is not bound"))?,
        );
        // Per axis, the neighbours as (index, weight); an axis that stays has one of weight 1.
        let mut axes: Vec<Vec<(Index, Option<Reg>)>> = Vec::with_capacity(coords.len());
        for (axis, c) in coords.iter().enumerate() {
            let table: Vec<Vec<(usize, f64)>> =
                (0..to[axis]).map(|i| op.neighbours(axis, from[axis], to[axis], i)).collect();
            axes.push(self.neighbours(&table, c, from[axis])?);
        }
        let mut sum: Option<Reg> = None;
        let combinations: usize = axes.iter().map(Vec::len).product();
        for combination in 0..combinations {
            let mut rest = combination;
            let mut at = Vec::with_capacity(axes.len());
            let mut weight: Option<Reg> = None;
            for neighbours in &axes {
                let (index, w) = &neighbours[rest % neighbours.len()];
                rest /= neighbours.len();
                at.push(index.clone());
                weight = match (weight, w) {
                    (Some(a), Some(b)) => Some(self.b.binary(satura_kernel::BinaryOp::Mul, a, *b)),
                    (a, b) => a.or(*b),
                };
            }
            let element = self.value(x, &at)?;
            let term = match weight {
                Some(weight) => self.b.binary(satura_kernel::BinaryOp::Mul, element, weight),
                None => element,
            };
            sum = Some(match sum {
                Some(sum) => self.b.binary(satura_kernel::BinaryOp::Add, sum, term),
                None => term,
            });
        }
        sum.ok_or_else(|| LowerError::internal("a resize without neighbours"))
    }

    /// The neighbours of output index `c`: `table[i]` lists index and weight for each output index `i`. A table that repeats with a period `p`, moving by `step` input elements each time, is
    /// arithmetic on `c / p` and `c % p`; any other is a chain of selections over all of it.
    fn neighbours(
        &mut self,
        table: &[Vec<(usize, f64)>],
        c: &Index,
        extent: usize,
    ) -> Result<Vec<(Index, Option<Reg>)>, LowerError> {
        // Where neighbours outside the input are left out, a row is shorter: the missing ones weigh nothing.
        let count = table.iter().map(Vec::len).max().unwrap_or(0);
        let entry =
            |t: &Vec<(usize, f64)>, k: usize| t.get(k).copied().unwrap_or((t.last().map_or(0, |l| l.0), 0.0));
        let identity = count == 1 && table.iter().enumerate().all(|(i, t)| t[0].0 == i && t[0].1 == 1.0);
        if identity {
            return Ok(vec![(c.clone(), None)]);
        }
        let reg = self.index(c);
        let mut out = Vec::with_capacity(count);
        for k in 0..count {
            // Runs of output indices whose entries continue each other: index = base + slope * i, the same weight.
            let indices: Vec<usize> = table.iter().map(|t| entry(t, k).0).collect();
            let weights: Vec<f64> = table.iter().map(|t| entry(t, k).1).collect();
            let index = self.lookup_index(&indices, reg);
            let var = self.var(index, extent);
            let weight = if weights.iter().all(|w| *w == 1.0) {
                None
            } else {
                Some(self.lookup_weight(&weights, reg))
            };
            out.push((Index::var(var), weight));
        }
        Ok(out)
    }

    /// `values[at]` for indices, as `(at + offset) * numerator / denominator` where that fits every entry but those clamped at the ends, else as selections.
    fn lookup_index(&mut self, values: &[usize], at: Reg) -> Reg {
        use satura_kernel::BinaryOp;
        let last = values.iter().copied().max().unwrap_or(0) as i64;
        for denominator in 1..=16i64 {
            for numerator in 1..=16i64 {
                for offset in -16..=16i64 {
                    let formula = |i: i64| (i * numerator + offset).div_euclid(denominator).clamp(0, last);
                    if values.iter().enumerate().all(|(i, v)| formula(i as i64) == *v as i64) {
                        let n = self.b.i32(numerator as i32);
                        // Lifted by whole denominators, so that the division is of a number that is not negative.
                        let lift = 17 * denominator;
                        let o = self.b.i32((offset + lift) as i32);
                        let d = self.b.i32(denominator as i32);
                        let down = self.b.i32(-17);
                        let (low, high) = (self.b.i32(0), self.b.i32(last as i32));
                        let i = self.b.bitcast(Scalar::I32, at);
                        let scaled = self.b.binary(BinaryOp::Mul, i, n);
                        let moved = self.b.binary(BinaryOp::Add, scaled, o);
                        let quotient = self.b.binary(BinaryOp::Div, moved, d);
                        let index = self.b.binary(BinaryOp::Add, quotient, down);
                        let index = self.b.binary(BinaryOp::Max, index, low);
                        let index = self.b.binary(BinaryOp::Min, index, high);
                        return self.b.bitcast(Scalar::U32, index);
                    }
                }
            }
        }
        let first = self.b.u32(values.first().copied().unwrap_or(0) as u32);
        let mut result = first;
        for (i, pair) in values.windows(2).enumerate().filter(|(_, p)| p[0] != p[1]) {
            let (border, value) = (self.b.u32(i as u32), self.b.u32(pair[1] as u32));
            let beyond = self.b.binary(BinaryOp::Lt, border, at);
            result = self.b.select(beyond, value, result);
        }
        result
    }

    /// `values[at]` for weights: a period of at most 16 with the ends apart is selected by the remainder, any other table by position.
    fn lookup_weight(&mut self, values: &[f64], at: Reg) -> Reg {
        use satura_kernel::BinaryOp;
        for period in 1..=16usize {
            let same = |i: usize| (values[i] - values[i % period]).abs() < 1e-9;
            if period < values.len() && (0..values.len()).all(same) {
                let p = self.b.u32(period as u32);
                let rest = self.b.binary(BinaryOp::Rem, at, p);
                return self.select_weight(&values[..period], rest);
            }
        }
        self.select_weight(values, at)
    }

    fn select_weight(&mut self, values: &[f64], at: Reg) -> Reg {
        use satura_kernel::BinaryOp;
        let mut result = self.b.f32(values.first().copied().unwrap_or(0.0) as f32);
        for (i, pair) in values.windows(2).enumerate().filter(|(_, p)| p[0] as f32 != p[1] as f32) {
            let (border, value) = (self.b.u32(i as u32), self.b.f32(pair[1] as f32));
            let beyond = self.b.binary(BinaryOp::Lt, border, at);
            result = self.b.select(beyond, value, result);
        }
        result
    }
}
