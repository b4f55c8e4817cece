//! Which element types operators take, and what stands in for a type that one does not take.

use super::cx::{Cx, Form, NoForm};
use super::names::Name;
use crate::proto::AttributeProto;
use satura_tensor::DType;

/// Element types, each with the operator set that an operator takes it from.
pub(super) type Takes = [(i64, &'static [DType])];

pub(super) const FLOATS: &[DType] = &[DType::F32, DType::F64, DType::F16];
pub(super) const BFLOAT: &[DType] = &[DType::BF16];
pub(super) const WIDE_INTS: &[DType] = &[DType::I32, DType::I64, DType::U32, DType::U64];
pub(super) const SMALL_INTS: &[DType] = &[DType::I8, DType::I16, DType::U8, DType::U16];
pub(super) const BYTES: &[DType] = &[DType::I8, DType::U8];
pub(super) const SIGNED_INTS: &[DType] = &[DType::I32, DType::I64, DType::I8, DType::I16];
pub(super) const BOOL: &[DType] = &[DType::Bool];
pub(super) const STRING: &[DType] = &[DType::String];
pub(super) const COMPLEX: &[DType] = &[DType::C64, DType::C128];
pub(super) const FLOATS8: &[DType] = &[DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ];
pub(super) const INTS4: &[DType] = &[DType::I4, DType::U4];
pub(super) const INTS2: &[DType] = &[DType::I2, DType::U2];
pub(super) const FLOAT4: &[DType] = &[DType::F4E2M1];
pub(super) const SCALE8: &[DType] = &[DType::F8E8M0];

/// Floats. What computes is written without bfloat16, which has no kernels in most runtimes: f32 holds its values, and a sum, product, quotient or root in f32 rounds to the same
/// bfloat16 as the exact one. What moves elements is written with it.
pub(super) const FLOAT: &Takes = &[(1, FLOATS)];
/// Floats, for composites whose steps each round: by way of f32 they would give other bfloat16 numbers.
pub(super) const FLOAT_13: &Takes = &[(1, FLOATS), (13, BFLOAT)];
/// The same, with bfloat16 from operator set 22.
pub(super) const FLOAT_22: &Takes = &[(1, FLOATS), (22, BFLOAT)];
/// Every number of 8 bits or more.
pub(super) const NUMBERS: &Takes = &[(1, FLOATS), (1, WIDE_INTS), (1, SMALL_INTS)];
/// The numbers of reductions and products.
pub(super) const WIDE_NUMBERS: &Takes = &[(1, FLOATS), (1, WIDE_INTS)];
/// What moves elements without looking at them: every type up to operator set 18.
pub(super) const ANY: &Takes =
    &[(1, FLOATS), (13, BFLOAT), (1, WIDE_INTS), (1, SMALL_INTS), (1, BOOL), (1, STRING), (1, COMPLEX)];
/// The types of the first operator sets.
pub(super) const OLD_TYPES: &Takes =
    &[(1, FLOATS), (1, WIDE_INTS), (1, SMALL_INTS), (1, BOOL), (1, STRING), (1, COMPLEX)];
/// The types of the first operator sets, with bfloat16 from operator set 22.
pub(super) const ANY_22: &Takes =
    &[(1, FLOATS), (22, BFLOAT), (1, WIDE_INTS), (1, SMALL_INTS), (1, BOOL), (1, STRING), (1, COMPLEX)];
/// What moves elements, with the types that came later.
pub(super) const ANY_19: &Takes = &[
    (1, FLOATS),
    (13, BFLOAT),
    (1, WIDE_INTS),
    (1, SMALL_INTS),
    (1, BOOL),
    (1, STRING),
    (1, COMPLEX),
    (19, FLOATS8),
    (21, INTS4),
    (23, FLOAT4),
    (24, SCALE8),
    (25, INTS2),
];
/// What moves elements, with the types that came later, all from operator set 21 on.
pub(super) const ANY_21: &Takes = &[
    (1, FLOATS),
    (13, BFLOAT),
    (1, WIDE_INTS),
    (1, SMALL_INTS),
    (1, BOOL),
    (1, STRING),
    (1, COMPLEX),
    (21, FLOATS8),
    (21, INTS4),
    (23, FLOAT4),
    (24, SCALE8),
    (25, INTS2),
];

/// Wider types that hold every value of a narrower one, in order of preference.
const CARRIERS: &[DType] =
    &[DType::F32, DType::I32, DType::I64, DType::U32, DType::U64, DType::F64, DType::I8, DType::U8];

pub(super) fn is_taken(takes: &Takes, version: i64, dtype: DType) -> bool {
    takes.iter().any(|(since, dtypes)| *since <= version && dtypes.contains(&dtype))
}

/// Whether `wide` holds every value of `narrow`.
fn holds(wide: DType, narrow: DType) -> bool {
    if narrow.is_float() {
        return wide.is_float() && wide.bits() > narrow.bits() && (wide == DType::F64 || narrow.bits() < 32);
    }
    match (wide.int_range(), narrow.int_range()) {
        (Some((low, high)), Some((least, greatest))) => low <= least && greatest <= high,
        _ => false,
    }
}

/// The type itself where the operator takes it, else one that holds all its values.
pub(super) fn carrier(takes: &Takes, version: i64, dtype: DType) -> Result<DType, NoForm> {
    if is_taken(takes, version, dtype) {
        return Ok(dtype);
    }
    let fits = |wide: &&DType| is_taken(takes, version, **wide) && holds(**wide, dtype);
    let found = CARRIERS.iter().find(fits).copied().filter(|_| castable(version, dtype));
    found.ok_or_else(|| NoForm::new(format!("operator set {version} does not take {dtype} here")))
}

/// Whether the operator set has the type at all.
pub(super) fn has_type(version: i64, dtype: DType) -> bool {
    is_taken(ANY_19, version, dtype)
}

/// Whether `Cast` takes and gives the type.
pub(super) fn castable(version: i64, dtype: DType) -> bool {
    has_type(version, dtype) && !dtype.is_complex()
}

/// The narrowest type that holds all values of one that the operator set does not have.
pub(super) fn stand_in(version: i64, dtype: DType) -> Option<DType> {
    let candidates = [DType::U8, DType::I8, DType::F32];
    candidates.into_iter().find(|wide| has_type(version, *wide) && holds(*wide, dtype))
}

/// The inputs as `to`, those that are not `from` as they are.
pub(super) fn inputs_as(cx: &mut Cx<'_>, from: DType, to: DType) -> Vec<Name> {
    (0..cx.count())
        .map(|i| {
            let name = cx.input(i);
            if from != to && cx.ty(i).dtype() == Some(from) { cx.cast(&name, to) } else { name }
        })
        .collect()
}

/// An operator whose inputs have one dtype that is the output's too: by way of a wider type where it does not take that one.
pub(super) fn same(cx: &mut Cx<'_>, op: &str, takes: &Takes, attributes: Vec<AttributeProto>) -> Form {
    let dtype = cx.dtype(0)?;
    let carrier = carrier(takes, cx.version(), dtype)?;
    let inputs = inputs_as(cx, dtype, carrier);
    cx.result_as(carrier, op, &inputs, attributes)
}

/// An operator on single elements that is written only where it takes the dtype of input 0 as it is, or bfloat16 by way of f32; other types are decomposed.
pub(super) fn pointwise(cx: &mut Cx<'_>, op: &str, takes: &Takes, attributes: Vec<AttributeProto>) -> Form {
    if cx.dtype(0)? == DType::BF16 {
        return same(cx, op, takes, attributes);
    }
    exactly(cx, op, takes, attributes)
}

/// An operator that is written only where it takes the dtype of input 0 as it is; other types are decomposed.
pub(super) fn exactly(cx: &mut Cx<'_>, op: &str, takes: &Takes, attributes: Vec<AttributeProto>) -> Form {
    need_taken(cx, op, takes, cx.dtype(0)?)?;
    let inputs = cx.inputs();
    cx.result(op, &inputs, attributes)
}

/// An error unless the operator takes the dtype as it is.
pub(super) fn need_taken(cx: &Cx<'_>, op: &str, takes: &Takes, dtype: DType) -> Form {
    if is_taken(takes, cx.version(), dtype) {
        Ok(())
    } else {
        Err(NoForm::new(format!("{op} takes no {dtype}")))
    }
}
