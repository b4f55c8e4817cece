//! The geometry of windows over at most three spatial axes; missing leading axes have extent 1.

use std::ops::Range;

/// Element `o` of the narrow side meets, through tap `k`, element `o * stride + k * dilation - low` of the wide side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Geometry {
    pub(crate) wide: [usize; 3],
    pub(crate) narrow: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) strides: [usize; 3],
    pub(crate) low: [usize; 3],
    pub(crate) dilations: [usize; 3],
}

/// Spatial sizes as three, `fill` where an axis is missing; `None` if there are more.
pub(crate) fn three(sizes: &[usize], fill: usize) -> Option<[usize; 3]> {
    let skip = 3usize.checked_sub(sizes.len())?;
    let mut out = [fill; 3];
    out[skip..].copy_from_slice(sizes);
    Some(out)
}

impl Geometry {
    pub(crate) fn new(
        wide: &[usize],
        narrow: &[usize],
        kernel: &[usize],
        strides: &[usize],
        low: &[usize],
        dilations: &[usize],
    ) -> Option<Geometry> {
        Some(Geometry {
            wide: three(wide, 1)?,
            narrow: three(narrow, 1)?,
            kernel: three(kernel, 1)?,
            strides: three(strides, 1)?,
            low: three(low, 0)?,
            dilations: three(dilations, 1)?,
        })
    }

    /// The wide element that meets `o` through tap `k` on an axis, if it exists.
    pub(crate) fn meets(&self, axis: usize, o: usize, k: usize) -> Option<usize> {
        (o * self.strides[axis] + k * self.dilations[axis])
            .checked_sub(self.low[axis])
            .filter(|i| *i < self.wide[axis])
    }

    /// The narrow elements of `0..narrow` for which [`meets`](Self::meets) has an answer.
    pub(crate) fn valid(&self, axis: usize, k: usize) -> Range<usize> {
        let (stride, offset) = (self.strides[axis], k * self.dilations[axis]);
        let first = self.low[axis].saturating_sub(offset).div_ceil(stride);
        let end =
            (self.wide[axis] + self.low[axis]).saturating_sub(offset).div_ceil(stride).min(self.narrow[axis]);
        first.min(end)..end
    }

    /// Whether every tap is the element itself.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3] && self.strides == [1; 3] && self.low == [0; 3] && self.wide == self.narrow
    }
}
