//! Transposed convolutions: a matrix product gives what each input position adds through each tap, and is then added up band by band of the output.

use super::gemm::{BoundEpilogue, Epilogue, Matrix, product};
use super::window::Geometry;
use crate::compile::Compiler;
use crate::lower::target;
use crate::memory::{Kernel, Memory, Span, StorageId, with_scratch};
use crate::parallel;
use crate::program::Program;
use satura_ir::{ExecError, Node, OpError, ops};
use std::ops::Range;

struct ConvTranspose {
    x: StorageId,
    x_at: usize,
    w: StorageId,
    w_at: usize,
    out: StorageId,
    groups: usize,
    /// Input channels of a group.
    inputs: usize,
    /// Output channels of a group.
    outputs: usize,
    /// The input is the narrow side, the output the wide one.
    geometry: Geometry,
    tiles: Vec<Band>,
    epilogue: Epilogue,
}

/// Some output channels of one product, and some lines of each.
struct Band {
    /// Number of batch element and group.
    batch: usize,
    channels: Range<usize>,
    /// Output lines, counted over depth and height together.
    lines: Range<usize>,
}

/// Elements of an intermediate product that stay in the second-level cache.
const PRODUCT_ELEMENTS: usize = 1 << 16;

pub(crate) fn emit(
    cx: &mut Compiler<'_>,
    node: &Node,
    op: &ops::ConvTranspose,
    epilogue: Option<Program>,
) -> Result<bool, ExecError> {
    let (x_shape, w_shape) = (cx.sizes(node.inputs[0])?, cx.sizes(node.inputs[1])?);
    let out_shape = cx.sizes(node.outputs[0])?;
    let geometry = Geometry::new(
        &out_shape[2..],
        &x_shape[2..],
        &w_shape[2..],
        &op.strides,
        &op.pads_low,
        &op.dilations,
    );
    let Some(geometry) = geometry else { return Ok(false) };
    if [&x_shape, &w_shape, &out_shape].iter().any(|s| s.contains(&0)) {
        return Ok(false);
    }
    let (x, w) = (cx.dense(node.inputs[0])?, cx.dense(node.inputs[1])?);
    let out = target(cx, node, epilogue.is_some())?;
    let epilogue = Epilogue(epilogue);
    let mut reads = epilogue.reads(out.storage);
    reads.extend([x.storage, w.storage]);
    let (inputs, outputs) = (x_shape[1] / op.groups, w_shape[1]);
    let taps: usize = geometry.kernel.iter().product();
    let narrow: usize = geometry.narrow.iter().product();
    let lines = geometry.wide[0] * geometry.wide[1];
    // In planes the lines are split first, so that the input is read once; volumes are split by channel.
    let flat = geometry.wide[0] == 1 && geometry.narrow[0] == 1;
    let total = outputs * taps * narrow;
    let parts = total.div_ceil(PRODUCT_ELEMENTS).next_multiple_of(cx.threads);
    let parts = if total * inputs < 1 << 17 { 1 } else { parts };
    let (line_step, channel_step) =
        if flat { (lines.div_ceil(parts), outputs) } else { (lines, outputs.div_ceil(parts)) };
    let mut tiles = Vec::new();
    for batch in 0..x_shape[0] * op.groups {
        for channel in (0..outputs).step_by(channel_step) {
            for line in (0..lines).step_by(line_step) {
                tiles.push(Band {
                    batch,
                    channels: channel..outputs.min(channel + channel_step),
                    lines: line..lines.min(line + line_step),
                });
            }
        }
    }
    let kernel = ConvTranspose {
        x: x.storage,
        x_at: x.offset,
        w: w.storage,
        w_at: w.offset,
        out: out.storage,
        groups: op.groups,
        inputs,
        outputs,
        geometry,
        tiles,
        epilogue,
    };
    cx.push("conv_transpose", kernel, reads, vec![out.storage]);
    Ok(true)
}

impl Kernel for ConvTranspose {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let spans = [memory.span(self.x), memory.span(self.w), memory.span(self.out)];
        let epilogue = self.epilogue.bind(memory);
        parallel::for_each(self.tiles.len(), |i| self.band(&self.tiles[i], spans, &epilogue));
        Ok(())
    }
}

