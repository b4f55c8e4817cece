//! One test file: header, text, and the expected text at its end.

use satura_ir::{ConstStore, Module, OpRegistry, ParseError, parse_module, print_module};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A test file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name in reports: the path below the directory of the run.
    pub name: String,
    /// The whole text.
    pub text: String,
    header: toml::Table,
    /// Whether a wrong expectation is rewritten instead of reported.
    bless: bool,
}

/// The line after which the expected text stands, each line of it after `; `.
const EXPECT: &str = "; expect:";

impl TestFile {
    /// Reads a file.
    pub fn read(path: &Path, name: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        TestFile::new(path, name, text, blessing()?)
    }

    pub(crate) fn new(path: &Path, name: &str, text: String, bless: bool) -> Result<Self, String> {
        let header: String =
            text.lines().filter_map(|line| line.strip_prefix(";!")).collect::<Vec<_>>().join("\n");
        let header = header.parse().map_err(|error| format!("the header is not TOML: {error}"))?;
        Ok(TestFile { path: path.to_owned(), name: name.to_owned(), text, header, bless })
    }

    /// The command: the key `test`.
    pub fn command(&self) -> Result<&str, String> {
        match self.header.get("test") {
            Some(toml::Value::String(command)) => Ok(command),
            _ => Err("the header has no `test = \"command\"`".to_owned()),
        }
    }

    /// The keys of the header besides `test`. The struct should deny unknown fields.
    pub fn header<T: DeserializeOwned>(&self) -> Result<T, String> {
        let mut header = self.header.clone();
        header.remove("test");
        header.try_into().map_err(|error: toml::de::Error| format!("header: {}", error.message()))
    }

    /// The graphs, each printed, parsed and printed again with the same result.
    pub fn module(&self, registry: &OpRegistry) -> Result<Module, String> {
        let module = self.parse(registry).map_err(|error| error.to_string())?;
        check_fixpoint(&module, registry)?;
        Ok(module)
    }

    pub(crate) fn parse(&self, registry: &OpRegistry) -> Result<Module, ParseError> {
        parse_module(&self.text, &ConstStore::default(), registry)
    }

    /// Checks the text after `; expect:` against `actual`, or writes it there when blessing.
    pub fn check_expected(&self, actual: &str) -> Result<(), String> {
        let (before, expected) = match self.text.find(&format!("\n{EXPECT}\n")) {
            Some(at) => (&self.text[..at + 1], &self.text[at + EXPECT.len() + 2..]),
            None => (&self.text[..], ""),
        };
        let comment: String =
            actual.lines().map(|line| format!("; {line}").trim_end().to_owned() + "\n").collect();
        if comment == expected {
            return Ok(());
        }
        if self.bless {
            let text = format!("{}\n\n{EXPECT}\n{comment}", before.trim_end());
            return std::fs::write(&self.path, text)
                .map_err(|error| format!("{}: {error}", self.path.display()));
        }
        Err(format!("expected after `{EXPECT}`:\n{expected}got:\n{comment}SATURA_BLESS=1 rewrites it"))
    }

    /// Checks that the whole file is its header and comments at the top, then `actual`; or writes that when blessing.
    pub fn check_body(&self, actual: &str) -> Result<(), String> {
        let top: String = self
            .text
            .lines()
            .take_while(|line| line.starts_with(';') || line.is_empty())
            .map(|l| format!("{l}\n"))
            .collect();
        let body = &self.text[top.len().min(self.text.len())..];
        if body == actual {
            return Ok(());
        }
        if self.bless {
            let text = format!("{top}{actual}");
            return std::fs::write(&self.path, text)
                .map_err(|error| format!("{}: {error}", self.path.display()));
        }
        Err(format!("the file holds\n{body}and prints as\n{actual}SATURA_BLESS=1 rewrites it"))
    }
}

/// Whether expectations are rewritten; an error where that must not happen.
fn blessing() -> Result<bool, String> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match (set("SATURA_BLESS"), set("CI")) {
        (true, true) => Err("SATURA_BLESS is refused where CI is set".to_owned()),
        (bless, _) => Ok(bless),
    }
}

/// Checks that printing, parsing and printing again gives the same text, and parsing that the same graphs.
pub(crate) fn check_fixpoint(module: &Module, registry: &OpRegistry) -> Result<(), String> {
    let mut store = ConstStore::default();
    module.graphs.iter().for_each(|graph| store.insert_graph(graph));
    let first = print_module(module);
    let reparse = |text: &str| {
        parse_module(text, &store, registry)
            .map_err(|error| format!("the printed text does not parse: {error}\n{text}"))
    };
    let again = reparse(&first)?;
    let second = print_module(&again);
    if first != second {
        return Err(format!("printing is not a fixpoint; first\n{first}second\n{second}"));
    }
    if reparse(&second)? != again {
        return Err(format!("parsing the printed text twice gives two graphs:\n{second}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Header {
        seed: Option<u64>,
    }

    #[test]
    fn headers() {
        let file = |text: &str| TestFile::new(Path::new("x.sat"), "x.sat", text.to_owned(), false);
        let good = file(";! test = \"run\"\n;! seed = 3\n").expect("TOML");
        assert_eq!((good.command(), good.header::<Header>().map(|h| h.seed)), (Ok("run"), Ok(Some(3))));
        let unknown = file(";! test = \"run\"\n;! sed = 3\n").expect("TOML");
        assert!(unknown.header::<Header>().expect_err("unknown key").contains("sed"));
        assert!(file("graph @f() { return }").expect("no header").command().is_err());
        assert!(file(";! test =\n").is_err());
    }
}
