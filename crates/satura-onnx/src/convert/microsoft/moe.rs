//! Mixtures of experts: each token goes through the layers of a few of them, chosen by a router.

use super::activation::SwiGlu;
use super::weights::{middle, packed_type, unpacked, unpacked_rows};
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Code, Diagnostic};
use satura_ir::ops::{self, ArgKind, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim};

/// What the attributes of both forms say.
struct Settings {
    /// How many experts a token goes to.
    chosen: usize,
    /// Whether the shares of those add up to 1.
    normalised: bool,
    activation: Activation,
    gate: SwiGlu,
    /// Where the halves of a gated layer lie: 0 in two matrices, 1 by turns, 2 one after the other.
    fusion: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum Activation {
    Relu,
    Gelu,
    Silu,
    SwiGlu,
    Identity,
}

const ACTIVATIONS: &[(&str, Activation)] = &[
    ("relu", Activation::Relu),
    ("gelu", Activation::Gelu),
    ("silu", Activation::Silu),
    ("swiglu", Activation::SwiGlu),
    ("identity", Activation::Identity),
];

impl Settings {
    fn read(cx: &mut NodeCx<'_>) -> Result<Settings, Diagnostic> {
        let chosen = sizes("k", &[cx.attrs.int("k")?.unwrap_or(1)], 1)?[0];
        for name in ["use_sparse_mixer", "swiglu_limit_after_activation"] {
            if cx.attrs.flag(name)?.unwrap_or(false) {
                return Err(unsupported("this form of a mixture of experts").at_attribute(name));
            }
        }
        let number = |cx: &mut NodeCx<'_>, name: &str, default: f32| {
            Ok::<f64, Diagnostic>(f64::from(cx.attrs.float(name)?.unwrap_or(default)))
        };
        let limit = number(cx, "swiglu_limit", f32::INFINITY)?;
        Ok(Settings {
            chosen,
            normalised: cx.attrs.flag("normalize_routing_weights")?.unwrap_or(false),
            activation: cx.attrs.choice("activation_type", ACTIVATIONS)?.unwrap_or(Activation::Relu),
            gate: SwiGlu {
                alpha: number(cx, "activation_alpha", 1.0)?,
                beta: number(cx, "activation_beta", 0.0)?,
                limit: Some(limit).filter(|limit| limit.is_finite()),
            },
            fusion: cx.attrs.int("swiglu_fusion")?.unwrap_or(0),
        })
    }
}

/// A layer of all experts: weights `[E, N, K]` in f32, and a bias `[E, N]`.
struct Layer {
    weights: ValueId,
    bias: Option<ValueId>,
}

impl Layer {
    /// `[1 or E, T, K]` to `[E, T, N]`.
    fn apply(&self, cx: &mut NodeCx<'_>, x: ValueId) -> Emitted {
        let columns = cx.transpose(self.weights, &[0, 2, 1])?;
        let y = cx.matmul(x, columns)?;
        match self.bias {
            Some(bias) => {
                let bias = cx.cast(bias, DType::F32)?;
                let row = cx.unsqueeze(bias, &[1])?;
                cx.add(y, row)
            }
            None => Ok(y),
        }
    }
}

/// Every expert's share of every token, `[T, E]`, in f32: 0 for all but the chosen ones. Of equal ones the last is chosen first.
fn shares(cx: &mut NodeCx<'_>, router: ValueId, given: Option<ValueId>, settings: &Settings) -> Emitted {
    let [_, experts] = cx.dims_of::<2>(router, "the router")?;
    let count = cx.constant_dim(&experts, "the number of experts")?;
    if settings.chosen > count {
        return Err(bad_attribute("k", format!("{} of {count} experts", settings.chosen)));
    }
    let router = cx.cast(router, DType::F32)?;
    let position = cx.iota(DType::I64, vec![experts], 0)?;
    let least = cx.scalar(DType::F32, f64::NEG_INFINITY)?;
    let (mut rest, mut chosen) = (router, None);
    for _ in 0..settings.chosen {
        let best = ops::ArgReduce { kind: ArgKind::Max, axis: 1, keep: true, last: true };
        let best = cx.one(best, &[rest])?;
        let hit = cx.equal(position, best)?;
        rest = cx.select(hit, least, rest)?;
        chosen = Some(match chosen {
            Some(chosen) => cx.one(ops::Or {}, &[chosen, hit])?,
            None => hit,
        });
    }
    let Some(chosen) = chosen else { return Err(bad_attribute("k", "no expert is chosen")) };
    let all = match given {
        Some(given) => cx.cast(given, DType::F32)?,
        None => cx.one(Op::from(ops::Softmax { axis: 1 }), &[router])?,
    };
    let zero = cx.scalar(DType::F32, 0.0)?;
    let shares = cx.select(chosen, all, zero)?;
    if !settings.normalised {
        return Ok(shares);
    }
    let sum = cx.reduce(ReduceKind::Sum, shares, Some(&[1]))?;
    cx.div(shares, sum)
}

