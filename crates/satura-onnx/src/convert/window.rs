//! Convolutions and pooling: windows over spatial axes.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Code, Diagnostic};
use satura_ir::{ValueId, ops};

#[derive(Clone, Copy, PartialEq)]
enum AutoPad {
    Explicit,
    Valid,
    SameUpper,
    SameLower,
}

const AUTO_PADS: &[(&str, AutoPad)] = &[
    ("NOTSET", AutoPad::Explicit),
    ("VALID", AutoPad::Valid),
    ("SAME_UPPER", AutoPad::SameUpper),
    ("SAME_LOWER", AutoPad::SameLower),
];

/// What the window ops have in common, one entry a spatial axis.
pub(super) struct Window {
    pub(super) kernel: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    auto: AutoPad,
    /// As given; empty if not.
    pads: Vec<usize>,
}

impl Window {
    /// Reads the common attributes. The kernel is that of the weights where there are weights; `kernel_shape`, if given, must agree.
    pub(super) fn read(cx: &mut NodeCx<'_>, weights: Option<ValueId>) -> Result<Window, Diagnostic> {
        let given = cx.attrs.ints("kernel_shape")?.map(|k| sizes("kernel_shape", &k, 1)).transpose()?;
        let of_weights = match weights {
            Some(weights) => Some(weight_kernel(cx, weights)?),
            None => None,
        };
        let kernel = match (given, of_weights) {
            (Some(given), Some(actual)) if given != actual => {
                return Err(bad_attribute(
                    "kernel_shape",
                    format!("{given:?} is given, the weights have {actual:?}"),
                ));
            }
            (Some(kernel), _) | (None, Some(kernel)) => kernel,
            (None, None) => return Err(satura_import::Attributes::<()>::missing("kernel_shape")),
        };
        let axes = kernel.len();
        let mut per_axis = |name: &str, default: usize| -> Result<Vec<usize>, Diagnostic> {
            match cx.attrs.ints(name)? {
                Some(values) if values.len() != axes => {
                    Err(bad_attribute(name, format!("{} entries for {axes} spatial axes", values.len())))
                }
                Some(values) => sizes(name, &values, 1),
                None => Ok(vec![default; axes]),
            }
        };
        let (strides, dilations) = (per_axis("strides", 1)?, per_axis("dilations", 1)?);
        let auto = cx.attrs.choice("auto_pad", AUTO_PADS)?.unwrap_or(AutoPad::Explicit);
        let pads = cx.attrs.ints("pads")?.unwrap_or_default();
        if !pads.is_empty() && pads.len() != 2 * axes {
            return Err(bad_attribute(
                "pads",
                format!("{} entries for {axes} spatial axes, {} are needed", pads.len(), 2 * axes),
            ));
        }
        if auto != AutoPad::Explicit && pads.iter().any(|p| *p != 0) {
            return Err(bad_attribute("auto_pad", "both auto_pad and pads are given"));
        }
        let pads = sizes("pads", &pads, 0)?;
        Ok(Window { kernel, strides, dilations, auto, pads })
    }

    pub(super) fn axes(&self) -> usize {
        self.kernel.len()
    }

    /// The extent of the window along an axis.
    pub(super) fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilations[axis]) + 1
    }

    /// Padding before and after each spatial axis. `SAME` keeps `ceil(extent / stride)` windows, so with a stride it depends on the extent.
    pub(super) fn padding(
        &self,
        cx: &NodeCx<'_>,
        x: ValueId,
    ) -> Result<(Vec<usize>, Vec<usize>), Diagnostic> {
        let axes = self.axes();
        if let Some(rank) = cx.rank(x).filter(|rank| *rank != axes + 2) {
            return Err(Diagnostic::error(
                Code::Shape,
                format!("{axes} spatial axes need rank {}, the input has rank {rank}", axes + 2),
            ));
        }
        if self.auto == AutoPad::Explicit && !self.pads.is_empty() {
            return Ok((self.pads[..axes].to_vec(), self.pads[axes..].to_vec()));
        }
        if matches!(self.auto, AutoPad::Explicit | AutoPad::Valid) {
            return Ok((vec![0; axes], vec![0; axes]));
        }
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for axis in 0..axes {
            let (reach, stride) = (self.reach(axis), self.strides[axis]);
            let total = if stride == 1 {
                reach - 1
            } else {
                let extent = constant_extent(cx, x, axis, "auto_pad with a stride")?;
                let windows = extent.div_ceil(stride);
                (windows.saturating_sub(1) * stride + reach).saturating_sub(extent)
            };
            let (small, large) = (total / 2, total - total / 2);
            low.push(if self.auto == AutoPad::SameUpper { small } else { large });
            high.push(if self.auto == AutoPad::SameUpper { large } else { small });
        }
        Ok((low, high))
    }
}

