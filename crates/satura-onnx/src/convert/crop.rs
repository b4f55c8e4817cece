//! Cutting and padding around the centre, and overlapping blocks put back into an image.

use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use satura_import::{Code, Diagnostic};
use satura_ir::ops;
use satura_tensor::{DType, Dim, Tensor, cast};

/// Each axis cut or padded with zeros to the extent asked for; what is odd goes behind.
pub(super) fn center_crop_pad(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, shape], []) = cx.args()?;
    let dims = cx.dims(x, "its centre")?;
    let wanted = sizes("shape", &cx.need_ints(shape, "the shape")?, 0)?;
    let axes = match cx.attrs.ints("axes")? {
        Some(axes) => {
            axes.iter().map(|axis| ops::axis_index(*axis, dims.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..dims.len()).collect(),
    };
    if axes.len() != wanted.len() {
        return Err(bad_attribute("axes", format!("{} axes, {} extents", axes.len(), wanted.len())));
    }
    let (mut starts, mut kept) = (vec![Dim::from(0); dims.len()], dims.clone());
    let (mut low, mut high) = (vec![Dim::from(0); dims.len()], vec![Dim::from(0); dims.len()]);
    for (axis, wanted) in axes.into_iter().zip(wanted) {
        let extent = cx.constant_dim(&dims[axis], "an axis that is cut or padded")?;
        starts[axis] = Dim::from(extent.saturating_sub(wanted) / 2);
        kept[axis] = Dim::from(extent.min(wanted));
        let missing = wanted.saturating_sub(extent);
        low[axis] = Dim::from(missing / 2);
        high[axis] = Dim::from(missing - missing / 2);
    }
    let steps = vec![1; dims.len()];
    let cut = cx.one(ops::Slice { starts, sizes: kept, steps }, &[x])?;
    let zero = cx.scalar_like(x, 0.0)?;
    cx.emit(ops::Pad { low, high }, &[cut, zero])
}

/// `[N, C * k, blocks]` to `[N, C, image..]`: each column of `k` numbers is a block of the image, and where blocks overlap they add up. That is a transposed convolution whose kernel
/// puts each of the `k` numbers in its place.
pub(super) fn col2im(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, image, block], []) = cx.args()?;
    let image = sizes("image_shape", &cx.need_ints(image, "the image's shape")?, 1)?;
    let block = sizes("block_shape", &cx.need_ints(block, "the block's shape")?, 1)?;
    let axes = block.len();
    if image.len() != axes || axes == 0 {
        return Err(bad_attribute(
            "block_shape",
            format!("blocks of {axes} axes, an image of {}", image.len()),
        ));
    }
    let mut list = |name: &str, len: usize, default: i64, least: i64| {
        let values = cx.attrs.ints(name)?.unwrap_or_else(|| vec![default; len]);
        if values.len() == len {
            sizes(name, &values, least)
        } else {
            Err(bad_attribute(name, format!("{} entries, {len} are needed", values.len())))
        }
    };
    let (strides, dilations) = (list("strides", axes, 1, 1)?, list("dilations", axes, 1, 1)?);
    let pads = list("pads", 2 * axes, 0, 0)?;
    let (pads_low, pads_high) = (pads[..axes].to_vec(), pads[axes..].to_vec());
    let [batch, channels, blocks] = cx.dims_of(x, "the columns")?;
    let taps: usize = block.iter().product();
    let channels = cx.constant_dim(&channels, "the number of channels")?;
    let mut grid = vec![batch.clone(), Dim::from(channels)];
    let mut output_padding = Vec::new();
    for axis in 0..axes {
        let reach = (block[axis] - 1).saturating_mul(dilations[axis]) + 1;
        let padded = image[axis] + pads_low[axis] + pads_high[axis];
        let room = padded.checked_sub(reach).ok_or_else(|| {
            Diagnostic::error(Code::Shape, format!("a block of {reach} does not fit axis {axis} of {padded}"))
        })?;
        grid.push(Dim::from(room / strides[axis] + 1));
        output_padding.push(room % strides[axis]);
    }
    let expected = grid[2..].iter().fold(Dim::from(1), |product, d| product * d.clone());
    if channels % taps != 0 || blocks.as_const().is_some_and(|b| !expected.is(b)) {
        let message = format!(
            "{channels} channels of {blocks} blocks, blocks of {taps} elements and {expected} of them are needed"
        );
        return Err(Diagnostic::error(Code::Shape, message));
    }
    let groups = channels / taps;
    if groups == 0 {
        return Err(Diagnostic::error(Code::Shape, "there are no channels"));
    }
    let grid = cx.reshape(x, grid)?;
    let one_hot =
        (0..channels * taps).map(|at| if at / taps % taps == at % taps { 1.0f32 } else { 0.0 }).collect();
    let mut shape = vec![channels, 1];
    shape.extend(&block);
    let dtype = cx.dtype(x)?;
    let weights = cast(&Tensor::from_vec(one_hot, &shape), dtype).filter(|_| dtype != DType::Bool);
    let weights = weights.ok_or_else(|| Diagnostic::error(Code::DType, format!("blocks of {dtype}")))?;
    let weights = cx.constant(weights)?;
    let op = ops::ConvTranspose { strides, pads_low, pads_high, dilations, groups, output_padding };
    cx.emit(op, &[grid, weights])
}
