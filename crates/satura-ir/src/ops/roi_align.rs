//! Pooling of regions that lie between elements.

use super::arith::{add, below, div, mul, plus, select, sub, times};
use super::checks::{floats, indices, same_extent};
use super::sampling::{Tap, clamped};
use super::{
    And, Cast, Floor, GatherNd, Iota, LessEqual, Max, Mean, Reduce, ReduceKind, Reshape, Slice, Transpose,
};
use crate::attr::Real;
use crate::{Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, ValueId};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::attr_enum! {
    /// How the samples of a part of a region become one element.
    pub enum RoiPool {
        /// Their mean.
        Mean = "mean",
        /// The greatest of all the neighbours of all the samples, each times its weight.
        Max = "max",
    }
}

crate::op_struct! {
    /// Each region (`rois: [R, 4]`, floats: x and y of the first and of the last corner) of one image (`batch: [R]`, i64) of `x: [N, C, H, W]` is split into `height * width` equal
    /// parts, and each part is sampled on a regular grid by linear interpolation: `[R, C, height, width]`. Samples more than 1 outside the image are 0, others outside take the
    /// nearest element. Positions are computed in the dtype of the regions.
    pub struct RoiAlign {
        /// Rows of the output.
        pub height: usize,
        /// Columns of the output.
        pub width: usize,
        /// Samples of a part along each axis; 0 is as many as a part has elements, rounded up.
        pub samples: usize,
        /// What the coordinates of regions are multiplied with.
        pub scale: Real,
        /// Whether the centre of the first element is at 0.5; if not it is at 0, and a region is at least 1 wide and high.
        pub half_pixel: bool,
        /// How samples become one element.
        pub pool: RoiPool,
    }
}

/// The neighbours of a sample along one axis with their weights; `None` outside.
fn neighbours(at: f64, extent: usize) -> Option<[(usize, f64); 2]> {
    if !(-1.0..=extent as f64).contains(&at) {
        return None;
    }
    let at = at.clamp(0.0, extent as f64 - 1.0);
    let low = (at as usize).min(extent - 1);
    let t = at - low as f64;
    Some([(low, 1.0 - t), ((low + 1).min(extent - 1), t)])
}

impl RoiAlign {
    fn shape(&self, x: &Shape, rois: &Shape, batch: &Shape) -> Result<Shape, OpError> {
        let ([_, channels, _, _], [regions, four], [images]) = (&x.0[..], &rois.0[..], &batch.0[..]) else {
            return Err(OpError::shape(format!("an input of {x}, regions of {rois}, images of {batch}")));
        };
        same_extent(four, &Dim::from(4), || format!("a region has 4 numbers, not {four}"))?;
        same_extent(regions, images, || format!("{regions} regions, {images} images"))?;
        Ok(Shape(vec![regions.clone(), channels.clone(), Dim::from(self.height), Dim::from(self.width)]))
    }

    /// The first coordinate and the length of a region along an axis, from its two corners.
    fn span(&self, corners: [f64; 2]) -> [f64; 2] {
        let shift = if self.half_pixel { 0.5 } else { 0.0 };
        let [start, end] = corners.map(|c| c * self.scale.get() - shift);
        let length = end - start;
        [start, if self.half_pixel { length } else { length.max(1.0) }]
    }
}

impl OpDef for RoiAlign {
    const NAME: &'static str = "roi_align";