fn constant_extent(cx: &NodeCx<'_>, x: ValueId, axis: usize, what: &str) -> Result<usize, Diagnostic> {
    let extent = cx.shape(x).and_then(|s| s.get(axis + 2)?.as_const()).and_then(|e| usize::try_from(e).ok());
    extent.ok_or_else(|| {
        Diagnostic::error(
            Code::NotConstant,
            format!("{what} needs the extent of spatial axis {axis}, which is not known"),
        )
        .help("export the model with fixed spatial extents or with explicit pads")
    })
}

fn weight_kernel(cx: &NodeCx<'_>, weights: ValueId) -> Result<Vec<usize>, Diagnostic> {
    let Some(shape) = cx.shape(weights) else {
        return Err(Diagnostic::error(Code::NotConstant, "the shape of the weights is not known").at_input(1));
    };
    let spatial = shape.get(2..).filter(|s| !s.is_empty()).ok_or_else(|| {
        Diagnostic::error(Code::Shape, format!("weights need rank 3 or more, their shape is {shape}"))
            .at_input(1)
    })?;
    let size = |d: &satura_tensor::Dim| d.as_const().and_then(|v| usize::try_from(v).ok()).filter(|v| *v > 0);
    spatial.iter().map(size).collect::<Option<_>>().ok_or_else(|| {
        Diagnostic::error(
            Code::Shape,
            format!("the kernel must have constant extents of at least 1, the weights are {shape}"),
        )
        .at_input(1)
    })
}

fn groups(cx: &mut NodeCx<'_>) -> Result<usize, Diagnostic> {
    let group = cx.attrs.int("group")?.unwrap_or(1);
    Ok(sizes("group", &[group], 1)?[0])
}

/// Adds a bias `[O]` to `[N, O, spatial..]`.
pub(super) fn add_bias(cx: &mut NodeCx<'_>, y: ValueId, bias: Option<ValueId>, axes: usize) -> Converted {
    let Some(bias) = bias else { return Ok(vec![y]) };
    let channels = match cx.shape(bias) {
        Some(shape) if shape.len() != 1 => {
            return Err(Diagnostic::error(
                Code::Shape,
                format!("the bias must be a vector, its shape is {shape}"),
            )
            .at_input(2));
        }
        Some(shape) => shape[0].clone(),
        None => {
            return Err(
                Diagnostic::error(Code::NotConstant, "the shape of the bias is not known").at_input(2)
            );
        }
    };
    if let Some(expected) = cx.shape(y).and_then(|s| s[1].as_const())
        && channels.as_const().is_some_and(|c| c != expected)
    {
        let message = format!("the bias has {channels} entries, there are {expected} output channels");
        return Err(Diagnostic::error(Code::Shape, message).at_input(2));
    }
    let constant = cx.graph.constant(bias).map(|t| {
        let mut shape = vec![1; axes + 1];
        shape[0] = t.elements();
        t.reshaped(&shape)
    });
    let bias = match constant {
        Some(Some(reshaped)) => cx.constant(reshaped)?,
        _ => {
            let mut shape = vec![satura_tensor::Dim::from(1); axes + 1];
            shape[0] = channels;
            cx.one(ops::Reshape { shape: satura_tensor::Shape(shape) }, &[bias])?
        }
    };
    cx.emit(ops::Add {}, &[y, bias])
}

pub(super) fn conv(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [bias]) = cx.args()?;
    let y = convolution(cx, x, weights)?;
    let axes = cx.need_rank(weights, "a bias")?.saturating_sub(2);
    add_bias(cx, y, bias, axes)
}

/// A convolution under the node's attributes.
pub(super) fn convolution(cx: &mut NodeCx<'_>, x: ValueId, weights: ValueId) -> Emitted {
    let conv = described(cx, x, weights)?;
    cx.one(conv, &[x, weights])
}

/// A convolution of 8-bit integers less their zero points under the node's attributes, in i32: `[x, weights, zero point of x, zero points of the weights]`.
pub(super) fn integer_convolution(cx: &mut NodeCx<'_>, inputs: &[ValueId; 4]) -> Emitted {
    let ops::Conv { strides, pads_low, pads_high, dilations, groups } = described(cx, inputs[0], inputs[1])?;
    cx.one(ops::ConvInteger { strides, pads_low, pads_high, dilations, groups }, inputs)
}

/// The convolution that the node's attributes describe.
fn described(cx: &mut NodeCx<'_>, x: ValueId, weights: ValueId) -> Result<ops::Conv, Diagnostic> {
    let window = Window::read(cx, Some(weights))?;
    let groups = groups(cx)?;
    let (pads_low, pads_high) = window.padding(cx, x)?;
    let Window { strides, dilations, .. } = window;
    Ok(ops::Conv { strides, pads_low, pads_high, dilations, groups })
}

