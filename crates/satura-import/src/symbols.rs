//! Names for unknown extents.

use satura_tensor::{Dim, parse_dim};
use std::collections::HashSet;

/// A longer text is a name, not an expression: multiplying out a long product would grow without bound.
const LONGEST_EXPRESSION: usize = 64;

/// Names unknown extents: what a model calls them, and new names where it does not.
#[derive(Debug, Default)]
pub struct Symbols {
    taken: HashSet<String>,
}

impl Symbols {
    /// No names yet.
    pub fn new() -> Self {
        Symbols::default()
    }

    /// The extent that a model calls `text`: an expression where it reads as one (`N + 1`), else a symbol of that name. Extents of one text are one unknown.
    /// `None` where the text names nothing: it is empty, a negative number, or has a `?` in it.
    pub fn named(&mut self, text: &str) -> Option<Dim> {
        let text = text.trim();
        if text.is_empty() || text == "?" {
            return None;
        }
        let parsed = if text.len() <= LONGEST_EXPRESSION { parse_dim(text).ok() } else { None };
        let dim = match parsed {
            Some(dim) if dim.as_const().is_some_and(|value| value < 0) || !dim.is_known() => return None,
            Some(dim) => dim,
            None => Dim::symbol(text),
        };
        let mut symbols = Vec::new();
        dim.collect_symbols(&mut symbols);
        self.taken.extend(symbols.iter().map(|s| s.name().to_owned()));
        Some(dim)
    }

    /// A new unknown for axis `axis` of the value `name`: `<name>_d<axis>`, with characters outside identifiers as `_`, and a number where that is taken.
    pub fn fresh(&mut self, name: &str, axis: usize) -> Dim {
        let mut base: String =
            name.chars().take(64).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !base.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            base.insert(0, '_');
        }
        base.push_str(&format!("_d{axis}"));
        let mut symbol = base.clone();
        let mut count = 1;
        while !self.taken.insert(symbol.clone()) {
            count += 1;
            symbol = format!("{base}_{count}");
        }
        Dim::symbol(&symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::Symbols;

    #[test]
    fn names_and_expressions() {
        let mut symbols = Symbols::new();
        let show = |d: Option<satura_tensor::Dim>| d.map(|d| d.to_string());
        assert_eq!(show(symbols.named("N + 1")).as_deref(), Some("N + 1"));
        assert_eq!(show(symbols.named("p2o.Dim.0")).as_deref(), Some("\"p2o.Dim.0\""));
        assert_eq!(show(symbols.named("-1")), None);
        assert_eq!(show(symbols.named("")), None);
        assert_eq!(show(symbols.named("x_d1")).as_deref(), Some("x_d1"));
        assert_eq!(symbols.fresh("x", 1).to_string(), "x_d1_2");
        assert_eq!(symbols.fresh("3:a", 0).to_string(), "_3_a_d0");
    }
}
