//! Regular expressions in the syntax of RE2 (<https://github.com/google/re2/wiki/Syntax>).
//!
//! The crate `regex` has the same engine and nearly the same syntax. What RE2 writes or means otherwise is rewritten: `\d`, `\s`, `\w` and `\b` know ASCII only, a bracket
//! inside a class and a brace that counts nothing are plain characters, and there are `\C`, `\Q..\E` and octal numbers. Groups, classes and escapes that RE2 does not have are refused.

use crate::OpError;
use regex::bytes::Regex;
use std::fmt::Write;

/// The expression that matches whole texts only.
pub(super) fn compile(pattern: &str) -> Result<Regex, OpError> {
    let wrong = |error: &str| OpError::attribute(format!("the pattern is wrong: {error}"));
    let reader = Reader { chars: pattern.chars().collect(), at: 0 };
    let translated = reader.translate().map_err(|error| wrong(&error))?;
    // The crate shows the pattern with a mark below; the last line says what is wrong.
    let build = |pattern: &str| {
        Regex::new(pattern).map_err(|error| {
            let error = error.to_string();
            wrong(error.lines().last().unwrap_or_default().trim_start_matches("error: "))
        })
    };
    // Alone first: what closes a group that it did not open must not become right within one.
    build(&translated)?;
    build(&format!(r"\A(?:{translated})\z"))
}

/// The classes of one letter, without brackets.
const SHORT_CLASSES: &[(char, &str)] = &[('d', "0-9"), ('s', r"\t\n\x0c\r "), ('w', "0-9A-Za-z_")];

