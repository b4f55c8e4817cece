//! Matching texts against a regular expression.

use crate::{Arity, EvalCx, InferCx, OpDef, OpError};
use satura_tensor::{DType, Elements, Shape, Tensor};

crate::op_struct! {
    /// Whether the whole of each text matches a regular expression: strings to bools. What is not UTF-8 matches nothing but `\C`. Needs the cargo feature `regex` of this crate.
    pub struct RegexMatch {
        /// The expression, in the syntax of RE2.
        pub pattern: String,
    }
}

impl OpDef for RegexMatch {
    const NAME: &'static str = "regex_match";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        #[cfg(feature = "regex")]
        super::re2::compile(&self.pattern)?;
        match cx.dtype(0)? {
            DType::String => Ok(vec![DType::Bool]),
            other => Err(OpError::dtype(format!("texts are matched, not {other}"))),
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        Ok(vec![cx.shape(0)?.clone()])
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let Elements::String(texts) = inputs[0].to_elements() else {
            return Err(OpError::dtype("texts are matched"));
        };
        Ok(vec![Tensor::from_elements(DType::Bool, inputs[0].shape(), Elements::Bool(self.matches(&texts)?))])
    }
}

impl RegexMatch {
    #[cfg(not(feature = "regex"))]
    fn matches(&self, _: &[Box<[u8]>]) -> Result<Vec<bool>, OpError> {
        Err(OpError::unsupported("texts are matched only with the feature `regex` of satura-ir"))
    }

    #[cfg(feature = "regex")]
    fn matches(&self, texts: &[Box<[u8]>]) -> Result<Vec<bool>, OpError> {
        let regex = super::re2::compile(&self.pattern)?;
        Ok(texts.iter().map(|text| regex.is_match(text)).collect())
    }
}
