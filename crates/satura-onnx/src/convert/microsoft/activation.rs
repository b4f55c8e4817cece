//! Activations, alone and fused to what comes before them.

use super::super::elementwise::scalar;
use super::super::{matmul, window};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, unsupported};
use satura_import::{AttrValue, Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::{Op, ValueId, ops};
use satura_tensor::{DType, Dim};

/// Gelu of the sum of the input and a bias, if there is one.
pub(in crate::convert) fn gelu(cx: &mut NodeCx<'_>, approximate: bool) -> Converted {
    let ([x], [bias]) = cx.args()?;
    let x = match bias {
        Some(bias) => cx.add(x, bias)?,
        None => x,
    };
    cx.emit(ops::Gelu { approximate }, &[x])
}

/// `x * sigmoid(alpha * x)`.
pub(in crate::convert) fn quick_gelu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let alpha = f64::from(cx.attrs.float("alpha")?.unwrap_or(1.702));
    let scaled = cx.scale(x, alpha)?;
    let gate = cx.map(ops::Sigmoid {}, scaled)?;
    Ok(vec![cx.mul(x, gate)?])
}

/// The two halves of the last axis.
fn halves(cx: &mut NodeCx<'_>, x: ValueId) -> Result<[ValueId; 2], Diagnostic> {
    let dims = cx.dims(x, "splitting it in two")?;
    let last = dims.last().cloned().unwrap_or_else(|| Dim::from(0));
    let half = last
        .exact_quotient(&Dim::from(2))
        .ok_or_else(|| Diagnostic::error(Code::Shape, format!("{last} features do not split in two")))?;
    let axis = dims.len().saturating_sub(1);
    Ok([cx.part(x, axis, Dim::from(0), half.clone())?, cx.part(x, axis, half.clone(), half)?])
}

/// The sum of the input and a bias, of whose last axis one half is multiplied by the gelu of the other.
pub(in crate::convert) fn bias_split_gelu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, bias], []) = cx.args()?;
    let sum = cx.add(x, bias)?;
    let [left, right] = halves(cx, sum)?;
    let gate = cx.one(ops::Gelu { approximate: false }, &[right])?;
    Ok(vec![cx.mul(left, gate)?])
}

/// `x + bias (+ residual)`: dropout does nothing at inference.
pub(in crate::convert) fn bias_dropout(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, bias], [residual, _ratio, training]) = cx.args()?;
    cx.attrs.ignore("seed");
    if training.is_some_and(|training| cx.ints(training).as_deref() != Some(&[0])) {
        return Err(unsupported("dropout of training").at_input(4));
    }
    cx.only_outputs(1, "the mask of a fused dropout")?;
    let mut sum = cx.add(x, bias)?;
    if let Some(residual) = residual {
        sum = cx.add(sum, residual)?;
    }
    Ok(vec![sum])
}

/// Softmax of `x + bias` along the axes from `axis` on, as one. The bias lacks the axes before `axis`, or has some of them with extent 1.
pub(in crate::convert) fn bias_softmax(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, bias], []) = cx.args()?;
    // Both ways to broadcast are NumPy's, since the extents of 1 are there.
    cx.attrs.ignore("is_inner_broadcast");
    let sum = cx.add(x, bias)?;
    cx.inputs = vec![Some(sum)];
    cx.version = 12;
    super::super::activation::softmax(cx, |axis| ops::Softmax { axis }.into())
}

/// `z * sigmoid(z)` with `z = scale * x`.
pub(in crate::convert) fn scaled_silu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], [scale]) = cx.args()?;
    let alpha = f64::from(cx.attrs.float("alpha")?.unwrap_or(1.0));
    let scaled = match scale {
        Some(scale) => {
            let scale = cx.cast(scale, cx.dtype(x)?)?;
            let scale = scalar(cx, scale, "the scale")?;
            cx.mul(x, scale)?
        }
        None => cx.scale(x, alpha)?,
    };
    let gate = cx.map(ops::Sigmoid {}, scaled)?;
    Ok(vec![cx.mul(scaled, gate)?])
}