/// The names of `[:name:]`.
const NAMED_CLASSES: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek(0);
        self.at += 1;
        char
    }

    /// Everything up to `end`, which is consumed.
    fn until(&mut self, end: &str) -> Option<String> {
        let end: Vec<char> = end.chars().collect();
        let len = self.chars.get(self.at..)?.windows(end.len()).position(|window| window == end)?;
        let inside = self.chars[self.at..self.at + len].iter().collect();
        self.at += len + end.len();
        Some(inside)
    }

    fn translate(mut self) -> Result<String, String> {
        let mut out = String::new();
        while let Some(char) = self.next() {
            match char {
                '\\' => self.escape(&mut out)?,
                '[' => self.class(&mut out)?,
                '(' => self.group(&mut out)?,
                '{' if !self.counts() => out.push_str(r"\{"),
                _ => out.push(char),
            }
        }
        Ok(out)
    }

    /// Whether what follows an opening brace makes it a repetition: `n}`, `n,}` or `n,m}`.
    fn counts(&self) -> bool {
        let rest = &self.chars[self.at..];
        let Some(end) = rest.iter().position(|c| *c == '}') else { return false };
        let number = |digits: &[char]| !digits.is_empty() && digits.iter().all(char::is_ascii_digit);
        match rest[..end].iter().position(|c| *c == ',') {
            None => number(&rest[..end]),
            Some(comma) => number(&rest[..comma]) && (comma + 1 == end || number(&rest[comma + 1..end])),
        }
    }

    /// After an opening parenthesis.
    fn group(&mut self, out: &mut String) -> Result<(), String> {
        out.push('(');
        if self.peek(0) != Some('?') {
            return Ok(());
        }
        let named = self.peek(1) == Some('<') || (self.peek(1), self.peek(2)) == (Some('P'), Some('<'));
        let flags = self.chars[self.at + 1..].iter().take_while(|c| !matches!(c, ':' | ')'));
        if named || flags.clone().all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
            Ok(())
        } else {
            Err(format!("there is no group (?{}", flags.take(8).collect::<String>()))
        }
    }

    /// After a backslash outside a class.
    fn escape(&mut self, out: &mut String) -> Result<(), String> {
        match self.peek(0) {
            Some('Q') => {
                self.at += 1;
                let quoted = self.until(r"\E").unwrap_or_else(|| self.chars.drain(self.at..).collect());
                quoted.chars().for_each(|c| literal(out, c));
            }
            Some('C') => {
                self.at += 1;
                out.push_str("(?s-u:.)");
            }
            Some(c @ ('b' | 'B')) => {
                self.at += 1;
                let _ = write!(out, r"(?-u:\{c})");
            }
            Some(c @ ('A' | 'z')) => {
                self.at += 1;
                out.push('\\');
                out.push(c);
            }
            _ => {
                if !self.short_class(out)? {
                    let char = self.escaped()?;
                    literal(out, char);
                }
            }
        }
        Ok(())
    }

    /// A class after a backslash, if there is one: `\d`, `\pN`, `\p{Greek}` and their opposites.
    fn short_class(&mut self, out: &mut String) -> Result<bool, String> {
        let Some(letter) = self.peek(0) else { return Ok(false) };
        if let Some((_, class)) = SHORT_CLASSES.iter().find(|row| row.0 == letter.to_ascii_lowercase()) {
            self.at += 1;
            let not = if letter.is_ascii_uppercase() { "^" } else { "" };
            let _ = write!(out, "[{not}{class}]");
            return Ok(true);
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(false);
        }
        self.at += 1;
        let name = match self.next() {
            Some('{') => self.until("}").ok_or("a class without its closing brace")?,
            Some(name) => name.to_string(),
            None => return Err("a class without its name".to_owned()),
        };
        let (name, opposite) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (&name[..], false),
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("there is no class {name:?}"));
        }
        let letter = if (letter == 'P') == opposite { 'p' } else { 'P' };
        let _ = write!(out, r"\{letter}{{{name}}}");
        Ok(true)
    }

    /// The one character that an escape means; the backslash is consumed.
    fn escaped(&mut self) -> Result<char, String> {
        let char = self.next().ok_or("a backslash at the end")?;
        let octal = |c: Option<char>| c.and_then(|c| c.to_digit(8));
        match char {
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            'x' => {
                let digits = match self.next() {
                    Some('{') => self.until("}").ok_or("a number without its closing brace")?,
                    first => first.into_iter().chain(self.next()).collect(),
                };
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                code.ok_or_else(|| format!(r"\x{digits} is not a character"))
            }
            '0'..='7' if char == '0' || octal(self.peek(0)).is_some() => {
                let mut code = octal(Some(char)).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = octal(self.peek(0)) else { break };
                    code = code * 8 + digit;
                    self.at += 1;
                }
                char::from_u32(code).ok_or_else(|| format!("{code} is not a character"))
            }
            _ if char.is_ascii_alphanumeric() || !char.is_ascii() => {
                Err(format!(r"there is no escape \{char}"))
            }
            _ => Ok(char),
        }
    }

    /// After an opening bracket.
    fn class(&mut self, out: &mut String) -> Result<(), String> {
        out.push('[');
        if self.peek(0) == Some('^') {
            self.at += 1;
            out.push('^');
        }
        let mut first = true;
        loop {
            let char = self.next().ok_or("a class without its closing bracket")?;
            match char {
                ']' if !first => break,
                '[' if self.peek(0) == Some(':') && self.named_class(out)? => {}
                '\\' if self.short_class(out)? => {}
                _ => {
                    let low = if char == '\\' { self.escaped()? } else { char };
                    literal(out, low);
                    if self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']') {
                        self.at += 1;
                        out.push('-');
                        let high = match self.next() {
                            Some('\\') => self.escaped()?,
                            char => char.ok_or("a class without its closing bracket")?,
                        };
                        literal(out, high);
                    }
                }
            }
            first = false;
        }
        out.push(']');
        Ok(())
    }

    /// `[:name:]` after its bracket, if it is closed.
    fn named_class(&mut self, out: &mut String) -> Result<bool, String> {
        let start = self.at;
        self.at += 1;
        let Some(name) = self.until(":]") else {
            self.at = start;
            return Ok(false);
        };
        if !NAMED_CLASSES.contains(&name.trim_start_matches('^')) {
            return Err(format!("there is no class [:{name}:]"));
        }
        let _ = write!(out, "[:{name}:]");
        Ok(true)
    }
}

/// A character that stands for itself, inside a class and outside.
fn literal(out: &mut String, char: char) {
    let _ = write!(out, r"\x{{{:x}}}", u32::from(char));
}
