//! Weights of a few bits, packed into bytes.

use super::super::matmul::product;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute, sizes, unsupported};
use satura_import::{Attributes, Code, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Dim, Tensor};

/// A size in an attribute that must be given.
fn size(cx: &mut NodeCx<'_>, name: &str) -> Result<usize, Diagnostic> {
    let value = cx.attrs.int(name)?.ok_or_else(|| Attributes::<()>::missing(name))?;
    Ok(sizes(name, &[value], 1)?[0])
}

/// The type of numbers of so many bits.
pub(super) fn packed_type(name: &str, bits: i64) -> Result<DType, Diagnostic> {
    match bits {
        2 => Ok(DType::U2),
        4 => Ok(DType::U4),
        8 => Ok(DType::U8),
        _ => Err(bad_attribute(name, format!("2, 4 or 8 bits, not {bits}"))),
    }
}

/// Half of the range of numbers of so many bits: what stands for 0 where nothing else is said.
pub(super) fn middle(packed: DType) -> f64 {
    f64::from(1u32 << (packed.bits() - 1))
}

/// The constant bytes of a value as numbers of fewer bits, in that shape; the bytes stay as they are. The first number of a byte is in its low bits.
pub(super) fn unpacked(cx: &mut NodeCx<'_>, bytes: ValueId, to: DType, shape: &[usize]) -> Emitted {
    let Some(tensor) = cx.constant_of(bytes).cloned() else {
        return Err(Diagnostic::error(Code::NotConstant, "packed weights must be constant"));
    };
    let needed = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    let wrong = || {
        let message =
            format!("{} bytes do not hold {shape:?} numbers of {} bits", tensor.elements(), to.bits());
        Diagnostic::error(Code::Shape, message)
    };
    if tensor.dtype() != DType::U8 || needed.and_then(|n| to.byte_len(n)) != Some(tensor.elements()) {
        return Err(wrong());
    }
    let shared = tensor.shared_bytes().ok_or_else(wrong)?;
    let numbers = Tensor::from_bytes(to, shape, shared).map_err(|_| wrong())?;
    cx.constant(numbers)
}

/// Rows of packed numbers, each row beginning with a byte of its own: `[rows.., count]`, in f32.
pub(super) fn unpacked_rows(
    cx: &mut NodeCx<'_>,
    bytes: ValueId,
    to: DType,
    rows: &[usize],
    count: usize,
) -> Emitted {
    let per_byte = 8 / to.bits();
    let padded = count.div_ceil(per_byte) * per_byte;
    let shape: Vec<usize> = rows.iter().copied().chain([padded]).collect();
    let all = unpacked(cx, bytes, to, &shape)?;
    let all = cx.part(all, rows.len(), Dim::from(0), Dim::from(count))?;
    cx.cast(all, DType::F32)
}

/// A product with weights `[N, K]` of 2, 4 or 8 bits, in blocks of neighbours along K that have a scale and perhaps a zero point.
pub(in crate::convert) fn n_bits(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b, scales], [zero_points, groups, bias]) = cx.args()?;
    cx.attrs.ignore("accuracy_level");
    if cx.attrs.int("weight_prepacked")?.unwrap_or(0) != 0 {
        return Err(unsupported("weights in the layout of one runtime").at_attribute("weight_prepacked"));
    }
    let (rows, columns, block) = (size(cx, "N")?, size(cx, "K")?, size(cx, "block_size")?);
    let packed = packed_type("bits", cx.attrs.int("bits")?.unwrap_or(4))?;
    let blocks = columns.div_ceil(block);
    let weights = unpacked(cx, b, packed, &[rows, blocks, block])?;
    let weights = cx.cast(weights, DType::F32)?;
    let by_block = vec![Dim::from(rows), Dim::from(blocks)];
    let zero_points = match zero_points {
        None => None,
        Some(bytes) if cx.dtype(bytes)? == DType::U8 => {
            Some(unpacked_rows(cx, bytes, packed, &[rows], blocks)?)
        }
        Some(numbers) => {
            let all = cx.cast(numbers, DType::F32)?;
            Some(cx.reshape(all, by_block.clone())?)
        }
    };
    let scales = cx.cast(scales, DType::F32)?;
    let scales = cx.reshape(scales, by_block)?;
    // Of each number, by its block, or by the group that is given for its column.
    let (weights, spread): (ValueId, Box<dyn Fn(&mut NodeCx<'_>, ValueId) -> Emitted>) = match groups {
        None => (weights, Box::new(|cx, of_blocks| cx.unsqueeze(of_blocks, &[2]))),
        Some(groups) => {
            let flat = flat(cx, weights, [rows, blocks * block], columns)?;
            (flat, Box::new(move |cx, of_blocks| cx.one(ops::Gather { axis: 1 }, &[of_blocks, groups])))
        }
    };
    let zero_points = match zero_points {
        Some(zero_points) => spread(cx, zero_points)?,
        None => cx.scalar(DType::F32, middle(packed))?,
    };
    let centred = cx.sub(weights, zero_points)?;
    let scales = spread(cx, scales)?;
    let mut weights = cx.mul(centred, scales)?;
    if groups.is_none() {
        weights = flat(cx, weights, [rows, blocks * block], columns)?;
    }
    times_rows(cx, a, weights, bias)
}

