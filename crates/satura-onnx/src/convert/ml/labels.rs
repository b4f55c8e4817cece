//! Labels and categories: looked up in tables, and to and from maps.

use super::features::wrong_type;
use super::texts;
use crate::emit::Emitted;
use crate::node::{Converted, NodeCx, bad_attribute};
use satura_import::{Attributes, Diagnostic};
use satura_ir::{ValueId, ops};
use satura_tensor::{DType, Tensor};

/// What stands for a text that is in no table.
const UNUSED: &[u8] = b"_Unused";

fn text(value: Vec<u8>) -> Tensor {
    Tensor::from_strings(vec![value.into()], &[])
}

/// `0, 1, ..` of that many.
fn numbering(count: usize) -> Result<Tensor, Diagnostic> {
    let count = i64::try_from(count).map_err(|_| bad_attribute("classes_strings", "too many classes"))?;
    Ok(Tensor::from_vec((0..count).collect::<Vec<i64>>(), &[usize::try_from(count).unwrap_or(0)]))
}

fn lookup(cx: &mut NodeCx<'_>, x: ValueId, keys: Tensor, values: Tensor, default: Tensor) -> Converted {
    let inputs = [x, cx.constant(keys)?, cx.constant(values)?, cx.constant(default)?];
    cx.emit(ops::Lookup {}, &inputs)
}

/// Strings of an attribute.
fn strings(values: Vec<Vec<u8>>) -> Tensor {
    let len = values.len();
    Tensor::from_strings(values.into_iter().map(Into::into).collect(), &[len])
}

/// Elements looked up in a table of keys and values.
pub(in crate::convert) fn label_encoder(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let default_int = cx.attrs.int("default_int64")?.unwrap_or(-1);
    let default_text = cx.attrs.bytes("default_string")?.unwrap_or_else(|| UNUSED.to_vec());
    if cx.version < 2 {
        let classes = cx.attrs.byte_strings("classes_strings")?;
        let classes = classes.ok_or_else(|| Attributes::<()>::missing("classes_strings"))?;
        let numbers = numbering(classes.len())?;
        return match cx.dtype(x)? {
            DType::String => lookup(cx, x, strings(classes), numbers, Tensor::scalar(default_int)),
            DType::I64 => lookup(cx, x, numbers, strings(classes), text(default_text)),
            other => Err(wrong_type("labels", other)),
        };
    }
    let default_float = cx.attrs.float("default_float")?.unwrap_or(-0.0);
    let default_tensor = if cx.version < 4 { None } else { cx.attrs.tensor("default_tensor")? };
    let keys = list(cx, "keys")?;
    let values = list(cx, "values")?;
    let default = match default_tensor {
        Some(tensor) => {
            let elements = tensor.elements();
            tensor
                .reshaped(&[])
                .ok_or_else(|| bad_attribute("default_tensor", format!("one element, not {elements}")))?
        }
        None => match values.dtype() {
            DType::String => text(default_text),
            dtype if dtype.is_float() => {
                let default = satura_tensor::cast(&Tensor::scalar(default_float), dtype);
                default.ok_or_else(|| wrong_type("labels", dtype))?
            }
            dtype => {
                let default = satura_tensor::cast(&Tensor::scalar(default_int), dtype);
                default.ok_or_else(|| wrong_type("labels", dtype))?
            }
        },
    };
    lookup(cx, x, keys, values, default)
}

/// The one list of that kind, in whichever type it is given.
fn list(cx: &mut NodeCx<'_>, kind: &str) -> Result<Tensor, Diagnostic> {
    let mut found: Vec<Tensor> = Vec::new();
    if cx.version >= 4
        && let Some(tensor) = cx.attrs.tensor(&format!("{kind}_tensor"))?
    {
        let elements = tensor.elements();
        found.extend(tensor.reshaped(&[elements]));
    }
    found.extend(cx.attrs.ints(&format!("{kind}_int64s"))?.map(|v| {
        let len = v.len();
        Tensor::from_vec(v, &[len])
    }));
    found.extend(cx.attrs.floats(&format!("{kind}_floats"))?.map(|v| {
        let len = v.len();
        Tensor::from_vec(v, &[len])
    }));
    found.extend(cx.attrs.byte_strings(&format!("{kind}_strings"))?.map(strings));
    match <[Tensor; 1]>::try_from(found) {
        Ok([list]) => Ok(list),
        Err(none) if none.is_empty() => Err(Attributes::<()>::missing(&format!("{kind}_tensor"))),
        Err(_) => Err(bad_attribute(&format!("{kind}_tensor"), format!("the {kind} are given twice"))),
    }
}

/// From names of categories to numbers, or back.
pub(in crate::convert) fn category_mapper(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let default_int = cx.attrs.int("default_int64")?.unwrap_or(-1);
    let default_text = cx.attrs.bytes("default_string")?.unwrap_or_else(|| UNUSED.to_vec());
    let names = cx.attrs.byte_strings("cats_strings")?;
    let names = strings(names.ok_or_else(|| Attributes::<()>::missing("cats_strings"))?);
    let numbers = cx.attrs.ints("cats_int64s")?.ok_or_else(|| Attributes::<()>::missing("cats_int64s"))?;
    let len = numbers.len();
    if len != names.elements() {
        return Err(bad_attribute("cats_int64s", format!("{len} numbers for {} names", names.elements())));
    }
    let numbers = Tensor::from_vec(numbers, &[len]);
    match cx.dtype(x)? {
        DType::String => lookup(cx, x, names, numbers, Tensor::scalar(default_int)),
        DType::I64 => lookup(cx, x, numbers, names, text(default_text)),
        other => Err(wrong_type("categories", other)),
    }
}

/// The keys of maps in two attributes, of which one is given.
fn keys(cx: &mut NodeCx<'_>, names: &str, numbers: &str) -> Emitted {
    match (cx.attrs.byte_strings(names)?, cx.attrs.ints(numbers)?) {
        (Some(names), None) => texts(cx, names),
        (None, Some(numbers)) => cx.vector(numbers),
        (None, None) => Err(Attributes::<()>::missing(names)),
        (Some(_), Some(_)) => Err(bad_attribute(numbers, "the keys are given twice")),
    }
}

/// A map as a row, in the order of a vocabulary.
pub(in crate::convert) fn dict_vectorizer(cx: &mut NodeCx<'_>) -> Converted {
    let ([map], []) = cx.args()?;
    let vocabulary = keys(cx, "string_vocabulary", "int64_vocabulary")?;
    cx.emit(ops::DictVectorize {}, &[map, vocabulary])
}

/// Rows as maps.
pub(in crate::convert) fn zip_map(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let keys = keys(cx, "classlabels_strings", "classlabels_int64s")?;
    cx.emit(ops::ZipMap {}, &[x, keys])
}
