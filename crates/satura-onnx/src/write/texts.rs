//! Texts, images, and tables of labels.

use super::attribute::{flag, int, tensor, text, texts};
use super::cx::{Cx, Form, NoForm, count};
use super::writer::{Constant, inline};
use crate::proto::AttributeProto;
use satura_ir::ops::{self, CaseChange, PixelFormat};
use satura_tensor::DType;

pub(super) fn concat(cx: &mut Cx<'_>, _: &ops::StringConcat) -> Form {
    cx.need("StringConcat", 20)?;
    let inputs = cx.inputs();
    cx.result("StringConcat", &inputs, Vec::new())
}

pub(super) fn split(cx: &mut Cx<'_>, op: &ops::StringSplit) -> Form {
    cx.need("StringSplit", 20)?;
    let x = cx.input(0);
    let delimiter = op.delimiter.as_deref().map(|delimiter| text("delimiter", delimiter));
    let limit = op.limit.map(|limit| int("maxsplit", count(limit)));
    cx.result("StringSplit", &[x], delimiter.into_iter().chain(limit).collect())
}

pub(super) fn regex(cx: &mut Cx<'_>, op: &ops::RegexMatch) -> Form {
    cx.need("RegexFullMatch", 20)?;
    let x = cx.input(0);
    cx.result("RegexFullMatch", &[x], vec![text("pattern", &op.pattern)])
}

pub(super) fn normalize(cx: &mut Cx<'_>, op: &ops::StringNormalize) -> Form {
    let case = match op.case {
        CaseChange::None => "NONE",
        CaseChange::Lower => "LOWER",
        CaseChange::Upper => "UPPER",
    };
    let mut attributes = vec![text("case_change_action", case), flag("is_case_sensitive", op.case_sensitive)];
    if !op.stop_words.is_empty() {
        attributes.push(texts("stopwords", op.stop_words.iter().map(String::as_str)));
    }
    let x = cx.input(0);
    cx.result("StringNormalizer", &[x], attributes)
}

pub(super) fn decode_image(cx: &mut Cx<'_>, op: &ops::DecodeImage) -> Form {
    cx.need("ImageDecoder", 20)?;
    let format = match op.format {
        PixelFormat::Rgb => "RGB",
        PixelFormat::Bgr => "BGR",
        PixelFormat::Grayscale => "Grayscale",
    };
    let x = cx.input(0);
    cx.result("ImageDecoder", &[x], vec![text("pixel_format", format)])
}

/// Keys, values and the default as tensors, which version 4 of the operator has.
pub(super) fn lookup(cx: &mut Cx<'_>, _: &ops::Lookup) -> Form {
    const TYPES: [DType; 6] = [DType::String, DType::I64, DType::F32, DType::F64, DType::I32, DType::I16];
    for i in [0, 2] {
        let dtype = cx.dtype(i)?;
        if !TYPES.contains(&dtype) {
            return Err(NoForm::new(format!("LabelEncoder takes no {dtype}")));
        }
    }
    let table = |cx: &Cx<'_>, i: usize, name: &'static str, one: bool| -> Result<AttributeProto, NoForm> {
        let found =
            cx.tensor(i).ok_or_else(|| NoForm::new(format!("input {i} of a LabelEncoder is no constant")))?;
        let shaped = if one { found.reshaped(&[1]) } else { Some(found.clone()) };
        let value = shaped.ok_or_else(|| NoForm::new("the default of a LabelEncoder is one value"))?;
        Ok(tensor(name, inline(&Constant { name: name.into(), tensor: value })))
    };
    let attributes = vec![
        table(cx, 1, "keys_tensor", false)?,
        table(cx, 2, "values_tensor", false)?,
        table(cx, 3, "default_tensor", true)?,
    ];
    let x = cx.input(0);
    cx.result_of("ai.onnx.ml", 4, "LabelEncoder", &[x], attributes)
}