/// The padding crops the output: `SAME` and `output_shape` say how large that is to be.
pub(super) fn conv_transpose(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [bias]) = cx.args()?;
    let window = Window::read(cx, Some(weights))?;
    let groups = groups(cx)?;
    let axes = window.axes();
    let mut output_padding = match cx.attrs.ints("output_padding")? {
        Some(padding) if !padding.is_empty() => sizes("output_padding", &padding, 0)?,
        _ => vec![0; axes],
    };
    if output_padding.len() != axes {
        return Err(bad_attribute(
            "output_padding",
            format!("{} entries for {axes} spatial axes", output_padding.len()),
        ));
    }
    let output = cx
        .attrs
        .ints("output_shape")?
        .filter(|s| !s.is_empty())
        .map(|s| sizes("output_shape", &s, 1))
        .transpose()?;
    // Some writers give the whole shape, not the spatial part alone.
    let output = output.map(|s| if s.len() == axes + 2 { s[2..].to_vec() } else { s });
    if let Some(output) = output.as_ref().filter(|s| s.len() != axes) {
        return Err(bad_attribute(
            "output_shape",
            format!("{} entries for {axes} spatial axes", output.len()),
        ));
    }
    let same = matches!(window.auto, AutoPad::SameUpper | AutoPad::SameLower);
    let (pads_low, pads_high) = if same || output.is_some() {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for axis in 0..axes {
            let (reach, stride) = (window.reach(axis), window.strides[axis]);
            // What is left over when the full output is cut to the one asked for; `SAME` asks for `extent * stride`, so the extent cancels out.
            let full = reach + output_padding[axis];
            let (full, wanted) = match &output {
                Some(output) => {
                    let extent = constant_extent(cx, x, axis, "output_shape")?;
                    (extent.saturating_sub(1).saturating_mul(stride).saturating_add(full), output[axis])
                }
                None => (full, stride),
            };
            let total = full.saturating_sub(wanted);
            output_padding[axis] += wanted.saturating_sub(full);
            let (small, large) = (total / 2, total - total / 2);
            low.push(if window.auto == AutoPad::SameUpper { small } else { large });
            high.push(if window.auto == AutoPad::SameUpper { large } else { small });
        }
        (low, high)
    } else {
        window.padding(cx, x)?
    };
    let Window { strides, dilations, .. } = window;
    let op = ops::ConvTranspose { strides, pads_low, pads_high, dilations, groups, output_padding };
    let y = cx.one(op, &[x, weights])?;
    add_bias(cx, y, bias, axes)
}

pub(super) fn max_pool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let window = Window::read(cx, None)?;
    let ceil = if cx.version < 10 { false } else { cx.attrs.flag("ceil_mode")?.unwrap_or(false) };
    let columns_first = if cx.version < 8 { false } else { cx.attrs.flag("storage_order")?.unwrap_or(false) };
    if cx.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return super::pool::max_with_positions(cx, x, &window, ceil, columns_first);
    }
    let (pads_low, pads_high) = window.padding(cx, x)?;
    let Window { kernel, strides, dilations, .. } = window;
    cx.emit(ops::MaxPool { kernel, strides, pads_low, pads_high, dilations, ceil }, &[x])
}

pub(super) fn average_pool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    if cx.version < 19 && cx.attrs.has("dilations") {
        return Err(unsupported("dilations of an average pool before operator set 19"));
    }
    let window = Window::read(cx, None)?;
    let ceil = if cx.version < 10 { false } else { cx.attrs.flag("ceil_mode")?.unwrap_or(false) };
    let count_pad = cx.attrs.flag("count_include_pad")?.unwrap_or(false);
    let (pads_low, pads_high) = window.padding(cx, x)?;
    let Window { kernel, strides, dilations, .. } = window;
    cx.emit(ops::AvgPool { kernel, strides, pads_low, pads_high, dilations, ceil, count_pad }, &[x])
}

/// All axes after the first two.
pub(super) fn spatial_axes(cx: &NodeCx<'_>, x: ValueId) -> Result<Vec<i64>, Diagnostic> {
    let rank = cx.need_rank(x, "pooling over all spatial axes")?;
    if rank < 3 {
        return Err(Diagnostic::error(
            Code::Shape,
            format!("rank 3 or more is needed, the input has rank {rank}"),
        ));
    }
    Ok((2..rank).filter_map(|axis| i64::try_from(axis).ok()).collect())
}

pub(super) fn global_average_pool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let axes = Some(spatial_axes(cx, x)?);
    cx.emit(ops::Mean { axes, keep: true }, &[x])
}

pub(super) fn global_max_pool(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let axes = Some(spatial_axes(cx, x)?);
    cx.emit(ops::Reduce { kind: ops::ReduceKind::Max, axes, keep: true }, &[x])
}
