//! Tables of labels, and maps: operators of the domain `ai.onnx.ml`, which have their tables as attributes.

use super::attribute::{byte_texts, ints, tensor};
use super::cx::{Cx, Form, NoForm};
use super::writer::{Constant, inline};
use crate::proto::AttributeProto;
use satura_ir::{Type, ops};
use satura_tensor::{DType, Elements, Tensor, cast};

const DOMAIN: &str = "ai.onnx.ml";

fn constant<'a>(cx: &Cx<'a>, i: usize) -> Result<&'a Tensor, NoForm> {
    cx.tensor(i)
        .ok_or_else(|| NoForm::new(format!("input {i} is no constant, the operator has it as an attribute")))
}

/// The dtype that stands for another one in a table.
fn label(dtype: DType) -> Result<DType, NoForm> {
    match dtype {
        DType::String | DType::I64 | DType::F32 | DType::F64 | DType::I32 | DType::I16 => Ok(dtype),
        DType::F16 | DType::BF16 => Ok(DType::F32),
        DType::I8 | DType::U8 | DType::U16 | DType::U32 | DType::Bool => Ok(DType::I64),
        _ => Err(NoForm::new(format!("LabelEncoder takes no {dtype}"))),
    }
}

fn table(
    name: &'static str,
    value: &Tensor,
    dtype: DType,
    shape: &[usize],
) -> Result<AttributeProto, NoForm> {
    let value = if value.dtype() == dtype { Some(value.clone()) } else { cast(value, dtype) };
    let value = value.and_then(|value| value.reshaped(shape));
    let value = value.ok_or_else(|| NoForm::new(format!("{name} cannot be {dtype} of shape {shape:?}")))?;
    Ok(tensor(name, inline(&Constant { name: name.into(), tensor: value })))
}

/// Keys, values and the default as tensors, which version 4 of the operator has.
pub(super) fn lookup(cx: &mut Cx<'_>, _: &ops::Lookup) -> Form {
    let (keys, values, default) = (constant(cx, 1)?, constant(cx, 2)?, constant(cx, 3)?);
    let (key, value) = (label(keys.dtype())?, label(values.dtype())?);
    let attributes = vec![
        table("keys_tensor", keys, key, &[keys.elements()])?,
        table("values_tensor", values, value, &[values.elements()])?,
        table("default_tensor", default, value, &[1])?,
    ];
    let x = cx.input(0);
    let x = cx.cast_from(&x, keys.dtype(), key);
    cx.result_of(DOMAIN, 4, value, "LabelEncoder", &[x], attributes)
}

/// Keys of maps, in the attribute of their type.
fn map_keys(keys: &Tensor, names: &str, numbers: &str) -> Result<AttributeProto, NoForm> {
    match keys.to_elements() {
        Elements::String(keys) => Ok(byte_texts(names, &keys)),
        Elements::Int(keys) => {
            let keys: Option<Vec<i64>> = keys.into_iter().map(|key| i64::try_from(key).ok()).collect();
            keys.map(|keys| ints(numbers, keys)).ok_or_else(|| NoForm::new("a key is no i64"))
        }
        Elements::Float(_) | Elements::Bool(_) | Elements::Complex(_) => {
            Err(NoForm::new(format!("maps have no keys of {}", keys.dtype())))
        }
    }
}

/// To f32; the type of the maps says what their keys are.
pub(super) fn zip_map(cx: &mut Cx<'_>, _: &ops::ZipMap) -> Form {
    let (x, keys) = (cx.dtype(0)?, constant(cx, 1)?);
    if x != DType::F32 || !matches!(keys.dtype(), DType::I64 | DType::String) {
        return Err(NoForm::new(format!("ZipMap makes no maps from {} to {x}", keys.dtype())));
    }
    let keys = map_keys(keys, "classlabels_strings", "classlabels_int64s")?;
    let x = cx.input(0);
    cx.result_of(DOMAIN, 1, DType::F32, "ZipMap", &[x], vec![keys])
}

pub(super) fn dict_vectorize(cx: &mut Cx<'_>, _: &ops::DictVectorize) -> Form {
    let Type::Map(key, value) = cx.ty(0) else { return Err(NoForm::new("a map is expected")) };
    let taken = match (key, value.dtype()) {
        (DType::String, Some(DType::I64 | DType::F32 | DType::F64))
        | (DType::I64, Some(DType::String | DType::F32 | DType::F64)) => value.dtype(),
        _ => None,
    };
    let taken = taken.ok_or_else(|| NoForm::new(format!("DictVectorizer takes no {}", cx.ty(0))))?;
    let keys = map_keys(constant(cx, 1)?, "string_vocabulary", "int64_vocabulary")?;
    let map = cx.input(0);
    cx.result_of(DOMAIN, 1, taken, "DictVectorizer", &[map], vec![keys])
}
