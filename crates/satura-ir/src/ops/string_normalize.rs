//! Texts without stop words, in one case.

use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor};

crate::attr_enum! {
    /// What becomes of the case of letters.
    pub enum CaseChange {
        /// It stays.
        None = "none",
        /// All become lower case.
        Lower = "lower",
        /// All become upper case.
        Upper = "upper",
    }
}

crate::op_struct! {
    /// The texts of `x: [C]` or `[1, C]` that are no stop words, in their order, with the case of letters changed by the mappings of Unicode that hold for all languages; one empty
    /// text where none is left. Strings of UTF-8, as far as letters have to be told apart.
    pub struct StringNormalize {
        /// What becomes of the case.
        pub case: CaseChange,
        /// Whether a stop word in another case is another word.
        pub case_sensitive: bool,
        /// The texts that are left out.
        pub stop_words: Vec<String>,
    }
}

impl OpDef for StringNormalize {
    const NAME: &'static str = "string_normalize";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        match cx.dtype(0)? {
            DType::String => Ok(vec![DType::String]),
            other => Err(OpError::dtype(format!("texts are expected, not {other}"))),
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let x = cx.shape(0)?;
        // How many texts are left depends on the data.
        let left = match &x[..] {
            [_] => vec![Dim::unknown()],
            [rows, _] if rows.as_const().is_none_or(|rows| rows == 1) => vec![Dim::from(1), Dim::unknown()],
            _ => return Err(wrong_shape(x)),
        };
        let all = self.stop_words.is_empty() && x.elements().is_positive();
        Ok(vec![if all { x.clone() } else { Shape(left) }])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let [x] = inputs else { return Err(OpError::arity("1 input expected")) };
        let Elements::String(texts) = x.to_elements() else {
            return Err(OpError::dtype("texts are expected"));
        };
        let stop_words =
            self.stop_words.iter().map(|word| self.key(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let mut left: Vec<Box<[u8]>> = Vec::new();
        for text in &texts {
            if !stop_words.is_empty() && stop_words.contains(&self.key(text)?) {
                continue;
            }
            left.push(change(text, self.case)?);
        }
        if left.is_empty() {
            left.push(Box::default());
        }
        let shape = match x.shape() {
            [_] => vec![left.len()],
            [1, _] => vec![1, left.len()],
            shape => return Err(wrong_shape(&Shape::of(shape))),
        };
        Ok(vec![Tensor::from_strings(left, &shape)])
    }
}

impl StringNormalize {
    /// A text as it compares with stop words.
    fn key(&self, text: &[u8]) -> Result<Box<[u8]>, OpError> {
        let case = match (self.case_sensitive, self.case) {
            (true, _) => CaseChange::None,
            (false, CaseChange::None) => CaseChange::Lower,
            (false, case) => case,
        };
        change(text, case)
    }
}

fn wrong_shape(shape: &Shape) -> OpError {
    OpError::shape(format!("texts must be a vector or one row, their shape is {shape}"))
}

fn change(text: &[u8], case: CaseChange) -> Result<Box<[u8]>, OpError> {
    let letters = || std::str::from_utf8(text).map_err(|_| OpError::value("a text is not UTF-8"));
    Ok(match case {
        CaseChange::None => text.into(),
        CaseChange::Lower => letters()?.to_lowercase().into_bytes().into(),
        CaseChange::Upper => letters()?.to_uppercase().into_bytes().into(),
    })
}
