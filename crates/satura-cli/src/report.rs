//! Showing what went wrong: what, where, and what to do, on one screen.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use satura::Error;
use satura::import::{self, ImportError};
use std::fmt;
use std::io::{IsTerminal, Write};

/// Diagnostics of one kind that are shown; the rest is counted.
const SHOWN: usize = 6;
/// Characters of a message that are shown; a model chooses its names.
const MESSAGE_CHARS: usize = 600;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    diagnostics: Vec<Shown>,
    more: usize,
}

impl Failure {
    /// A failure without a place.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Failure { diagnostics: vec![Shown::new(code, message.into())], more: 0 }
    }

    /// The same with what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(first) = self.diagnostics.first_mut() {
            first.help = Some(help.into());
        }
        self
    }

    /// Prints it to standard error.
    pub(crate) fn show(&self) {
        let mut text = String::new();
        for diagnostic in self.diagnostics.iter().take(SHOWN) {
            text.push_str(&render(diagnostic));
        }
        let hidden = self.more + self.diagnostics.len().saturating_sub(SHOWN);
        if hidden > 0 {
            text.push_str(&format!("and {hidden} more errors\n"));
        }
        eprint(&text);
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Import(error) = &error {
            return Failure::of_import(error);
        }
        let mut lines = error.lines().into_iter();
        let mut shown = Shown::new(error.code(), lines.next().unwrap_or_else(|| error.to_string()));
        shown.help = error.help();
        if let Error::Text { path, error, text } = &error {
            let before: usize =
                text.split_inclusive('\n').take(error.line.saturating_sub(1)).map(str::len).sum();
            let line = text[before..].lines().next().unwrap_or_default();
            let at = line.char_indices().nth(error.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
            shown.message.clone_from(&error.message);
            shown.source = Some((NamedSource::new(path.display().to_string(), text.clone()), before + at));
        }
        let rest = lines.map(|line| Shown::new(error.code(), line));
        Failure { diagnostics: std::iter::once(shown).chain(rest).collect(), more: 0 }
    }
}

impl Failure {
    fn of_import(error: &ImportError) -> Self {
        let errors = error.diagnostics.iter().filter(|d| d.severity == import::Severity::Error);
        Failure { diagnostics: errors.map(Shown::of).collect(), more: error.more }
    }
}

/// Prints warnings to standard error.
pub(crate) fn warn(warnings: &[import::Diagnostic]) {
    let mut text: String = warnings.iter().take(SHOWN).map(|warning| render(&Shown::of(warning))).collect();
    if warnings.len() > SHOWN {
        text.push_str(&format!("and {} more warnings\n", warnings.len() - SHOWN));
    }
    eprint(&text);
}

/// Prints a line to standard error for the user's notice.
pub(crate) fn note(text: &str) {
    eprint(&format!("note: {text}\n"));
}

/// Prints to standard error. There is nobody to tell if that fails.
pub(crate) fn eprint(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A diagnostic as it is shown.
#[derive(Debug)]
struct Shown {
    severity: miette::Severity,
    code: String,
    message: String,
    help: Option<String>,
    source: Option<(NamedSource<String>, usize)>,
}

impl Shown {
    fn new(code: &str, message: String) -> Self {
        Shown { severity: miette::Severity::Error, code: code.to_owned(), message, help: None, source: None }
    }

    fn of(diagnostic: &import::Diagnostic) -> Self {
        let place = diagnostic.place.to_string();
        let separator = if place.is_empty() { "" } else { ": " };
        Shown {
            severity: match diagnostic.severity {
                import::Severity::Warning => miette::Severity::Warning,
                import::Severity::Error => miette::Severity::Error,
            },
            help: diagnostic.help.clone(),
            ..Shown::new(diagnostic.code.text(), format!("{place}{separator}{}", diagnostic.message))
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.char_indices().nth(MESSAGE_CHARS) {
            Some((at, _)) => write!(f, "{} ..", &self.message[..at]),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let severity = if self.severity == miette::Severity::Warning { "warning" } else { "error" };
        Some(Box::new(format!("{severity}[{}]", self.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|(source, _)| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, at) = self.source.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::at_offset(*at, "here"))))
    }
}

fn render(diagnostic: &Shown) -> String {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(110);
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(_) => format!("error[{}]: {diagnostic}\n", diagnostic.code),
    }
}