/// The sum of what the chosen experts make of each token, by their shares. All experts see all tokens.
fn mixture(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    shares: ValueId,
    [first, second]: [&Layer; 2],
    third: Option<&Layer>,
    settings: &Settings,
) -> Converted {
    let (dims, to) = (cx.dims(x, "tokens")?, cx.dtype(x)?);
    let Some(width) = dims.last().cloned() else {
        return Err(Diagnostic::error(Code::Shape, "the input is a scalar"));
    };
    let [tokens, _] = cx.dims_of::<2>(shares, "the router")?;
    let wide = cx.cast(x, DType::F32)?;
    let rows = cx.reshape(wide, vec![Dim::from(1), tokens, width])?;
    let inner = first.apply(cx, rows)?;
    let inner = match (settings.activation, third) {
        (Activation::SwiGlu, third) => {
            let [gate, linear] = match third {
                Some(third) => [inner, third.apply(cx, rows)?],
                None => gated_halves(cx, inner, settings.fusion)?,
            };
            settings.gate.apply(cx, gate, linear)?
        }
        (activation, third) => {
            let bent = match activation {
                Activation::Relu => cx.one(Op::from(ops::Relu {}), &[inner])?,
                Activation::Gelu => cx.one(ops::Gelu { approximate: true }, &[inner])?,
                Activation::Silu => cx.one(Op::from(ops::Silu {}), &[inner])?,
                Activation::Identity | Activation::SwiGlu => inner,
            };
            match third {
                Some(third) => {
                    let linear = third.apply(cx, rows)?;
                    cx.mul(bent, linear)?
                }
                None => bent,
            }
        }
    };
    let each = second.apply(cx, inner)?;
    let shares = cx.transpose(shares, &[1, 0])?;
    let shares = cx.unsqueeze(shares, &[2])?;
    let scaled = cx.mul(each, shares)?;
    // An expert that was not chosen adds nothing, whatever it makes of the token.
    let zero = cx.scalar(DType::F32, 0.0)?;
    let chosen = cx.less(zero, shares)?;
    let scaled = cx.select(chosen, scaled, zero)?;
    let sum = cx.reduce(ReduceKind::Sum, scaled, Some(&[0]))?;
    let sum = cx.reshape(sum, dims)?;
    Ok(vec![cx.cast(sum, to)?])
}

/// The two halves of the last axis of `[E, T, 2 N]`.
fn gated_halves(cx: &mut NodeCx<'_>, x: ValueId, fusion: i64) -> Result<[ValueId; 2], Diagnostic> {
    let [.., last] = cx.dims_of::<3>(x, "a gated layer")?;
    let half = last
        .exact_quotient(&Dim::from(2))
        .ok_or_else(|| Diagnostic::error(Code::Shape, format!("{last} features do not split in two")))?;
    match fusion {
        1 => {
            let gate = cx.steps(x, 2, Dim::from(0), half.clone(), 2)?;
            Ok([gate, cx.steps(x, 2, Dim::from(1), half, 2)?])
        }
        2 => {
            let gate = cx.part(x, 2, Dim::from(0), half.clone())?;
            Ok([gate, cx.part(x, 2, half.clone(), half)?])
        }
        other => {
            let message = format!("{other}: a gated layer needs a third matrix, or two halves in the first");
            Err(bad_attribute("swiglu_fusion", message))
        }
    }
}

/// Experts with weights as they are.
pub(in crate::convert) fn moe(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, router], rest) = cx.args::<2, 6>()?;
    let [first, first_bias, second, second_bias, third, third_bias] = rest;
    let settings = Settings::read(cx)?;
    let layer = |cx: &mut NodeCx<'_>, weights: Option<ValueId>, bias, input| {
        let weights = weights
            .ok_or_else(|| Diagnostic::error(Code::InputCount, "the weights are missing").at_input(input))?;
        Ok::<Layer, Diagnostic>(Layer { weights: cx.cast(weights, DType::F32)?, bias })
    };
    let (first, second) = (layer(cx, first, first_bias, 2)?, layer(cx, second, second_bias, 4)?);
    let third = third.map(|weights| layer(cx, Some(weights), third_bias, 6)).transpose()?;
    let shares = shares(cx, router, None, &settings)?;
    mixture(cx, x, shares, [&first, &second], third.as_ref(), &settings)
}

/// Weights of few bits with their scales and zero points.
struct Packed {
    bits: i64,
    /// Numbers along K that share a scale; 0 for all.
    block: usize,
}

