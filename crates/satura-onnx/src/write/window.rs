//! Pooling.

use super::attribute::{flag, int, ints, text};
use super::contract::window;
use super::cx::{Cx, Form, NoForm, signed};
use super::names::Name;
use super::takes::{BYTES, FLOAT, FLOATS, Takes, carrier, same};
use satura_ir::ops;
use satura_tensor::{Dim, Tensor, cast};

const MAXIMA: &Takes = &[(1, FLOATS), (1, BYTES)];

/// The extents of a pool.
struct Pool<'a> {
    kernel: &'a [usize],
    strides: &'a [usize],
    low: &'a [usize],
    high: &'a [usize],
    dilations: &'a [usize],
}

impl Pool<'_> {
    /// How far each spatial axis of extent known reaches beyond its padding; negative where windows do not reach its end.
    fn beyond(&self, cx: &Cx<'_>) -> Option<Vec<i64>> {
        let (from, to) = (cx.shape(0)?.sizes()?, cx.output_ty(0).sizes()?);
        let axes = 0..self.kernel.len();
        let beyond = |axis: usize| {
            let windows = i64::try_from(to[axis + 2]).ok()? - 1;
            let [stride, dilation, kernel] =
                [self.strides[axis], self.dilations[axis], self.kernel[axis] - 1]
                    .map(|v| i64::try_from(v).ok());
            let given = i64::try_from(from[axis + 2] + self.low[axis] + self.high[axis]).ok()?;
            Some(windows * stride? + kernel? * dilation? + 1 - given)
        };
        axes.map(beyond).collect()
    }

    /// Whether the number of windows must be said to be rounded up. Where that changes nothing it is left out: operator sets before 22 count a last window
    /// that starts in the padding.
    fn rounds_up(&self, cx: &Cx<'_>, ceil: bool) -> bool {
        ceil && self.beyond(cx).is_none_or(|beyond| beyond.iter().any(|more| *more > 0))
    }
}

pub(super) fn max_pool(cx: &mut Cx<'_>, op: &ops::MaxPool) -> Form {
    let pool = Pool {
        kernel: &op.kernel,
        strides: &op.strides,
        low: &op.pads_low,
        high: &op.pads_high,
        dilations: &op.dilations,
    };
    let mut attributes = window(&op.strides, &op.pads_low, &op.pads_high, &op.dilations);
    attributes
        .extend([ints("kernel_shape", signed(&op.kernel)), flag("ceil_mode", pool.rounds_up(cx, op.ceil))]);
    same(cx, "MaxPool", MAXIMA, attributes)
}

/// Dilations came with operator set 19.
pub(super) fn avg_pool(cx: &mut Cx<'_>, op: &ops::AvgPool) -> Form {
    let pool = Pool {
        kernel: &op.kernel,
        strides: &op.strides,
        low: &op.pads_low,
        high: &op.pads_high,
        dilations: &op.dilations,
    };
    let dilated = op.dilations.iter().any(|d| *d != 1);
    if dilated && cx.version() < 19 {
        return dilated_mean(cx, &pool, op.count_pad);
    }
    let mut attributes = window(&op.strides, &op.pads_low, &op.pads_high, &op.dilations);
    attributes.retain(|attribute| dilated || attribute.name != "dilations");
    attributes.extend([
        ints("kernel_shape", signed(&op.kernel)),
        flag("ceil_mode", pool.rounds_up(cx, op.ceil)),
        flag("count_include_pad", op.count_pad),
    ]);
    same(cx, "AveragePool", FLOAT, attributes)
}

/// A convolution with ones, divided by how many elements each window has: the same convolution of ones.
fn dilated_mean(cx: &mut Cx<'_>, pool: &Pool<'_>, count_pad: bool) -> Form {
    let late = || NoForm::since("AveragePool with dilations", 19);
    let beyond = pool.beyond(cx).ok_or_else(late)?;
    let shape = cx.shape(0).and_then(|s| s.sizes()).ok_or_else(late)?;
    let dtype = cx.dtype(0)?;
    let carrier = carrier(FLOAT, cx.version(), dtype)?;
    let ones = |cx: &mut Cx<'_>, sizes: &[usize]| {
        let tensor = Tensor::from_vec(vec![1f32; sizes.iter().product()], sizes);
        cast(&tensor, carrier).map(|tensor| cx.constant(&tensor)).ok_or_else(late)
    };
    let high: Vec<usize> = (0..pool.high.len())
        .map(|axis| {
            usize::try_from(i64::try_from(pool.high[axis]).unwrap_or(i64::MAX) + beyond[axis]).unwrap_or(0)
        })
        .collect();
    let sum = |cx: &mut Cx<'_>, x: &Name, channels: usize, low: &[usize], high: &[usize]| {
        let weights = ones(cx, &[&[channels, 1], pool.kernel].concat())?;
        let mut attributes = window(pool.strides, low, high, pool.dilations);
        attributes.push(int("group", i64::try_from(channels).unwrap_or(i64::MAX)));
        Ok::<Name, NoForm>(cx.node("Conv", &[x.clone(), weights], attributes))
    };
    let x = cx.input(0);
    let x = cx.cast_from(&x, dtype, carrier);
    cx.in_parts();
    let sums = sum(cx, &x, shape[1], pool.low, &high)?;
    let elements = ones(cx, &[&[1, 1], &shape[2..]].concat())?;
    let counts = if count_pad {
        let amounts: Vec<Dim> =
            [&[0, 0], pool.low, &[0, 0], pool.high].concat().into_iter().map(Dim::from).collect();
        let (amounts, one) = (cx.dims(&amounts)?, cx.scalar(carrier, 1.0)?);
        let padded = cx.node("Pad", &[elements, amounts, one], vec![text("mode", "constant")]);
        let rest: Vec<usize> = beyond.iter().map(|more| usize::try_from(*more).unwrap_or(0)).collect();
        sum(cx, &padded, 1, &vec![0; pool.low.len()], &rest)?
    } else {
        sum(cx, &elements, 1, pool.low, &high)?
    };
    cx.result_as(carrier, "Div", &[sums, counts], Vec::new())
}
