//! The text form of a dimension expression, as [`Dim`]'s `Display` prints it.

use crate::Dim;
use std::fmt;

/// Why a text is not a dimension expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimParseError {
    /// Byte offset in the text.
    pub offset: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for DimParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {} of the dimension", self.expected, self.offset)
    }
}

impl std::error::Error for DimParseError {}

/// How deep parentheses and calls may nest.
const MAX_DEPTH: usize = 64;

/// Parses the whole of `text`, such as `2*N + floordiv(H - 1, 2) + 1`.
pub fn parse_dim(text: &str) -> Result<Dim, DimParseError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let dim = parser.sum()?;
    parser.space();
    if parser.at < text.len() { Err(parser.fail("the end")) } else { Ok(dim) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fail(&self, expected: &'static str) -> DimParseError {
        DimParseError { offset: self.at, expected }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: char) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len_utf8();
        }
        found
    }

    fn sum(&mut self) -> Result<Dim, DimParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail("less nesting"));
        }
        let mut sum = if self.eat('-') { -self.product()? } else { self.product()? };
        loop {
            if self.eat('+') {
                sum = sum + self.product()?;
            } else if self.eat('-') {
                sum = sum - self.product()?;
            } else {
                self.depth -= 1;
                return Ok(sum);
            }
        }
    }

    fn product(&mut self) -> Result<Dim, DimParseError> {
        let mut product = self.factor()?;
        while self.eat('*') {
            product = product * self.factor()?;
        }
        Ok(product)
    }

    fn factor(&mut self) -> Result<Dim, DimParseError> {
        self.space();
        let first = self.rest().chars().next().ok_or_else(|| self.fail("a number or a name"))?;
        if first == '(' {
            self.at += 1;
            let inner = self.sum()?;
            return if self.eat(')') { Ok(inner) } else { Err(self.fail("`)`")) };
        }
        if first == '?' {
            self.at += 1;
            return Ok(Dim::unknown());
        }
        if first.is_ascii_digit() {
            let len = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
            let value: i64 = self.rest()[..len].parse().map_err(|_| self.fail("a number below 2^63"))?;
            self.at += len;
            return Ok(Dim::from(value));
        }
        if first == '"' {
            let (name, len) = unescape(self.rest()).ok_or_else(|| self.fail("a closed quoted name"))?;
            self.at += len;
            return Ok(Dim::symbol(&name));
        }
        let len =
            self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest().len());
        if len == 0 {
            return Err(self.fail("a number or a name"));
        }
        let name = self.rest()[..len].to_owned();
        self.at += len;
        let call: Option<fn(&Dim, &Dim) -> Dim> = match name.as_str() {
            "floordiv" => Some(Dim::floor_div),
            "mod" => Some(Dim::modulo),
            "min" => Some(Dim::minimum),
            "max" => Some(Dim::maximum),
            _ => None,
        };
        let Some(call) = call else { return Ok(Dim::symbol(&name)) };
        if !self.eat('(') {
            return Err(self.fail("`(`"));
        }
        let a = self.sum()?;
        if !self.eat(',') {
            return Err(self.fail("`,`"));
        }
        let b = self.sum()?;
        if self.eat(')') { Ok(call(&a, &b)) } else { Err(self.fail("`)`")) }
    }
}

/// Reads a quoted string with Rust's escapes from the start of `text`: the string and the bytes it took.
fn unescape(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                '0' => out.push('\0'),
                'u' => {
                    let mut code = 0u32;
                    for (_, digit) in chars.by_ref() {
                        match digit {
                            '{' => {}
                            '}' => break,
                            _ => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
                        }
                    }
                    out.push(char::from_u32(code)?);
                }
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}
