//! Convolutions with one input channel a group, one plane at a time: the plane is copied once with its padding, split by the stride, so that every tap reads contiguous elements.

use super::gemm::Epilogue;
use super::window::Geometry;
use crate::memory::{Kernel, Memory, StorageId, View, with_scratch};
use crate::parallel;
use crate::simd::{fma, versions};
use satura_ir::OpError;

/// Output elements computed at once.
const LANES: usize = 16;

pub(crate) struct Depthwise {
    x: StorageId,
    x_at: usize,
    w: StorageId,
    w_at: usize,
    out: StorageId,
    /// Output channels over the whole batch, and of one batch element.
    planes: usize,
    channels: usize,
    /// Output channels of an input channel.
    multiplier: usize,
    geometry: Geometry,
    padded: Padded,
    epilogue: Epilogue,
}

/// Layout of a padded plane: lines, each split into `phases` of `pitch` elements, phase `p` holding the elements `p, p + phases, ..` of the line.
struct Padded {
    phases: usize,
    pitch: usize,
    lines: usize,
    /// Per tap, the distance from an output position's element of tap 0.
    taps: Vec<usize>,
}

impl Depthwise {
    pub(crate) fn new(
        x: &View,
        w: &View,
        out: StorageId,
        [batch, channels]: [usize; 2],
        multiplier: usize,
        geometry: Geometry,
        epilogue: Epilogue,
    ) -> Depthwise {
        let g = &geometry;
        let phases = g.strides[2];
        let reach = (g.kernel[2] - 1) * g.dilations[2];
        let pitch = (g.narrow[2].next_multiple_of(LANES) + reach / phases).next_multiple_of(LANES);
        let lines = (g.narrow[1] - 1) * g.strides[1] + (g.kernel[1] - 1) * g.dilations[1] + 1;
        let taps = (0..g.kernel[1] * g.kernel[2])
            .map(|tap| {
                let (line, along) = (tap / g.kernel[2] * g.dilations[1], tap % g.kernel[2] * g.dilations[2]);
                (line * phases + along % phases) * pitch + along / phases
            })
            .collect();
        Depthwise {
            x: x.storage,
            x_at: x.offset,
            w: w.storage,
            w_at: w.offset,
            out,
            planes: batch * channels,
            channels,
            multiplier,
            padded: Padded { phases, pitch, lines, taps },
            geometry,
            epilogue,
        }
    }

    /// Copies a plane into the middle of the padding.
    fn pad(&self, plane: &[f32], padded: &mut [f32]) {
        let (g, p) = (&self.geometry, &self.padded);
        let (width, low) = (g.wide[2], g.low[2]);
        // Elements beyond what the last window reaches do not fit and are not read.
        let end = (p.pitch * p.phases).saturating_sub(low).min(width);
        for line in 0..p.lines {
            let Some(from) = line.checked_sub(g.low[1]).filter(|from| *from < g.wide[1]) else { continue };
            let from = &plane[from * width..][..end];
            let to = &mut padded[line * p.phases * p.pitch..][..p.phases * p.pitch];
            match p.phases {
                1 => to[low..low + end].copy_from_slice(from),
                2 => split(from, to, p.pitch, low),
                _ => from.iter().enumerate().for_each(|(i, x)| {
                    to[(i + low) % p.phases * p.pitch + (i + low) / p.phases] = *x;
                }),
            }
        }
    }
}

/// Puts the elements of a line, which begins at position `low`, into an even and an odd half.
fn split(from: &[f32], to: &mut [f32], pitch: usize, low: usize) {
    let (even, odd) = to.split_at_mut(pitch);
    let from = if low % 2 == 1 {
        let Some((first, rest)) = from.split_first() else { return };
        odd[low / 2] = *first;
        rest
    } else {
        from
    };
    let start = low.div_ceil(2);
    let pairs = from.len() / 2;
    let (even, odd) = (&mut even[start..], &mut odd[start..]);
    for (pair, (e, o)) in from.as_chunks::<2>().0.iter().zip(even.iter_mut().zip(odd.iter_mut())) {
        (*e, *o) = (pair[0], pair[1]);
    }
    if from.len() % 2 == 1 {
        even[pairs] = from[from.len() - 1];
    }
}

