//! Texts and images.

use super::attribute::{flag, int, text, texts};
use super::cx::{Cx, Form, count};
use satura_ir::ops::{self, CaseChange, PixelFormat};

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