impl Packed {
    /// The layer of packed weights `[E, N, K * bits / 8]`.
    fn layer(
        &self,
        cx: &mut NodeCx<'_>,
        [weights, scales, bias, zero_points]: [Option<ValueId>; 4],
        input: usize,
    ) -> Result<Layer, Diagnostic> {
        let missing = |what: &str, at| {
            Diagnostic::error(Code::InputCount, format!("the {what} are missing")).at_input(at)
        };
        let weights = weights.ok_or_else(|| missing("weights", input))?;
        let scales = scales.ok_or_else(|| missing("scales", input + 1))?;
        let packed = packed_type("expert_weight_bits", self.bits)?;
        let [experts, rows, bytes] = cx.dims_of::<3>(weights, "packed weights")?;
        let extent = |cx: &NodeCx<'_>, dim: &Dim| cx.constant_dim(dim, "packed weights");
        let (experts, rows) = (extent(cx, &experts)?, extent(cx, &rows)?);
        let columns = extent(cx, &bytes)? * (8 / packed.bits());
        let block = if self.block == 0 { columns.max(1) } else { self.block };
        if columns % block != 0 {
            let message = format!("{columns} numbers in blocks of {block}");
            return Err(bad_attribute("block_size", message));
        }
        let blocks = columns / block;
        let numbers = unpacked(cx, weights, packed, &[experts, rows, blocks, block])?;
        let numbers = cx.cast(numbers, DType::F32)?;
        let by_block: Vec<Dim> = [experts, rows, blocks, 1].into_iter().map(Dim::from).collect();
        let zero_points = match zero_points {
            // One for each row lie behind each other, those of blocks row by row.
            Some(bytes) if self.block == 0 => unpacked_rows(cx, bytes, packed, &[experts], rows)?,
            Some(bytes) => unpacked_rows(cx, bytes, packed, &[experts, rows], blocks)?,
            None => cx.scalar(DType::F32, middle(packed))?,
        };
        let zero_points = match cx.rank(zero_points) {
            Some(0) => zero_points,
            _ => cx.reshape(zero_points, by_block.clone())?,
        };
        let centred = cx.sub(numbers, zero_points)?;
        let scales = cx.cast(scales, DType::F32)?;
        let scales = cx.reshape(scales, by_block)?;
        let scaled = cx.mul(centred, scales)?;
        let shape = [experts, rows, columns].into_iter().map(Dim::from).collect();
        Ok(Layer { weights: cx.reshape(scaled, shape)?, bias })
    }
}

/// Experts with packed weights.
pub(in crate::convert) fn quantized(cx: &mut NodeCx<'_>) -> Converted {
    let ([x, router], rest) = cx.args::<2, 19>()?;
    let mut settings = Settings::read(cx)?;
    // Shares that follow from the router are those of the chosen ones among themselves, whatever the attribute says.
    settings.normalised |= rest[12].is_none();
    if cx.attrs.string("quant_type")?.is_some_and(|kind| kind != "int") {
        return Err(unsupported("weights that are small floats").at_attribute("quant_type"));
    }
    if cx.attrs.int("weights_prepacked")?.is_some_and(|layout| layout > 0) {
        return Err(unsupported("weights in the layout of one runtime").at_attribute("weights_prepacked"));
    }
    cx.attrs.ignore("accuracy_level");
    let bits = cx.attrs.int("expert_weight_bits")?.unwrap_or(4);
    let block = sizes("block_size", &[cx.attrs.int("block_size")?.unwrap_or(0).max(0)], 0)?[0];
    let packed = |cx: &mut NodeCx<'_>, name: &str| {
        Ok::<Packed, Diagnostic>(Packed { bits: cx.attrs.int(name)?.unwrap_or(bits), block })
    };
    let forms = [
        packed(cx, "fc1_expert_weight_bits")?,
        packed(cx, "fc2_expert_weight_bits")?,
        packed(cx, "fc3_expert_weight_bits")?,
    ];
    if rest[13..].iter().any(Option::is_some) {
        return Err(unsupported("scales of activations, or of whole experts").at_input(15));
    }
    let first = forms[0].layer(cx, [rest[0], rest[1], rest[2], rest[9]], 2)?;
    let second = forms[1].layer(cx, [rest[3], rest[4], rest[5], rest[10]], 5)?;
    let third = match rest[6] {
        Some(_) => Some(forms[2].layer(cx, [rest[6], rest[7], rest[8], rest[11]], 8)?),
        None => None,
    };
    let shares = shares(cx, router, rest[12], &settings)?;
    mixture(cx, x, shares, [&first, &second], third.as_ref(), &settings)
}
