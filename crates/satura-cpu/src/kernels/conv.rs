//! Convolutions as matrix products over tiles of output positions: directly where the kernel has one tap, else over gathered columns.

use super::gemm::{Epilogue, Matrix, Tile, product, tiles};
use super::window::Geometry;
use super::{depthwise, gemm::BoundEpilogue};
use crate::compile::Compiler;
use crate::lower::target;
use crate::memory::{Kernel, Memory, Span, StorageId, with_scratch};
use crate::parallel;
use crate::program::Program;
use crate::simd::versions;
use satura_ir::{ExecError, Node, OpError, ops};
use std::ops::Range;

struct Conv {
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
    geometry: Geometry,
    tiles: Vec<Tile>,
    epilogue: Epilogue,
}

/// Elements of gathered columns that stay in the second-level cache.
const COLUMN_ELEMENTS: usize = 1 << 16;

pub(crate) fn emit(
    cx: &mut Compiler<'_>,
    node: &Node,
    op: &ops::Conv,
    epilogue: Option<Program>,
) -> Result<bool, ExecError> {
    let (x_shape, w_shape) = (cx.sizes(node.inputs[0])?, cx.sizes(node.inputs[1])?);
    let out_shape = cx.sizes(node.outputs[0])?;
    let geometry = Geometry::new(
        &x_shape[2..],
        &out_shape[2..],
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
    let (batch, inputs, outputs) = (x_shape[0], w_shape[1], out_shape[1] / op.groups);
    if inputs == 1
        && geometry.kernel[0] == 1
        && geometry.narrow[0] == 1
        && geometry.wide[0] == 1
        && op.groups > 1
    {
        let kernel = depthwise::Depthwise::new(
            &x,
            &w,
            out.storage,
            [batch, out_shape[1]],
            outputs,
            geometry,
            epilogue,
        );
        cx.push("depthwise conv", kernel, reads, vec![out.storage]);
        return Ok(true);
    }
    let positions: usize = geometry.narrow.iter().product();
    let depth = inputs * geometry.kernel.iter().product::<usize>();
    let most_columns = if geometry.is_pointwise() { usize::MAX } else { (COLUMN_ELEMENTS / depth).max(96) };
    let tiles = tiles(batch * op.groups, [outputs, positions, depth], most_columns, cx.threads);
    let kernel = Conv {
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
    cx.push("conv", kernel, reads, vec![out.storage]);
    Ok(true)
}

impl Kernel for Conv {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let spans = [memory.span(self.x), memory.span(self.w), memory.span(self.out)];
        let epilogue = self.epilogue.bind(memory);
        parallel::for_each(self.tiles.len(), |i| self.tile(&self.tiles[i], spans, &epilogue));
        Ok(())
    }
}

impl Conv {
    fn tile(&self, tile: &Tile, [x, w, out]: [Span; 3], epilogue: &BoundEpilogue<'_>) {
        let positions: usize = self.geometry.narrow.iter().product();
        let block: usize = self.geometry.wide.iter().product();
        let depth = self.inputs * self.geometry.kernel.iter().product::<usize>();
        let group = tile.batch % self.groups;
        // Batch and group together number the blocks of channels of input and output alike.
        let x_at = self.x_at + tile.batch * self.inputs * block;
        let base = tile.batch * self.outputs * positions;
        let weights = Matrix {
            span: w,
            at: self.w_at + group * self.outputs * depth,
            rows: depth as isize,
            columns: 1,
        };
        let result = Matrix { span: out, at: base, rows: positions as isize, columns: 1 };
        let (row, column) = (tile.rows.start, tile.columns.start);
        let sizes = [tile.rows.len(), tile.columns.len(), depth];
        let (result, weights) = (result.from(row, column), weights.from(row, 0));
        let gathered = if self.geometry.is_pointwise() { 0 } else { depth * tile.columns.len() };
        with_scratch(gathered + epilogue.scratch(), |scratch| {
            let (gathered, scratch) = scratch.split_at_mut(gathered);
            let input = if self.geometry.is_pointwise() {
                Matrix { span: x, at: x_at, rows: block as isize, columns: 1 }.from(0, column)
            } else {
                // SAFETY: nothing writes the input during the step.
                let channels = unsafe { x.slice(x_at..x_at + self.inputs * block) };
                self.gather(channels, tile, gathered);
                Matrix { span: Span::of(gathered), at: 0, rows: tile.columns.len() as isize, columns: 1 }
            };
            // SAFETY: tiles are disjoint, and the plan keeps the operands apart from the result.
            unsafe {
                product(sizes, result, weights, input);
                epilogue.run(out, base, positions, tile.rows.clone(), tile.columns.clone(), scratch);
            }
        });
    }

    /// The columns of the tile: row `(channel, tap)`, column the output position.
    fn gather(&self, channels: &[f32], tile: &Tile, columns: &mut [f32]) {
        let g = &self.geometry;
        let [out_height, out_width] = [g.narrow[1], g.narrow[2]];
        // The tile's part of each output line it touches.
        let mut segments = Vec::new();
        let mut position = tile.columns.start;
        while position < tile.columns.end {
            let (line, start) = (position / out_width, position % out_width);
            let end = out_width.min(start + tile.columns.end - position);
            segments.push((line, start..end));
            position += end - start;
        }
        // For each tap across lines, where the input line of each segment begins, if there is one.
        let mut sources = Vec::with_capacity(g.kernel[0] * g.kernel[1] * segments.len());
        for kd in 0..g.kernel[0] {
            for kh in 0..g.kernel[1] {
                for (line, _) in &segments {
                    let (d, h) = (g.meets(0, line / out_height, kd), g.meets(1, line % out_height, kh));
                    sources.push(d.zip(h).map(|(d, h)| (d * g.wide[1] + h) * g.wide[2]));
                }
            }
        }
        let along: Vec<Along> = (0..g.kernel[2])
            .map(|kw| Along {
                valid: g.valid(2, kw),
                shift: (kw * g.dilations[2]) as isize - g.low[2] as isize,
            })
            .collect();
        let ranges: Vec<Range<usize>> = segments.into_iter().map(|(_, range)| range).collect();
        let block: usize = g.wide.iter().product();
        gather_lines(columns, channels, block, &ranges, &sources, &along, g.strides[2]);
    }
}

/// A tap along the lines.
struct Along {
    /// The output positions of a line whose input element exists.
    valid: Range<usize>,
    /// From the strided output position to the input position.
    shift: isize,
}

/// Fills rows of `columns`, one for each channel and tap: `ranges` are the parts of output lines, `sources` where each one's input line begins, for each tap across lines.
#[inline(always)]
fn gather_body<const FMA: bool>(
    columns: &mut [f32],
    channels: &[f32],
    block: usize,
    ranges: &[Range<usize>],
    sources: &[Option<usize>],
    along: &[Along],
    stride: usize,
) {
    let width: usize = ranges.iter().map(Range::len).sum();
    let mut rows = columns.chunks_exact_mut(width);
    for channel in channels.chunks_exact(block) {
        for sources in sources.chunks_exact(ranges.len()) {
            for tap in along {
                let Some(mut to) = rows.next() else { return };
                for (range, source) in ranges.iter().zip(sources) {
                    let (segment, rest) = to.split_at_mut(range.len());
                    to = rest;
                    let first = tap.valid.start.clamp(range.start, range.end);
                    let last = tap.valid.end.clamp(first, range.end);
                    let Some(line) = source.filter(|_| first < last) else {
                        segment.fill(0.0);
                        continue;
                    };
                    segment[..first - range.start].fill(0.0);
                    segment[last - range.start..].fill(0.0);
                    let at = line.wrapping_add_signed((first * stride) as isize + tap.shift);
                    take(&mut segment[first - range.start..last - range.start], &channel[at..], stride);
                }
            }
        }
    }
}

versions! {
    fn gather_lines(
        columns: &mut [f32],
        channels: &[f32],
        block: usize,
        ranges: &[Range<usize>],
        sources: &[Option<usize>],
        along: &[Along],
        stride: usize,
    ) = gather_body
}

/// Copies every `stride`th element. Lines are short: a call to copy memory would cost more than the copy.
#[inline(always)]
fn take(to: &mut [f32], from: &[f32], stride: usize) {
    const LANES: usize = 16;
    match stride {
        1 => {
            let len = to.len();
            let from = &from[..len];
            if len < LANES {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                return;
            }
            let blocks = to.as_chunks_mut::<LANES>().0.iter_mut().zip(from.as_chunks::<LANES>().0);
            blocks.for_each(|(to, from)| *to = *from);
            // The rest together with some elements before it.
            to[len - LANES..].copy_from_slice(&from[len - LANES..][..LANES]);
        }
        2 => {
            let pairs = from.as_chunks::<2>().0;
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            if let Some(last) = to.len().checked_sub(1)
                && last >= pairs.len()
            {
                to[last] = from[2 * last];
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}
