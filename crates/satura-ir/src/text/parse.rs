//! Text to graph.

use super::lex::{balanced_len, split_top_level, unquote};
use super::tensor::ConstStore;
use crate::attr::{AttrText, AttrValue};
use crate::{Graph, Module, Op, OpErrorKind, OpRegistry, Type, ValueId, infer};
use satura_tensor::{DType, Shape};
use std::collections::BTreeMap;
use std::fmt;

/// Why a text is not a module: a message and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// How deep regions and types may nest.
const MAX_DEPTH: usize = 32;

/// Parses every graph of a text. Constants by hash come from `store`, ops that the op list lacks from `registry`. Types are inferred
/// where the text leaves them out, and must agree with it where it gives them.
pub fn parse_module(text: &str, store: &ConstStore, registry: &OpRegistry) -> Result<Module, ParseError> {
    let mut parser = Parser { text, at: 0, store, registry, depth: 0 };
    let mut module = Module::default();
    loop {
        parser.space();
        if parser.at == text.len() {
            return Ok(module);
        }
        parser.keyword("graph")?;
        let name = parser.name('@')?;
        module.graphs.push(parser.body(&name)?);
    }
}

/// Parses one type.
pub(crate) fn parse_type(text: &str, store: &ConstStore) -> Result<Type, String> {
    let registry = OpRegistry::default();
    let mut parser = Parser { text, at: 0, store, registry: &registry, depth: 0 };
    let ty = parser.ty().map_err(|error| error.message)?;
    parser.space();
    if parser.at == text.len() { Ok(ty) } else { Err("expected one type".to_owned()) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    store: &'a ConstStore,
    registry: &'a OpRegistry,
    depth: usize,
}

type Names = BTreeMap<String, ValueId>;

impl<'a> Parser<'a> {
    fn error_at<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ParseError> {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Err(ParseError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        })
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        self.error_at(self.at, message)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space and comments.
    fn space(&mut self) {
        loop {
            let trimmed = self.rest().trim_start();
            self.at = self.text.len() - trimmed.len();
            if !trimmed.starts_with(';') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), ParseError> {
        if self.eat(token) { Ok(()) } else { self.error(format!("expected `{token}`")) }
    }

    fn word(&mut self) -> &'a str {
        self.space();
        let rest = self.rest();
        let len =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn keyword(&mut self, word: &str) -> Result<(), ParseError> {
        self.space();
        let at = self.at;
        if self.word() == word { Ok(()) } else { self.error_at(at, format!("expected `{word}`")) }
    }

    /// A name after a sigil: a word or a quoted string.
    fn name(&mut self, sigil: char) -> Result<String, ParseError> {
        self.expect(sigil.encode_utf8(&mut [0; 4]))?;
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        match self.word() {
            "" => self.error("expected a name"),
            word => Ok(word.to_owned()),
        }
    }

    /// A value's name: the key it is known by in this text, and the name it keeps, which a bare number is not.
    fn value_name(&mut self) -> Result<(String, Option<String>), ParseError> {
        self.space();
        let start = self.at;
        let name = self.name('%')?;
        let key = self.text[start + 1..self.at].to_owned();
        let kept = (key.starts_with('"') || !key.chars().all(|c| c.is_ascii_digit())).then_some(name);
        Ok((key, kept))
    }

    /// Whether names of values and a `=` follow.
    fn at_statement(&mut self) -> bool {
        let start = self.at;
        let mut named = self.value_name().is_ok();
        while named && self.eat(",") {
            named = self.value_name().is_ok();
        }
        let found = named && self.eat("=");
        self.at = start;
        found
    }

    fn quoted(&mut self) -> Result<String, ParseError> {
        self.space();
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        match end.and_then(|(end, _)| unquote(&rest[..=end]).map(|s| (s, end + 1))) {
            Some((string, len)) => {
                self.at += len;
                Ok(string)
            }
            None => self.error("expected a quoted string"),
        }
    }

    /// The raw text up to one of `ends` outside brackets and quotes.
    fn raw(&mut self, ends: &[char]) -> Result<&'a str, ParseError> {
        self.space();
        match balanced_len(self.rest(), ends) {
            Some(len) => {
                let raw = self.rest()[..len].trim();
                self.at += len;
                Ok(raw)
            }
            None => self.error("unbalanced brackets or quotes"),
        }
    }

    fn ty(&mut self) -> Result<Type, ParseError> {
        self.space();
        let at = self.at;
        let word = self.word();
        if matches!(word, "seq" | "opt" | "map") {
            self.expect("(")?;
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return self.error_at(at, "the type nests too deep");
            }
            let ty = match word {
                "seq" => Type::Sequence(Box::new(self.ty()?)),
                "opt" => Type::Optional(Box::new(self.ty()?)),
                _ => {
                    let key = self.word();
                    let Some(key) = DType::from_name(key) else { return self.error("expected a dtype") };
                    self.expect(",")?;
                    Type::Map(key, Box::new(self.ty()?))
                }
            };
            self.depth -= 1;
            self.expect(")")?;
            return Ok(ty);
        }
        let Some(dtype) = DType::from_name(word) else {
            return self.error_at(at, format!("expected a type, found `{word}`"));
        };
        if self.eat("[*]") {
            return Ok(Type::unranked(dtype));
        }
        self.expect("[")?;
        let inside = self.raw(&[']'])?;
        self.expect("]")?;
        match Shape::parse(&format!("[{inside}]"), self.store) {
            Ok(shape) => Ok(Type::tensor(dtype, shape)),
            Err(error) => self.error_at(at, error),
        }
    }

    fn body(&mut self, name: &str) -> Result<Graph, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("regions nest too deep");
        }
        let mut graph = Graph::new(name);
        let mut names = Names::new();
        self.expect("(")?;
        while !self.eat(")") {
            let at = self.at;
            let (key, name) = self.value_name()?;
            self.expect(":")?;
            let ty = self.ty()?;
            let id = graph.add_input(name.as_deref().unwrap_or(&key), ty);
            if names.insert(key.clone(), id).is_some() {
                return self.error_at(at, format!("%{key} is defined twice"));
            }
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        self.expect("{")?;
        loop {
            self.space();
            if self.rest().starts_with('%') {
                self.statement(&mut graph, &mut names)?;
                continue;
            }
            self.keyword("return")?;
            self.returns(&mut graph, &names)?;
            self.expect("}")?;
            self.depth -= 1;
            return Ok(graph);
        }
    }

    fn value(&mut self, names: &Names) -> Result<ValueId, ParseError> {
        self.space();
        let at = self.at;
        let (key, _) = self.value_name()?;
        match names.get(&key) {
            Some(id) => Ok(*id),
            None => self.error_at(at, format!("%{key} is not defined here")),
        }
    }

    fn returns(&mut self, graph: &mut Graph, names: &Names) -> Result<(), ParseError> {
        loop {
            self.space();
            if !self.rest().starts_with('%') {
                return Ok(());
            }
            let start = self.at;
            let value = self.value(names)?;
            let own = self.text[start + 1..self.at].trim_matches('"').to_owned();
            self.space();
            let name = if self.rest().starts_with("as ") {
                self.at += 3;
                self.quoted()?
            } else {
                own
            };
            graph.add_output(&name, value);
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn statement(&mut self, graph: &mut Graph, names: &mut Names) -> Result<(), ParseError> {
        let start = self.at;
        let mut outputs = vec![self.value_name()?];
        while self.eat(",") {
            outputs.push(self.value_name()?);
        }
        self.expect("=")?;
        self.space();
        let op_at = self.at;
        let op = self.op()?;
        let mut inputs = Vec::new();
        self.space();
        // After an op without inputs, a value name starts the next statement.
        if self.rest().starts_with('%') && !self.at_statement() {
            inputs.push(self.value(names)?);
            while self.eat(",") {
                inputs.push(self.value(names)?);
            }
        }
        let mut regions = Vec::new();
        while self.eat("region") {
            let name = self.name('@')?;
            regions.push(self.body(&name)?);
        }
        let mut declared = Vec::new();
        if self.eat(":") {
            declared.push(self.ty()?);
            while self.eat(",") {
                declared.push(self.ty()?);
            }
        }
        let (mut types, known) = match infer::infer_node(graph, &op, &inputs, &regions) {
            Ok(inferred) => inferred,
            Err(error) if error.kind == OpErrorKind::Unknown && !declared.is_empty() => {
                (declared.clone(), None)
            }
            Err(error) => return self.error_at(op_at, format!("{}: {error}", op.name())),
        };
        if types.len() != outputs.len() {
            return self.error_at(
                start,
                format!("{} gives {} outputs, {} are named", op.name(), types.len(), outputs.len()),
            );
        }
        if !declared.is_empty() {
            if declared.len() != types.len() {
                return self.error_at(start, format!("{} types for {} outputs", declared.len(), types.len()));
            }
            for (ty, declared) in types.iter_mut().zip(declared) {
                if !ty.accepts(&declared) {
                    return self.error_at(op_at, format!("{} gives {ty}, not {declared}", op.name()));
                }
                if !ty.is_known() {
                    *ty = if ty.shape().is_some() { ty.refined_by(&declared) } else { declared };
                }
            }
        }
        let ids = graph.add_node_unchecked(op, inputs, regions, types, known);
        for ((key, name), id) in outputs.into_iter().zip(ids) {
            graph.value_mut(id).name = name.map(Into::into);
            if names.insert(key.clone(), id).is_some() {
                return self.error_at(start, format!("%{key} is defined twice"));
            }
        }
        Ok(())
    }

    fn op(&mut self) -> Result<Op, ParseError> {
        let at = self.at;
        let name = self.word();
        let mut pairs = Vec::new();
        if self.rest().starts_with('{') {
            self.at += 1;
            let inside = self.raw(&['}'])?;
            self.expect("}")?;
            for pair in split_top_level(inside, ',') {
                match pair.split_once('=') {
                    Some((key, value)) => pairs.push((key.trim().to_owned(), value.trim().to_owned())),
                    None => {
                        return self.error_at(at, format!("{name}: expected `name=value`, found `{pair}`"));
                    }
                }
            }
        }
        let attrs = || AttrText::new(pairs.clone());
        let parsed = attrs().and_then(|a| {
            Op::parse(name, a, self.store)
                .or_else(|| self.registry.parse(name, attrs().ok()?, self.store).map(|r| r.map(Op::Custom)))
                .unwrap_or_else(|| Err("no such op".to_owned()))
        });
        match parsed {
            Ok(op) => Ok(op),
            Err(error) => self.error_at(at, format!("{name}: {error}")),
        }
    }
}