impl Kernel for Depthwise {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let (x, w, out) = (memory.span(self.x), memory.span(self.w), memory.span(self.out));
        let epilogue = self.epilogue.bind(memory);
        let (g, p) = (&self.geometry, &self.padded);
        let (block, narrow) = (g.wide[1] * g.wide[2], g.narrow[1] * g.narrow[2]);
        let taps = p.taps.len();
        let work = self.planes * narrow * taps;
        let parts = if work < 1 << 17 { 1 } else { 2 * rayon::current_num_threads() };
        let chunk = self.planes.div_ceil(parts).max(1);
        let padded_len = p.lines * p.phases * p.pitch;
        parallel::for_each(self.planes.div_ceil(chunk), |part| {
            with_scratch(padded_len + LANES + epilogue.scratch(), |scratch| {
                let (padded, scratch) = scratch.split_at_mut(padded_len + LANES);
                padded.fill(0.0);
                for plane in part * chunk..self.planes.min((part + 1) * chunk) {
                    let (batch, channel) = (plane / self.channels, plane % self.channels);
                    let source = batch * (self.channels / self.multiplier) + channel / self.multiplier;
                    // SAFETY: nothing writes input and weights during the step.
                    let (input, weights) = unsafe {
                        (
                            x.slice(self.x_at + source * block..self.x_at + (source + 1) * block),
                            w.slice(self.w_at + channel * taps..self.w_at + (channel + 1) * taps),
                        )
                    };
                    self.pad(input, padded);
                    let shape = Lines { width: g.narrow[2], step: g.strides[1] * p.phases * p.pitch };
                    // SAFETY: planes are disjoint.
                    let to = unsafe { out.slice_mut(plane * narrow..(plane + 1) * narrow) };
                    match taps {
                        9 => lines_9(to, shape, padded, &p.taps, weights),
                        25 => lines_25(to, shape, padded, &p.taps, weights),
                        _ => lines_any(to, shape, padded, &p.taps, weights),
                    }
                    // SAFETY: planes are disjoint, and `to` is used no more.
                    unsafe { epilogue.run(out, plane * narrow, narrow, 0..1, 0..narrow, scratch) };
                }
            });
        });
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Lines {
    /// Elements of an output line.
    width: usize,
    /// From one output line to the next in the padded plane.
    step: usize,
}

/// `N` is the number of taps, or 0 for any number.
#[inline(always)]
fn lines_body<const FMA: bool, const N: usize>(
    out: &mut [f32],
    lines: Lines,
    padded: &[f32],
    taps: &[usize],
    weights: &[f32],
) {
    let count = if N == 0 { taps.len() } else { N };
    let (taps, weights) = (&taps[..count], &weights[..count]);
    for (line, out) in out.chunks_exact_mut(lines.width).enumerate() {
        let mut at = 0;
        while at < lines.width {
            let from = &padded[line * lines.step + at..];
            let mut sum = [0f32; LANES];
            for tap in 0..count {
                let x = &from[taps[tap]..taps[tap] + LANES];
                for lane in 0..LANES {
                    sum[lane] = fma::<FMA>(x[lane], weights[tap], sum[lane]);
                }
            }
            let len = LANES.min(lines.width - at);
            if len == LANES {
                out[at..at + LANES].copy_from_slice(&sum);
            } else {
                out[at..at + len].copy_from_slice(&sum[..len]);
            }
            at += LANES;
        }
    }
}

versions! {
    fn lines_any(out: &mut [f32], lines: Lines, padded: &[f32], taps: &[usize], weights: &[f32]) = lines_body<0>
}
versions! {
    fn lines_9(out: &mut [f32], lines: Lines, padded: &[f32], taps: &[usize], weights: &[f32]) = lines_body<9>
}
versions! {
    fn lines_25(out: &mut [f32], lines: Lines, padded: &[f32], taps: &[usize], weights: &[f32]) = lines_body<25>
}
