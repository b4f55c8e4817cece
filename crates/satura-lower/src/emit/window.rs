//! Windows over spatial axes: pools and transposed convolution.

use super::Emitter;
use crate::LowerError;
use satura_ir::ValueId;
use satura_ir::ops::{AvgPool, ConvTranspose, MaxPool, ReduceKind};
use satura_kernel::{BinaryOp, Index, Reg, Scalar};

/// Windows of more taps are loops, smaller ones are written out.
pub(super) const UNROLLED_TAPS: usize = 9;

impl Emitter<'_> {
    /// Runs `f` for each tap of a window, as one index per spatial axis.
    pub(crate) fn each_tap(
        &mut self,
        kernel: &[usize],
        f: &mut dyn FnMut(&mut Self, &[Index]) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        self.each_tap_within(kernel, UNROLLED_TAPS, f)
    }

    /// [`each_tap`](Self::each_tap), written out up to `limit` taps. Neighbouring lanes and taps that load the same element then share the load.
    pub(super) fn each_tap_within(
        &mut self,
        kernel: &[usize],
        limit: usize,
        f: &mut dyn FnMut(&mut Self, &[Index]) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        let total: usize = kernel.iter().product();
        self.each(total, total <= limit, &mut |em, i| f(em, &super::movement::unflatten(i, kernel)))
    }

    /// An element of `x` at indices that may lie outside it, where the result is `fill`. Loads are clamped into the tensor instead of skipped.
    pub(super) fn clamped(&mut self, x: ValueId, at: &[Index], fill: Reg) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let unsure = at.iter().zip(&sizes).any(|(i, n)| !i.within(*n as i64));
        if !unsure {
            return self.value(x, at);
        }
        if at.iter().zip(&sizes).any(|(i, n)| i.range().1 < 0 || i.range().0 >= *n as i64) {
            return Ok(fill);
        }
        let lanes_differ = self
            .lane
            .is_some_and(|lane| at.iter().zip(&sizes).any(|(i, n)| !i.within(*n as i64) && i.mentions(lane)));
        if lanes_differ {
            return self.per_lane(at, |em, at| em.clamped(x, at, fill));
        }
        let mut conditions = Vec::new();
        let mut from = Vec::with_capacity(at.len());
        for (index, size) in at.iter().zip(&sizes) {
            match self.inside(index, *size) {
                None => from.push(index.clone()),
                Some(condition) => {
                    conditions.push(condition);
                    let (raw, last) = (self.index(index), self.b.u32(*size as u32 - 1));
                    // A negative index has wrapped to a great one, so one minimum serves both ends.
                    let clamped = self.b.binary(BinaryOp::Min, raw, last);
                    let var = self.var(clamped, *size);
                    from.push(Index::var(var));
                }
            }
        }
        let element = self.value(x, &from)?;
        match self.all(conditions) {
            Some(condition) => Ok(self.b.select(condition, element, fill)),
            None => Ok(element),
        }
    }

    fn window_coords(
        coords: &[Index],
        tap: &[Index],
        strides: &[usize],
        dilations: &[usize],
        low: &[usize],
    ) -> Vec<Index> {
        let spatial = coords[2..].iter().enumerate().map(|(s, c)| {
            c.mul(strides[s] as i64).add(&tap[s].mul(dilations[s] as i64)).offset(-(low[s] as i64))
        });
        coords[..2].iter().cloned().chain(spatial).collect()
    }

    pub(super) fn max_pool(&mut self, x: ValueId, op: &MaxPool, coords: &[Index]) -> Result<Reg, LowerError> {
        let start = self.reduction_start(ReduceKind::Max, self.dtype(x))?;
        let width = if self.varies(coords) { 4 } else { 1 };
        let wide = self.b.widen(start, width);
        let var = self.accumulator(wide);
        self.each_tap(&op.kernel, &mut |em, tap| {
            let at = Self::window_coords(coords, tap, &op.strides, &op.dilations, &op.pads_low);
            let element = em.clamped(x, &at, start)?;
            let old = em.b.get(var);
            let new = em.b.binary(BinaryOp::Max, old, element);
            let new = em.b.widen(new, width);
            em.b.set(var, new);
            Ok(())
        })?;
        Ok(self.b.get(var))
    }

    pub(super) fn avg_pool(&mut self, x: ValueId, op: &AvgPool, coords: &[Index]) -> Result<Reg, LowerError> {
        let sizes = self.sizes(x);
        let zero = self.b.f32(0.0);
        let width = if self.varies(coords) { 4 } else { 1 };
        let wide = self.b.widen(zero, width);
        let sum = self.accumulator(wide);
        self.each_tap(&op.kernel, &mut |em, tap| {
            let at = Self::window_coords(coords, tap, &op.strides, &op.dilations, &op.pads_low);
            let element = em.clamped(x, &at, zero)?;
            let old = em.b.get(sum);
            let new = em.b.binary(BinaryOp::Add, old, element);
            let new = em.b.widen(new, width);
            em.b.set(sum, new);
            Ok(())
        })?;
        // The count is a product over the axes of the taps that lie inside.
        let mut count = self.b.f32(1.0);
        for s in 0..op.kernel.len() {
            let (low, high) = if op.count_pad { (op.pads_low[s], op.pads_high[s]) } else { (0, 0) };
            let extent = sizes[s + 2] + low + high;
            let mut inside = self.b.f32(0.0);
            for tap in 0..op.kernel[s] {
                let at = coords[s + 2]
                    .mul(op.strides[s] as i64)
                    .offset((tap * op.dilations[s]) as i64 - op.pads_low[s] as i64 + low as i64);
                let one = self.b.f32(1.0);
                let counted = if at.within(extent as i64) {
                    one
                } else {
                    let (raw, n) = (self.index_vector(&at), self.b.u32(extent as u32));
                    let within = self.b.binary(BinaryOp::Lt, raw, n);
                    self.b.convert(Scalar::F32, within)
                };
                inside = self.b.binary(BinaryOp::Add, inside, counted);
            }
            count = self.b.binary(BinaryOp::Mul, count, inside);
        }
        let total = self.b.get(sum);
        Ok(self.b.binary(BinaryOp::Div, total, count))
    }

    /// Gathers what each output element receives: tap `k` meets input `(s + low - k * dilation) / stride` where that is whole.
    pub(super) fn conv_transpose(
        &mut self,
        x: ValueId,
        w: ValueId,
        op: &ConvTranspose,
        coords: &[Index],
    ) -> Result<Reg, LowerError> {
        let (x_sizes, w_sizes) = (self.sizes(x), self.sizes(w));
        let per_group_out = w_sizes[1];
        let per_group_in = x_sizes[1] / op.groups;
        if self.varies(coords) {
            return self.per_lane(coords, |em, at| em.conv_transpose(x, w, op, at));
        }
        let zero = self.zero(self.dtype(x))?;
        let var = self.accumulator(zero);
        let group = coords[1].div(per_group_out as i64);
        let out_channel = coords[1].modulo(per_group_out as i64);
        self.each_tap(&w_sizes[2..], &mut |em, tap| {
            let mut at = vec![coords[0].clone(), Index::constant(0)];
            let mut conditions = Vec::new();
            for s in 0..tap.len() {
                let stride = op.strides[s] as i64;
                // Moved up by whole strides, so that quotient and remainder are of a number that is not negative.
                let reach = (w_sizes[s + 2] as i64 - 1) * op.dilations[s] as i64;
                let lift = (reach + stride - 1) / stride;
                let moved = coords[s + 2]
                    .offset(op.pads_low[s] as i64 + lift * stride)
                    .add(&tap[s].mul(-(op.dilations[s] as i64)));
                let remainder = moved.modulo(stride);
                if remainder.as_constant().is_some_and(|r| r != 0) {
                    return Ok(());
                }
                if remainder.as_constant().is_none() {
                    let (r, none) = (em.index(&remainder), em.b.u32(0));
                    conditions.push(em.b.binary(BinaryOp::Eq, r, none));
                }
                let index = moved.div(stride).offset(-lift);
                if let Some(inside) = em.inside(&index, x_sizes[s + 2]) {
                    conditions.push(inside);
                }
                at.push(index.assume_within(x_sizes[s + 2] as i64));
            }
            let body = |em: &mut Self| {
                em.each(per_group_in, false, &mut |em, c| {
                    let channel = group.mul(per_group_in as i64).add(c);
                    let mut x_at = at.clone();
                    x_at[1] = channel.clone();
                    let w_at = [&[channel, out_channel.clone()], tap].concat();
                    let (a, b) = (em.value(x, &x_at)?, em.value(w, &w_at)?);
                    let old = em.b.get(var);
                    let new = em.multiply_add(a, b, old);
                    em.b.set(var, new);
                    Ok(())
                })
            };
            match em.all(conditions) {
                Some(condition) => em.when(condition, |em| body(em)),
                None => body(em),
            }
        })?;
        let sum = self.b.get(var);
        let dtype = self.dtype(x);
        Ok(self.wrap(sum, dtype))
    }

    /// `a * b + c` of any register type.
    pub(crate) fn multiply_add(&mut self, a: Reg, b: Reg, c: Reg) -> Reg {
        if self.b.ty(c).scalar == Scalar::F32 {
            return self.b.fma(a, b, c);
        }
        let product = self.b.binary(BinaryOp::Mul, a, b);
        self.b.binary(BinaryOp::Add, product, c)
    }
}