/// How a gated activation bends its halves: `g * sigmoid(alpha * g) * (l + beta)` with `g` kept below the limit and `l` within it.
pub(super) struct SwiGlu {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) limit: Option<f64>,
}

impl SwiGlu {
    pub(super) fn apply(&self, cx: &mut NodeCx<'_>, mut gate: ValueId, mut linear: ValueId) -> Emitted {
        if let Some(limit) = self.limit {
            let greatest = cx.scalar_like(gate, limit)?;
            gate = cx.min(gate, greatest)?;
            linear = cx.clip(linear, -limit, limit)?;
        }
        let scaled = cx.scale(gate, self.alpha)?;
        let open = cx.map(ops::Sigmoid {}, scaled)?;
        let swish = cx.mul(gate, open)?;
        let linear = if self.beta == 0.0 { linear } else { cx.add_scalar(linear, self.beta)? };
        cx.mul(swish, linear)
    }
}

/// A gated activation of two tensors, or of the halves of one.
pub(in crate::convert) fn swiglu(cx: &mut NodeCx<'_>) -> Converted {
    let ([gate], [up]) = cx.args()?;
    let number = |cx: &mut NodeCx<'_>, name: &str, default: f32| {
        Ok::<f64, Diagnostic>(f64::from(cx.attrs.float(name)?.unwrap_or(default)))
    };
    let (alpha, beta) = (number(cx, "activation_alpha", 1.0)?, number(cx, "activation_beta", 0.0)?);
    let limit = Some(number(cx, "limit", 0.0)?).filter(|limit| *limit > 0.0);
    cx.attrs.ignore("round_activation");
    let to = cx.dtype(gate)?;
    let [gate, up] = match up {
        Some(up) => [gate, up],
        None => halves(cx, gate)?,
    };
    let (gate, up) = (cx.cast(gate, DType::F32)?, cx.cast(up, DType::F32)?);
    let result = SwiGlu { alpha, beta, limit }.apply(cx, gate, up)?;
    Ok(vec![cx.cast(result, to)?])
}

/// `x + y * gate`, one gate for each row.
pub(in crate::convert) fn gated_add(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, y, gate], [weight]) = cx.args()?;
    if weight.is_some() {
        return Err(unsupported("a gate that is projected").at_input(3));
    }
    let open = cx.mul(y, gate)?;
    Ok(vec![cx.add(x, open)?])
}

/// The activation that an attribute names, with its parameters in order.
pub(super) fn named(cx: &mut NodeCx<'_>, x: ValueId, name: &str, parameters: &[f32]) -> Emitted {
    let at = |i: usize, default: f32| Real::from(parameters.get(i).copied().unwrap_or(default));
    let op: Op = match name {
        "" => return Ok(x),
        "Relu" => ops::Relu {}.into(),
        "Sigmoid" => ops::Sigmoid {}.into(),
        "Tanh" => ops::Tanh {}.into(),
        "Softplus" => ops::Softplus {}.into(),
        "LeakyRelu" => ops::LeakyRelu { alpha: at(0, 0.01) }.into(),
        "Elu" => ops::Elu { alpha: at(0, 1.0) }.into(),
        "HardSigmoid" => ops::HardSigmoid { alpha: at(0, 0.2), beta: at(1, 0.5) }.into(),
        "HardSwish" => ops::HardSwish {}.into(),
        "Clip" => {
            let [least, greatest] = parameters else {
                return Err(bad_attribute("activation_params", "Clip needs two bounds"));
            };
            return cx.clip(x, f64::from(*least), f64::from(*greatest));
        }
        other => {
            let message = format!("the activation \"{}\"", satura_import::escape(other));
            return Err(unsupported(message).at_attribute("activation"));
        }
    };
    cx.map(op, x)
}