/// `[rows, padded]` in another shape, cut to its first columns.
fn flat(cx: &mut NodeCx<'_>, x: ValueId, [rows, padded]: [usize; 2], columns: usize) -> Emitted {
    let flat = cx.reshape(x, vec![Dim::from(rows), Dim::from(padded)])?;
    cx.part(flat, 1, Dim::from(0), Dim::from(columns))
}

/// `a` times the transpose of `weights: [N, K]`, plus a bias, in f32; the result has the type of `a`.
fn times_rows(cx: &mut NodeCx<'_>, a: ValueId, weights: ValueId, bias: Option<ValueId>) -> Converted {
    let to = cx.dtype(a)?;
    let right = cx.transpose(weights, &[1, 0])?;
    let left = cx.cast(a, DType::F32)?;
    let mut y = product(cx, left, right)?[0];
    if let Some(bias) = bias {
        let bias = cx.cast(bias, DType::F32)?;
        y = cx.add(y, bias)?;
    }
    Ok(vec![cx.cast(y, to)?])
}

/// The numbers that 4 bits stand for in `bitsandbytes`: floats of 4 bits (FP4), whose greatest is 1.
const FP4: [f32; 16] = [
    0.0,
    0.005_208_333,
    2.0 / 3.0,
    1.0,
    1.0 / 3.0,
    0.5,
    1.0 / 6.0,
    0.25,
    0.0,
    -0.005_208_333,
    -2.0 / 3.0,
    -1.0,
    -1.0 / 3.0,
    -0.5,
    -1.0 / 6.0,
    -0.25,
];

/// The same for NF4: quantiles of the normal distribution, from "QLoRA: Efficient Finetuning of Quantized LLMs" (Dettmers and others, 2023), appendix E.
const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// A product with weights `[N, K]` of 4 bits that stand for entries of a table, scaled by blocks of neighbours, across rows too. The first number of a byte is in its high bits.
pub(in crate::convert) fn bnb4(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b, scales], []) = cx.args()?;
    let (rows, columns, block) = (size(cx, "N")?, size(cx, "K")?, size(cx, "block_size")?);
    let table = match cx.attrs.int("quant_type")?.ok_or_else(|| Attributes::<()>::missing("quant_type"))? {
        0 => FP4,
        1 => NF4,
        other => return Err(bad_attribute("quant_type", format!("{other} is not 0 or 1"))),
    };
    // Only the backward pass differs.
    cx.attrs.ignore("training_mode");
    if !cx.attrs.flag("transB")?.unwrap_or(true) {
        return Err(unsupported("weights that are not transposed").at_attribute("transB"));
    }
    let count = rows.saturating_mul(columns);
    let (bytes, blocks) = (count.div_ceil(2), count.div_ceil(block));
    let numbers = unpacked(cx, b, DType::U4, &[bytes, 2])?;
    let halves =
        [cx.part(numbers, 1, Dim::from(1), Dim::from(1))?, cx.part(numbers, 1, Dim::from(0), Dim::from(1))?];
    let numbers = cx.concat(&halves, 1)?;
    let numbers = cx.reshape(numbers, vec![Dim::from(2 * bytes)])?;
    let numbers = cx.part(numbers, 0, Dim::from(0), Dim::from(count))?;
    let numbers = cx.cast(numbers, DType::I32)?;
    let table = cx.constant(Tensor::from_vec(table.to_vec(), &[16]))?;
    let numbers = cx.one(ops::Gather { axis: 0 }, &[table, numbers])?;
    let scales = cx.cast(scales, DType::F32)?;
    let scales = cx.reshape(scales, vec![Dim::from(blocks), Dim::from(1)])?;
    let scales = cx.broadcast(scales, vec![Dim::from(blocks), Dim::from(block)])?;
    let scales = cx.reshape(scales, vec![Dim::from(blocks * block)])?;
    let scales = cx.part(scales, 0, Dim::from(0), Dim::from(count))?;
    let weights = cx.mul(numbers, scales)?;
    let weights = cx.reshape(weights, vec![Dim::from(rows), Dim::from(columns)])?;
    times_rows(cx, a, weights, None)
}