    fn arity(&self) -> Arity {
        3..=3
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.dtype(0)?;
        if !dtype.is_float() || cx.dtype(1)? != dtype || cx.dtype(2)? != DType::I64 {
            return Err(OpError::dtype(format!(
                "an input of {dtype}, regions of {}, images of {}: one float dtype and i64 are needed",
                cx.ty(1),
                cx.ty(2)
            )));
        }
        Ok(vec![dtype])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        self.shape(cx.shape(0)?, cx.shape(1)?, cx.shape(2)?).map(|shape| vec![shape])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x, rois, batch] = inputs else { return Err(OpError::arity("three inputs expected")) };
        let of = |t: &Tensor| Shape::of(t.shape());
        let sizes = super::checks::output_sizes(&self.shape(&of(x), &of(rois), &of(batch))?)?;
        let (values, corners) = (floats(Self::NAME, x)?, floats(Self::NAME, rois)?);
        let images = indices(Self::NAME, batch)?;
        let [n, channels, rows, columns] = [x.shape()[0], x.shape()[1], x.shape()[2], x.shape()[3]];
        if rows * columns == 0 {
            return Err(OpError::shape("there is nothing to sample from"));
        }
        let mut out = Vec::with_capacity(sizes.iter().product());
        for (region, image) in images.iter().enumerate() {
            let image = super::checks::wrap_index(*image, 0, n)?;
            let corner = &corners[region * 4..][..4];
            let [left, width] = self.span([corner[0], corner[2]]);
            let [top, height] = self.span([corner[1], corner[3]]);
            // Along an axis: for each part the neighbours of its samples.
            let samples = |start: f64, length: f64, parts: usize, extent: usize| -> Vec<Vec<_>> {
                let part = length / parts as f64;
                let count = if self.samples > 0 { self.samples } else { part.ceil().max(0.0) as usize };
                let at = |p: usize, i: usize| start + part * (p as f64 + (i as f64 + 0.5) / count as f64);
                (0..parts).map(|p| (0..count).map(|i| neighbours(at(p, i), extent)).collect()).collect()
            };
            let (down, across) =
                (samples(top, height, self.height, rows), samples(left, width, self.width, columns));
            for c in 0..channels {
                let plane = &values[(image * channels + c) * rows * columns..][..rows * columns];
                for part in 0..self.height * self.width {
                    let (down, across) = (&down[part / self.width], &across[part % self.width]);
                    let mut sum = 0.0;
                    let mut greatest = None;
                    for (y, x) in down.iter().flat_map(|y| across.iter().map(move |x| (y, x))) {
                        let terms = match (y, x) {
                            (Some(y), Some(x)) => y
                                .iter()
                                .flat_map(|(r, v)| x.iter().map(move |(c, w)| plane[r * columns + c] * v * w))
                                .collect(),
                            _ => vec![0.0],
                        };
                        sum += terms.iter().sum::<f64>();
                        greatest = terms.into_iter().chain(greatest).reduce(f64::max);
                    }
                    out.push(match self.pool {
                        RoiPool::Mean => sum / (down.len() * across.len()).max(1) as f64,
                        RoiPool::Max => greatest.unwrap_or(0.0),
                    });
                }
            }
        }
        Ok(vec![Tensor::from_elements(x.dtype(), &sizes, Elements::Float(out))])
    }
}

/// Along one axis, for each region and sample: the two neighbours, and whether the sample counts at all.
struct Samples {
    taps: [Tap; 2],
    inside: ValueId,
}

impl Composite for RoiAlign {
    /// Only where the number of samples is given: otherwise it depends on the regions.
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let [x, rois, batch] = inputs else { return Err(OpError::arity("three inputs expected")) };
        if self.samples == 0 {
            return Err(OpError::unknown("the number of samples depends on the regions"));
        }
        let shape = self.shape(&cx.shape(*x)?, &cx.shape(*rois)?, &cx.shape(*batch)?)?;
        let (sizes, regions) = (cx.sizes(*x)?, cx.sizes(*rois)?[0]);
        let [n, channels, rows, columns] = [sizes[0], sizes[1], sizes[2], sizes[3]];
        if shape.elements().is(0) {
            let zero = cx.scalar_like(*x, 0.0)?;
            return Ok(vec![cx.one(super::Broadcast { shape }, &[zero])?]);
        }
        if rows * columns == 0 {
            return Err(OpError::shape("there is nothing to sample from"));
        }
        let (down, across) = (self.height * self.samples, self.width * self.samples);
        let vertical = self.samples(cx, *rois, regions, [1, 3], rows, [down, 1])?;
        let horizontal = self.samples(cx, *rois, regions, [0, 2], columns, [1, across])?;
        let inside = cx.one(And {}, &[vertical.inside, horizontal.inside])?;
        // Elements of all channels are read at once: [N * H * W, C].
        let last = cx.one(Transpose { perm: vec![0, 2, 3, 1] }, &[*x])?;
        let flat = cx.one(Reshape { shape: Shape::of(&[n * rows * columns, channels]) }, &[last])?;
        let image = cx.one(Reshape { shape: Shape::of(&[regions, 1, 1]) }, &[*batch])?;
        let negative = below(cx, image, 0.0)?;
        let wrapped = plus(cx, image, n as f64)?;
        let image = select(cx, negative, wrapped, image)?;
        let zero = cx.scalar_like(*x, 0.0)?;
        let mut result = None;
        for y in &vertical.taps {
            for x in &horizontal.taps {
                let mut index = times(cx, image, rows as f64)?;
                index = add(cx, index, y.index)?;
                index = times(cx, index, columns as f64)?;
                index = add(cx, index, x.index)?;
                let index = cx.one(Reshape { shape: Shape::of(&[regions, down, across, 1]) }, &[index])?;
                let read = cx.one(GatherNd { batch_dims: 0 }, &[flat, index])?;
                let (Some(v), Some(w)) = (y.weight, x.weight) else { continue };
                let weight = mul(cx, v, w)?;
                let weight = select(cx, inside, weight, zero)?;
                let weight = cx.one(Reshape { shape: Shape::of(&[regions, down, across, 1]) }, &[weight])?;
                let term = mul(cx, read, weight)?;
                result = Some(match (result, self.pool) {
                    (None, _) => term,
                    (Some(sum), RoiPool::Mean) => add(cx, sum, term)?,
                    (Some(greatest), RoiPool::Max) => cx.one(Max {}, &[greatest, term])?,
                });
            }
        }
        let result = result.ok_or_else(|| OpError::shape("there is nothing to sample from"))?;
        let split = [regions, self.height, self.samples, self.width, self.samples, channels];
        let split = cx.one(Reshape { shape: Shape::of(&split) }, &[result])?;
        let axes = Some(vec![2, 4]);
        let pooled = match self.pool {
            RoiPool::Mean => cx.one(Mean { axes, keep: false }, &[split])?,
            RoiPool::Max => cx.one(Reduce { kind: ReduceKind::Max, axes, keep: false }, &[split])?,
        };
        Ok(vec![cx.one(Transpose { perm: vec![0, 3, 1, 2] }, &[pooled])?])
    }
}

