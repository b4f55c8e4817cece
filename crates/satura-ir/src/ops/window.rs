//! Sliding windows: the extents and positions that convolutions and pools share.
//!
//! A window op relates a *wide* side (the input of a convolution or pool, the output of a transposed convolution) to a *narrow* side: element `o` of the narrow
//! side meets, through tap `k`, element `o * stride + k * dilation - low` of the wide side, where there is one.

use crate::OpError;
use satura_tensor::{Dim, Shape, contiguous_strides};

/// The attributes of a window op, one entry per spatial axis.
pub(super) struct Window<'a> {
    pub(super) strides: &'a [usize],
    pub(super) low: &'a [usize],
    pub(super) high: &'a [usize],
    pub(super) dilations: &'a [usize],
}

/// Strides, pads, dilations and kernels beyond this are refused, so that no product of two overflows.
const LIMIT: usize = 1 << 31;

/// The error for an attribute list of the wrong length or with an entry out of `least..=LIMIT`.
pub(super) fn check_list(name: &str, list: &[usize], spatial: usize, least: usize) -> Result<(), OpError> {
    if list.len() != spatial {
        return Err(OpError::attribute(format!(
            "{name} has {} entries, the input has {spatial} spatial axes",
            list.len()
        )));
    }
    match list.iter().position(|v| !(least..=LIMIT).contains(v)) {
        Some(axis) => Err(OpError::attribute(format!("{name} has {} at spatial axis {axis}", list[axis]))),
        None => Ok(()),
    }
}

/// The number of spatial axes of an input `[N, C, spatial..]`.
pub(super) fn spatial_axes(name: &str, x: &[Dim]) -> Result<usize, OpError> {
    match x.len().checked_sub(2) {
        Some(spatial) if spatial > 0 => Ok(spatial),
        _ => Err(OpError::shape(format!(
            "{name} takes [N, C, spatial..] of rank 3 or more, got rank {}",
            x.len()
        ))),
    }
}

/// The shape of a pool over `x: [N, C, spatial..]`, after checking all attributes.
pub(super) fn pooled_shape(
    name: &str,
    x: &Shape,
    kernel: &[usize],
    window: &Window<'_>,
    ceil: bool,
) -> Result<Shape, OpError> {
    let spatial = spatial_axes(name, x)?;
    check_list("kernel", kernel, spatial, 1)?;
    window.check(spatial)?;
    let mut shape = x[..2].to_vec();
    for axis in 0..spatial {
        let taps = Dim::from(kernel[axis]);
        let reach = window.reach(axis, &taps);
        for pad in [window.low[axis], window.high[axis]] {
            if (Dim::from(pad) - reach.clone()).is_non_negative() {
                return Err(OpError::attribute(format!(
                    "padding of {pad} at spatial axis {axis} is not below the window's extent {reach}"
                )));
            }
        }
        shape.push(window.narrow(axis, &x[axis + 2], &taps, ceil)?);
    }
    Ok(shape.into())
}

