//! Texts: joined, cut, matched, and normalised.

use crate::node::{Converted, NodeCx, unsupported};
use satura_import::{Attributes, escape};
use satura_ir::ops::{self, CaseChange};

const CASES: &[(&str, CaseChange)] =
    &[("NONE", CaseChange::None), ("LOWER", CaseChange::Lower), ("UPPER", CaseChange::Upper)];

/// Languages in which letters change case by rules of their own.
const OWN_CASES: &[&str] = &["az", "lt", "tr"];

pub(super) fn regex_full_match(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let pattern = cx.attrs.string("pattern")?.ok_or_else(|| Attributes::<()>::missing("pattern"))?;
    cx.emit(ops::RegexMatch { pattern }, &[x])
}

pub(super) fn concat(cx: &mut NodeCx<'_>) -> Converted {
    let ([a, b], []) = cx.args()?;
    cx.emit(ops::StringConcat {}, &[a, b])
}

/// An empty delimiter is none, and a negative number of cuts is all of them.
pub(super) fn split(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let delimiter = cx.attrs.string("delimiter")?.filter(|d| !d.is_empty());
    let limit = cx.attrs.int("maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    cx.emit(ops::StringSplit { delimiter, limit }, &[x])
}

pub(super) fn normalize(cx: &mut NodeCx<'_>) -> Converted {
    let ([x], []) = cx.args()?;
    let case = cx.attrs.choice("case_change_action", CASES)?.unwrap_or(CaseChange::None);
    let case_sensitive = cx.attrs.flag("is_case_sensitive")?.unwrap_or(false);
    let stop_words = cx.attrs.strings("stopwords")?.unwrap_or_default();
    if let Some(locale) = cx.attrs.string("locale")? {
        let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default().to_ascii_lowercase();
        let compares = !case_sensitive && !stop_words.is_empty();
        if OWN_CASES.contains(&&language[..]) && (case != CaseChange::None || compares) {
            let message = format!("changing case by the rules of {} is not supported", escape(&locale));
            return Err(unsupported(message).at_attribute("locale"));
        }
    }
    cx.emit(ops::StringNormalize { case, case_sensitive, stop_words }, &[x])
}
