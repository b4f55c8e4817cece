//! Random numbers, and training by steps that use them.

use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes};
use crate::types;
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::attr::Real;
use satura_ir::ops::{self, RandomKind, ReduceKind};
use satura_ir::{Op, ValueId};
use satura_tensor::{DType, Dim, Shape};

/// A number that no other source of random numbers of the model has.
fn unique(cx: &NodeCx<'_>) -> u64 {
    // FNV-1a over the name of the result, which is unique but for copies of functions, and the number of nodes so far.
    let name = cx.outputs.iter().flat_map(|name| name.bytes());
    let position = cx.graph.node_bound().to_le_bytes();
    name.chain(position).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The seed, which is a whole number in the form of a real one.
fn seed(cx: &mut NodeCx<'_>) -> Result<Option<u64>, Diagnostic> {
    let Some(seed) = cx.attrs.float("seed")? else { return Ok(None) };
    if seed.is_nan() {
        return Ok(None);
    }
    if seed.fract() != 0.0 || seed.abs() > 1e18 {
        return Err(bad_attribute("seed", format!("a whole number is expected, found {seed}")));
    }
    Ok(Some((seed as i64).cast_unsigned()))
}

/// Adds a source of random numbers.
fn draw(
    cx: &mut NodeCx<'_>,
    kind: RandomKind,
    [a, b]: [f64; 2],
    dtype: DType,
    dims: Vec<Dim>,
    seed: Option<u64>,
) -> Emitted {
    let id = unique(cx);
    cx.one(ops::Random { kind, dtype, shape: Shape(dims), a: Real::from(a), b: Real::from(b), seed, id }, &[])
}

fn parameters(cx: &mut NodeCx<'_>, kind: RandomKind) -> Result<[f64; 2], Diagnostic> {
    let [(first, a), (second, b)] = match kind {
        RandomKind::Uniform => [("low", 0.0), ("high", 1.0)],
        RandomKind::Normal => [("mean", 0.0), ("scale", 1.0)],
    };
    Ok([cx.attrs.float(first)?.unwrap_or(a), cx.attrs.float(second)?.unwrap_or(b)].map(f64::from))
}

fn dtype(cx: &mut NodeCx<'_>) -> Result<Option<DType>, Diagnostic> {
    let number = cx.attrs.int("dtype")?;
    number.map(|number| types::dtype(number).map_err(|error| error.at_attribute("dtype"))).transpose()
}

/// Random numbers of the shape in an attribute.
pub(super) fn of_shape(cx: &mut NodeCx<'_>, kind: RandomKind) -> Converted {
    let ([], []) = cx.args()?;
    let parameters = parameters(cx, kind)?;
    let dtype = dtype(cx)?.unwrap_or(DType::F32);
    let shape = cx.attrs.ints("shape")?.ok_or_else(|| Attributes::<()>::missing("shape"))?;
    let dims = sizes("shape", &shape, 0)?.into_iter().map(Dim::from).collect();
    let seed = seed(cx)?;
    Ok(vec![draw(cx, kind, parameters, dtype, dims, seed)?])
}

/// Random numbers of the shape of the input.
pub(super) fn like(cx: &mut NodeCx<'_>, kind: RandomKind) -> Converted {
    let ([x], []) = cx.args()?;
    let parameters = parameters(cx, kind)?;
    let dtype = match dtype(cx)? {
        Some(dtype) => dtype,
        None => cx.dtype(x)?,
    };
    let dims = cx.dims(x, "random numbers of its shape")?;
    let seed = seed(cx)?;
    Ok(vec![draw(cx, kind, parameters, dtype, dims, seed)?])
}

/// 1 with the probability that the input gives, else 0.
pub(super) fn bernoulli(cx: &mut NodeCx<'_>) -> Converted {
    let ([probability], []) = cx.args()?;
    let of = cx.dtype(probability)?;
    let to = dtype(cx)?.unwrap_or(of);
    let dims = cx.dims(probability, "random numbers of its shape")?;
    let seed = seed(cx)?;
    let drawn = draw(cx, RandomKind::Uniform, [0.0, 1.0], of, dims, seed)?;
    let hit = cx.less(drawn, probability)?;
    Ok(vec![cx.cast(hit, to)?])
}

/// Positions along the last axis of `[N, C]`, drawn with probabilities whose logarithms the input gives up to a sum.
pub(super) fn multinomial(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let to = dtype(cx)?.unwrap_or(DType::I32);
    let samples = cx.attrs.int("sample_size")?.unwrap_or(1);
    let samples = Dim::from(sizes("sample_size", &[samples], 0)?[0]);
    let seed = seed(cx)?;
    let [rows, classes] = cx.dims_of::<2>(x, "drawing from it")?;
    let classes = cx.constant_dim(&classes, "the number of classes")?;
    if classes == 0 {
        return Err(Diagnostic::error(Code::Shape, "there is no class to draw"));
    }
    let of = cx.dtype(x)?;
    let probability = cx.one(Op::from(ops::Softmax { axis: -1 }), &[x])?;
    let scan = ops::Scan { kind: ReduceKind::Sum, axis: 1, exclusive: false, reverse: false };
    let bounds = cx.one(scan, &[probability])?;
    let total = cx.part(bounds, 1, Dim::from(classes - 1), Dim::from(1))?;
    let drawn = draw(cx, RandomKind::Uniform, [0.0, 1.0], of, vec![rows, samples], seed)?;
    let drawn = cx.mul(drawn, total)?;
    // The class is the number of bounds that were passed; the last one is never, but for rounding.
    let (drawn, bounds) = (cx.unsqueeze(drawn, &[2])?, cx.unsqueeze(bounds, &[1])?);
    let passed = cx.less_equal(bounds, drawn)?;
    let passed = cx.cast(passed, DType::I32)?;
    let count = cx.reduce(ReduceKind::Sum, passed, Some(&[2]))?;
    let count = cx.squeeze(count, &[2])?;
    let last = cx.scalar(DType::I32, (classes - 1) as f64)?;
    let class = cx.min(count, last)?;
    Ok(vec![cx.cast(class, to)?])
}

/// While training, elements are dropped with a probability, and the rest scaled up so that the mean stays. The second output says which stay.
///
/// `training` is a bool that is not known to be false.
pub(super) fn dropout(
    cx: &mut NodeCx<'_>,
    x: ValueId,
    ratio: Option<ValueId>,
    training: ValueId,
) -> Converted {
    let seed = cx.attrs.int("seed")?.map(i64::cast_unsigned);
    let ratio = match ratio {
        Some(ratio) => {
            let ratio = super::elementwise::scalar(cx, ratio, "the ratio")?;
            cx.cast(ratio, DType::F32)?
        }
        None => cx.scalar(DType::F32, 0.5)?,
    };
    let training = super::elementwise::scalar(cx, training, "the mode")?;
    let id = unique(cx);
    cx.emit(ops::Dropout { seed, id }, &[x, ratio, training])
}