impl ConvTranspose {
    /// The input lines that reach output lines `lines` of a plane.
    fn input_lines(&self, lines: &Range<usize>) -> Range<usize> {
        let g = &self.geometry;
        if g.wide[0] > 1 || g.narrow[0] > 1 {
            return 0..g.narrow[0] * g.narrow[1];
        }
        let reach = (g.kernel[1] - 1) * g.dilations[1];
        let first = (lines.start + g.low[1]).saturating_sub(reach).div_ceil(g.strides[1]);
        let end = ((lines.end - 1 + g.low[1]) / g.strides[1] + 1).min(g.narrow[1]);
        first.min(end)..end
    }

    fn band(&self, band: &Band, [x, w, out]: [Span; 3], epilogue: &BoundEpilogue<'_>) {
        let g = &self.geometry;
        let taps: usize = g.kernel.iter().product();
        let (narrow, wide): (usize, usize) = (g.narrow.iter().product(), g.wide.iter().product());
        let group = band.batch % self.groups;
        let sources = self.input_lines(&band.lines);
        let columns = sources.len() * g.narrow[2];
        let rows = band.channels.len() * taps;
        let weights = Matrix {
            span: w,
            at: self.w_at + (group * self.inputs * self.outputs + band.channels.start) * taps,
            rows: 1,
            columns: (self.outputs * taps) as isize,
        };
        let input = Matrix {
            span: x,
            at: self.x_at + band.batch * self.inputs * narrow + sources.start * g.narrow[2],
            rows: narrow as isize,
            columns: 1,
        };
        with_scratch(rows * columns + epilogue.scratch(), |scratch| {
            let (added, scratch) = scratch.split_at_mut(rows * columns);
            let result = Matrix { span: Span::of_mut(added), at: 0, rows: columns as isize, columns: 1 };
            // SAFETY: the working memory is this call's own; nothing writes the operands during the step.
            unsafe { product([rows, columns, self.inputs], result, weights, input) };
            for (i, channel) in band.channels.clone().enumerate() {
                let base = (band.batch * self.outputs + channel) * wide;
                let (start, end) = (base + band.lines.start * g.wide[2], base + band.lines.end * g.wide[2]);
                // SAFETY: bands are disjoint.
                let to = unsafe { out.slice_mut(start..end) };
                to.fill(0.0);
                for tap in 0..taps {
                    let from = &added[(i * taps + tap) * columns..][..columns];
                    self.add_tap(tap, from, &sources, to, &band.lines);
                }
                // SAFETY: bands are disjoint, and `to` is used no more.
                unsafe { epilogue.run(out, start, end - start, 0..1, 0..end - start, scratch) };
            }
        });
    }

    /// Adds what input lines `sources` give through a tap to output lines `lines`.
    fn add_tap(
        &self,
        tap: usize,
        from: &[f32],
        sources: &Range<usize>,
        to: &mut [f32],
        lines: &Range<usize>,
    ) {
        let g = &self.geometry;
        let (kd, kh, kw) =
            (tap / (g.kernel[1] * g.kernel[2]), tap / g.kernel[2] % g.kernel[1], tap % g.kernel[2]);
        let valid = g.valid(2, kw);
        if valid.is_empty() {
            return;
        }
        for (line, from) in sources.clone().zip(from.chunks_exact(g.narrow[2])) {
            let (Some(d), Some(h)) = (g.meets(0, line / g.narrow[1], kd), g.meets(1, line % g.narrow[1], kh))
            else {
                continue;
            };
            let target = d * g.wide[1] + h;
            if !lines.contains(&target) {
                continue;
            }
            let at = valid.start * g.strides[2] + kw * g.dilations[2] - g.low[2];
            let to = &mut to[(target - lines.start) * g.wide[2] + at..];
            let from = &from[valid.clone()];
            if g.strides[2] == 1 {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            } else {
                to.iter_mut().step_by(g.strides[2]).zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }
}
