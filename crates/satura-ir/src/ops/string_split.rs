//! Texts cut into parts.

use super::support::bounded;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::op_struct! {
    /// Each text of `x: [..]` cut into parts. Two outputs: the parts `[.., K]`, K that of the text of most parts, filled up with empty texts; and how many parts each text has,
    /// i64 `[..]`. Strings.
    pub struct StringSplit {
        /// What stands between parts; it may stand at the ends, and twice in a row, around empty parts. `none`: any white space, also more than one character, and that at the ends is dropped.
        pub delimiter: Option<String>,
        /// At most so many cuts, from the start; what follows the last one stays whole. `none`: all.
        pub limit: Option<usize>,
    }
}

impl OpDef for StringSplit {
    const NAME: &'static str = "string_split";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn outputs(&self) -> usize {
        2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        if self.delimiter.as_ref().is_some_and(String::is_empty) {
            return Err(OpError::attribute("the delimiter is empty"));
        }
        match cx.dtype(0)? {
            DType::String => Ok(vec![DType::String, DType::I64]),
            other => Err(OpError::dtype(format!("texts are cut, not {other}"))),
        }
    }

    /// How many parts a text has depends on the data.
    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let counts = cx.shape(0)?;
        let parts = counts.iter().cloned().chain([Dim::unknown()]).collect();
        Ok(vec![parts, counts.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let Elements::String(texts) = inputs[0].to_elements() else {
            return Err(OpError::dtype("texts are cut"));
        };
        let parts: Vec<Vec<&[u8]>> = texts.iter().map(|text| self.parts(text)).collect();
        let most = parts.iter().map(Vec::len).max().unwrap_or(0);
        let mut shape = inputs[0].shape().to_vec();
        let counts = parts.iter().map(|parts| parts.len() as i64).collect();
        let counts = Tensor::from_vec(counts, &shape);
        shape.push(most);
        let shape = bounded(shape)?;
        let row = |parts: Vec<&[u8]>| {
            let missing = most - parts.len();
            let row: Vec<Box<[u8]>> =
                parts.into_iter().map(Box::from).chain((0..missing).map(|_| Box::default())).collect();
            row
        };
        Ok(vec![Tensor::from_strings(parts.into_iter().flat_map(row).collect(), &shape), counts])
    }
}

impl StringSplit {
    fn parts<'a>(&self, text: &'a [u8]) -> Vec<&'a [u8]> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let Some(delimiter) = &self.delimiter else { return words(text, limit) };
        let (mut parts, mut rest) = (Vec::new(), text);
        let delimiter = delimiter.as_bytes();
        while parts.len() < limit {
            let end = rest.windows(delimiter.len()).position(|window| window == delimiter);
            let Some(end) = end else { break };
            parts.push(&rest[..end]);
            rest = &rest[end + delimiter.len()..];
        }
        parts.push(rest);
        parts
    }
}

/// What stands between white space, `limit` parts; the rest is one more.
fn words(text: &[u8], limit: usize) -> Vec<&[u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    for (len, char) in chars(text) {
        match start {
            None if char.is_whitespace() => {}
            None if parts.len() == limit => {
                parts.push(without_spaces_at_the_end(&text[at..]));
                return parts;
            }
            None => start = Some(at),
            Some(from) if char.is_whitespace() => {
                parts.push(&text[from..at]);
                start = None;
            }
            Some(_) => {}
        }
        at += len;
    }
    parts.extend(start.map(|from| &text[from..]));
    parts
}

fn without_spaces_at_the_end(text: &[u8]) -> &[u8] {
    let (mut at, mut end) = (0, 0);
    for (len, char) in chars(text) {
        at += len;
        if !char.is_whitespace() {
            end = at;
        }
    }
    &text[..end]
}

/// Characters with their lengths in bytes; bytes that are not UTF-8 are characters that are not white space.
fn chars(text: &[u8]) -> impl Iterator<Item = (usize, char)> {
    text.utf8_chunks().flat_map(|chunk| {
        let invalid = chunk.invalid().len();
        let valid = chunk.valid().chars().map(|c| (c.len_utf8(), c));
        valid.chain((invalid > 0).then_some((invalid, char::REPLACEMENT_CHARACTER)))
    })
}