impl Window<'_> {
    /// Checks the lengths and ranges of the attributes.
    pub(super) fn check(&self, spatial: usize) -> Result<(), OpError> {
        check_list("strides", self.strides, spatial, 1)?;
        check_list("dilations", self.dilations, spatial, 1)?;
        check_list("pads_low", self.low, spatial, 0)?;
        check_list("pads_high", self.high, spatial, 0)
    }

    /// The distance from the first to one behind the last element that a window of `kernel` taps covers.
    pub(super) fn reach(&self, axis: usize, kernel: &Dim) -> Dim {
        Dim::from(self.dilations[axis]) * (kernel.clone() - Dim::from(1)) + Dim::from(1)
    }

    /// The extent of the narrow side. With `ceil`, a last window may reach beyond the padded input, but none may start in the high padding.
    pub(super) fn narrow(&self, axis: usize, wide: &Dim, kernel: &Dim, ceil: bool) -> Result<Dim, OpError> {
        if kernel.as_const().is_some_and(|k| k < 1) {
            return Err(OpError::shape(format!("the kernel has extent {kernel} at spatial axis {axis}")));
        }
        let stride = Dim::from(self.strides[axis]);
        let low = wide.clone() + Dim::from(self.low[axis]);
        let padded = low.clone() + Dim::from(self.high[axis]);
        let room = padded.clone() - self.reach(axis, kernel);
        let extent = if ceil {
            (room.ceil_div(&stride) + Dim::from(1)).minimum(&low.ceil_div(&stride))
        } else {
            room.floor_div(&stride) + Dim::from(1)
        };
        if extent.as_const().is_some_and(|e| e < 1) {
            return Err(OpError::shape(format!(
                "a window of extent {} does not fit the padded extent {padded} of spatial axis {axis}",
                self.reach(axis, kernel)
            )));
        }
        Ok(extent)
    }

    /// For each tap of the kernel, in row-major order, the elements that meet.
    pub(super) fn taps(&self, kernel: &[usize], wide: &[usize], narrow: &[usize]) -> Vec<Vec<Run>> {
        let strides = contiguous_strides(kernel);
        (0..kernel.iter().product())
            .map(|k| self.runs(&|axis| k / strides[axis] % kernel[axis], wide, narrow))
            .collect()
    }

    fn runs(&self, tap: &dyn Fn(usize) -> usize, wide: &[usize], narrow: &[usize]) -> Vec<Run> {
        let (wide_strides, narrow_strides) = (contiguous_strides(wide), contiguous_strides(narrow));
        let mut runs = vec![Run { narrow: 0, wide: 0, len: 1, step: 1 }];
        for axis in 0..wide.len() {
            let (stride, offset, low) =
                (self.strides[axis], tap(axis) * self.dilations[axis], self.low[axis]);
            // The narrow elements first..end are those whose wide element exists.
            let first = low.saturating_sub(offset).div_ceil(stride);
            let end = (wide[axis] + low).saturating_sub(offset).div_ceil(stride).min(narrow[axis]);
            let place = |run: &Run, o: usize| {
                (
                    run.narrow + o * narrow_strides[axis],
                    run.wide + (o * stride + offset - low) * wide_strides[axis],
                )
            };
            runs = if first >= end {
                Vec::new()
            } else if axis + 1 < wide.len() {
                let row = |run: Run| {
                    (first..end).map(move |o| {
                        let (narrow, wide) = place(&run, o);
                        Run { narrow, wide, ..run }
                    })
                };
                runs.into_iter().flat_map(row).collect()
            } else {
                let row = |run: Run| {
                    let (narrow, wide) = place(&run, first);
                    Run { narrow, wide, len: end - first, step: stride }
                };
                joined(runs.into_iter().map(row))
            };
        }
        runs
    }
}

/// Elements `narrow + i` and `wide + i * step` meet, for `i` below `len`; both count from the start of their spatial block.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) narrow: usize,
    pub(super) wide: usize,
    pub(super) len: usize,
    pub(super) step: usize,
}

impl Run {
    /// `f(narrow element, wide element)` for each pair that meets.
    pub(super) fn gather<T: Copy, U: Copy>(&self, narrow: &mut [T], wide: &[U], f: impl Fn(T, U) -> T) {
        let to = &mut narrow[self.narrow..self.narrow + self.len];
        if self.step == 1 {
            to.iter_mut().zip(&wide[self.wide..]).for_each(|(n, w)| *n = f(*n, *w));
        } else {
            to.iter_mut().zip(wide[self.wide..].iter().step_by(self.step)).for_each(|(n, w)| *n = f(*n, *w));
        }
    }

    /// `f(wide element, narrow element)` for each pair that meets.
    pub(super) fn scatter<T: Copy, U: Copy>(&self, wide: &mut [T], narrow: &[U], f: impl Fn(T, U) -> T) {
        let from = &narrow[self.narrow..self.narrow + self.len];
        wide[self.wide..].iter_mut().step_by(self.step).zip(from).for_each(|(w, n)| *w = f(*w, *n));
    }
}

/// Joins runs that continue each other on both sides: a pointwise tap becomes one run.
fn joined(runs: impl Iterator<Item = Run>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for run in runs {
        match out.last_mut() {
            Some(last)
                if last.step == 1
                    && run.step == 1
                    && last.narrow + last.len == run.narrow
                    && last.wide + last.len == run.wide =>
            {
                last.len += run.len;
            }
            _ => out.push(run),
        }
    }
    out
}
