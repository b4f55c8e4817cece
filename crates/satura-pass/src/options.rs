//! Options of one pass in pipeline text: `{limit=64, keep=[softmax, gelu], mode="fast"}`.

use satura_ir::split_top_level;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Values by key. A value is a number, `true` or `false`, a word or quoted string, or a list of these in brackets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(Map<String, Value>);

impl Options {
    /// Reads what stands between the braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut map = Map::new();
        for pair in split_top_level(text, ',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("expected `name=value`, found `{pair}`"))?;
            let key = key.trim();
            if key.is_empty() {
                return Err(format!("expected `name=value`, found `{pair}`"));
            }
            if map.insert(key.to_owned(), parse_value(value.trim())?).is_some() {
                return Err(format!("option `{key}` is given twice"));
            }
        }
        Ok(Options(map))
    }

    /// The options as a struct. The error names the key at fault.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(Value::Object(self.0.clone())).map_err(|error| error.to_string())
    }

    /// Whether no option is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn print(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    }
}

fn parse_value(text: &str) -> Result<Value, String> {
    if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return split_top_level(inside, ',')
            .into_iter()
            .map(parse_value)
            .collect::<Result<_, _>>()
            .map(Value::Array);
    }
    if text.is_empty() {
        return Err("a value is missing".to_owned());
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) if text.contains(['"', '[', ']', '{', '}']) => Err(format!("`{text}` is not a value")),
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}