/// Rows of a table of few bits, by index. The numbers of a row are scaled in blocks.
pub(in crate::convert) fn gather_blocks(cx: &mut NodeCx<'_>) -> Converted {
    let ([data, at, scales], [zero_points]) = cx.args()?;
    let block = sizes("block_size", &[cx.attrs.int("block_size")?.unwrap_or(128)], 1)?[0];
    let bits = cx.attrs.int("bits")?.unwrap_or(4);
    let of = cx.dtype(data)?;
    let rank = cx.need_rank(data, "taking rows of it")?;
    if rank != 2 {
        return Err(unsupported(format!("a table of rank {rank}")));
    }
    let along = |cx: &mut NodeCx<'_>, name: &str, default: i64| {
        let axis = cx.attrs.int(name)?.unwrap_or(default);
        Ok::<usize, Diagnostic>(ops::axis_index(axis, rank)?)
    };
    if along(cx, "gather_axis", 0)? != 0 {
        return Err(unsupported("columns of a table").at_attribute("gather_axis"));
    }
    if along(cx, "quantize_axis", 1)? != 1 {
        return Err(unsupported("blocks along columns").at_attribute("quantize_axis"));
    }
    let [rows, stored] = cx.dims_of::<2>(data, "the table")?;
    let stored = cx.constant_dim(&stored, "the columns of the table")?;
    // Bytes hold several numbers, other types one each.
    let packed = if of == DType::U8 { packed_type("bits", bits)? } else { of };
    let columns = if of == DType::U8 { stored * (8 / packed.bits()) } else { stored };
    let blocks = columns.div_ceil(block);
    let rows = cx.constant_dim(&rows, "the rows of the table")?;
    let table = if of == DType::U8 && packed != DType::U8 {
        unpacked(cx, data, packed, &[rows, columns])?
    } else {
        data
    };
    let indices = cx.dims(at, "rows")?;
    let axis = indices.len();
    let taken = cx.one(ops::Gather { axis: 0 }, &[table, at])?;
    let taken = cx.cast(taken, DType::F32)?;
    let spread = |cx: &mut NodeCx<'_>, of_blocks: ValueId| {
        let taken = cx.one(ops::Gather { axis: 0 }, &[of_blocks, at])?;
        let apart = cx.unsqueeze(taken, &[-1])?;
        let shape =
            |tail: &[usize]| indices.iter().cloned().chain(tail.iter().map(|e| Dim::from(*e))).collect();
        let repeated = cx.broadcast(apart, shape(&[blocks, block]))?;
        let joined = cx.reshape(repeated, shape(&[blocks * block]))?;
        cx.part(joined, axis, Dim::from(0), Dim::from(columns))
    };
    let to = cx.dtype(scales)?;
    let zero_points = match zero_points {
        Some(bytes) if of == DType::U8 => {
            let numbers = unpacked_rows(cx, bytes, packed, &[rows], blocks)?;
            spread(cx, numbers)?
        }
        Some(numbers) => {
            let numbers = cx.cast(numbers, DType::F32)?;
            spread(cx, numbers)?
        }
        None if of == DType::U8 => cx.scalar(DType::F32, middle(packed))?,
        None => cx.scalar(DType::F32, 0.0)?,
    };
    let centred = cx.sub(taken, zero_points)?;
    let scales = cx.cast(scales, DType::F32)?;
    let scales = spread(cx, scales)?;
    let result = cx.mul(centred, scales)?;
    Ok(vec![cx.cast(result, to)?])
}