impl RoiAlign {
    /// The samples along an axis: all values are `[regions, places..]`, one of the places being 1.
    fn samples(
        &self,
        cx: &mut dyn Emit,
        rois: ValueId,
        regions: usize,
        corners: [usize; 2],
        extent: usize,
        places: [usize; 2],
    ) -> Result<Samples, OpError> {
        let shift = if self.half_pixel { -0.5 } else { 0.0 };
        let mut corner = |column: usize| {
            let part = Slice {
                starts: vec![Dim::from(0), Dim::from(column)],
                sizes: vec![Dim::from(regions), Dim::from(1)],
                steps: vec![1, 1],
            };
            let part = cx.one(part, &[rois])?;
            let part = cx.one(Reshape { shape: Shape::of(&[regions, 1, 1]) }, &[part])?;
            let scaled = times(cx, part, self.scale.get())?;
            plus(cx, scaled, shift)
        };
        let (start, end) = (corner(corners[0])?, corner(corners[1])?);
        let mut length = sub(cx, end, start)?;
        if !self.half_pixel {
            let one = cx.scalar_like(length, 1.0)?;
            length = cx.one(Max {}, &[length, one])?;
        }
        let dtype = cx.dtype(rois)?;
        let count = places[0] * places[1];
        let positions = cx.one(Iota { dtype, shape: Shape::of(&[count]), axis: 0 }, &[])?;
        let positions = cx.one(Reshape { shape: Shape::of(&[1, places[0], places[1]]) }, &[positions])?;
        let centres = plus(cx, positions, 0.5)?;
        let all = cx.scalar_like(centres, count as f64)?;
        let fractions = div(cx, centres, all)?;
        let distance = mul(cx, length, fractions)?;
        let at = add(cx, start, distance)?;
        let (low, high) = (cx.scalar_like(at, -1.0)?, cx.scalar_like(at, extent as f64)?);
        let (from, to) = (cx.one(LessEqual {}, &[low, at])?, cx.one(LessEqual {}, &[at, high])?);
        let inside = cx.one(And {}, &[from, to])?;
        let last = extent as f64 - 1.0;
        let at = clamped(cx, at, last)?;
        let below = cx.one(Floor {}, &[at])?;
        let behind = sub(cx, at, below)?;
        let one = cx.scalar_like(behind, 1.0)?;
        let before = sub(cx, one, behind)?;
        let above = plus(cx, below, 1.0)?;
        let above = clamped(cx, above, last)?;
        let mut tap = |place: ValueId, weight: ValueId| {
            let index = cx.one(Cast { to: DType::I64 }, &[place])?;
            Ok::<Tap, OpError>(Tap { index, weight: Some(weight), inside: None })
        };
        Ok(Samples { taps: [tap(below, before)?, tap(above, behind)?], inside })
    }
}