/// A convolution with a bias, a sum and an activation.
pub(in crate::convert) fn fused_conv(cx: &mut NodeCx<'_>) -> Converted {
    let name = cx.attrs.string("activation")?.unwrap_or_default();
    let parameters = cx.attrs.floats("activation_params")?.unwrap_or_default();
    let other = cx.inputs.get(3).copied().flatten();
    cx.inputs.truncate(3);
    let mut y = window::conv(cx)?[0];
    if let Some(other) = other {
        y = cx.add(y, other)?;
    }
    Ok(vec![named(cx, y, &name, &parameters)?])
}

/// An op on windows whose channels come last: they move to their place before it, and back. `run` sees the node with the moved input.
pub(in crate::convert) fn channels_last(
    cx: &mut NodeCx<'_>,
    run: impl FnOnce(&mut NodeCx<'_>) -> Converted,
) -> Converted {
    let Some(Some(x)) = cx.inputs.first().copied() else {
        return Err(Diagnostic::error(Code::InputCount, "input 0 is missing").at_input(0));
    };
    let rank = cx.need_rank(x, "moving its channels")?;
    let first: Vec<usize> =
        [0, rank.saturating_sub(1)].into_iter().chain(1..rank.saturating_sub(1)).collect();
    let last: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
    cx.inputs[0] = Some(cx.transpose(x, &first)?);
    let y = run(cx)?[0];
    Ok(vec![cx.transpose(y, &last)?])
}

/// [`fused_conv`] with the channels last, those of what is added too.
pub(in crate::convert) fn nhwc_fused_conv(cx: &mut NodeCx<'_>) -> Converted {
    if let Some(Some(sum)) = cx.inputs.get(3).copied() {
        let rank = cx.need_rank(sum, "moving its channels")?;
        let first: Vec<usize> =
            [0, rank.saturating_sub(1)].into_iter().chain(1..rank.saturating_sub(1)).collect();
        cx.inputs[3] = Some(cx.transpose(sum, &first)?);
    }
    channels_last(cx, fused_conv)
}

/// The greatest of each window, with the channels last.
pub(in crate::convert) fn nhwc_max_pool(cx: &mut NodeCx<'_>) -> Converted {
    cx.version = 12;
    channels_last(cx, window::max_pool)
}

/// A transposed convolution whose padding is an input.
pub(in crate::convert) fn conv_transpose_padded(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [pads, bias]) = cx.args()?;
    if let Some(pads) = pads {
        let pads = cx.need_ints(pads, "the padding")?;
        cx.attrs.insert("pads", AttrValue::Ints(pads))?;
    }
    cx.inputs = vec![Some(x), Some(weights), bias];
    window::conv_transpose(cx)
}

/// A matrix product with a bias and an activation.
pub(in crate::convert) fn fused_gemm(cx: &mut NodeCx<'_>) -> Converted {
    let (name, parameters) = fused_name(cx)?;
    let y = matmul::gemm(cx)?[0];
    Ok(vec![named(cx, y, &name, &parameters)?])
}

/// The activation of a fused product, with its parameters.
pub(super) fn fused_name(cx: &mut NodeCx<'_>) -> Result<(String, Vec<f32>), Diagnostic> {
    let name = cx.attrs.string("activation")?.unwrap_or_default();
    let mut parameters = Vec::new();
    for parameter in ["activation_alpha", "activation_beta", "activation_gamma"] {
        parameters.extend(cx.attrs.float(parameter)?);
    }
    Ok((name, parameters))
}

/// A matrix product with a bias, through the approximate gelu.
pub(in crate::convert) fn gemm_fast_gelu(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, weights], [bias]) = cx.args()?;
    let mut y = matmul::product(cx, x, weights)?[0];
    if let Some(bias) = bias {
        y = cx.add(y, bias)?;
    }
    cx.emit(ops::Gelu { approximate: true }, &[y])
}
