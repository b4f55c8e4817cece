//! Command-line flags: `--name value`, `--name=value` and bare `--name`.

use anyhow::{Result, bail};

/// The flags of one command. Each command takes what it knows; the rest is an error.
pub(crate) struct Flags(Vec<(String, Option<String>)>);

impl Flags {
    /// Splits arguments into flags. A word after a flag that is not a flag itself is its value.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut flags: Vec<(String, Option<String>)> = Vec::new();
        for arg in args {
            if let Some(flag) = arg.strip_prefix("--") {
                match flag.split_once('=') {
                    Some((name, value)) => flags.push((name.to_owned(), Some(value.to_owned()))),
                    None => flags.push((flag.to_owned(), None)),
                }
            } else {
                match flags.last_mut() {
                    Some((_, value @ None)) => *value = Some(arg),
                    _ => bail!("unexpected argument `{arg}`"),
                }
            }
        }
        Ok(Flags(flags))
    }

    /// The value of `--name`, if it is given.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Some(value)) => Ok(Some(value)),
            Some(None) => bail!("--{name} needs a value"),
        }
    }

    /// Whether `--name` is given, without a value.
    pub(crate) fn switch(&mut self, name: &str) -> Result<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(value)) => bail!("--{name} takes no value, `{value}` is given"),
        }
    }

    fn take(&mut self, name: &str) -> Option<Option<String>> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// The error for flags that the command does not know.
    pub(crate) fn finish(self) -> Result<()> {
        match self.0.first() {
            Some((name, _)) => bail!("unknown flag --{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    #[test]
    fn values_switches_and_leftovers() {
        let parse = |text: &str| Flags::parse(text.split_whitespace().map(str::to_owned));
        let mut flags = parse("--device cpu --bless --json=out.json").expect("well-formed");
        assert_eq!(flags.value("device").expect("has one").as_deref(), Some("cpu"));
        assert_eq!(flags.value("json").expect("has one").as_deref(), Some("out.json"));
        assert!(flags.switch("bless").expect("bare") && !flags.switch("bless").expect("taken"));
        assert!(flags.finish().is_ok());
        assert!(parse("stray").is_err());
        assert!(parse("--json").expect("well-formed").value("json").is_err());
        assert!(parse("--odd").expect("well-formed").finish().is_err());
    }
}
