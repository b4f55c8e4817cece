//! Gathering diagnostics, so that one run shows all of them.

use crate::{Code, Diagnostic, ImportError, NodePlace, Place, Severity, escape};
use std::collections::BTreeMap;

/// How many nodes are named for each unsupported op.
const NAMED: usize = 5;

#[derive(Clone, Debug)]
struct Missing {
    nodes: usize,
    names: Vec<String>,
    reason: String,
}

/// Gathers diagnostics up to a number of errors. Unsupported ops are grouped: one diagnostic an op, with a count and some names.
#[derive(Clone, Debug)]
pub struct Collector {
    limit: usize,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    missing: BTreeMap<String, Missing>,
}

impl Collector {
    /// A collector that keeps `limit` errors and as many warnings.
    pub fn new(limit: usize) -> Self {
        Collector { limit, diagnostics: Vec::new(), errors: 0, missing: BTreeMap::new() }
    }

    /// Adds a diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let same = self.diagnostics.iter().filter(|d| d.severity == diagnostic.severity).count();
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        if same < self.limit {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Notes a node whose op has no converter. `op` is how the op is shown, with its domain; `reason` says more, such as the versions that are supported.
    pub fn unsupported(&mut self, op: &str, node: &str, reason: &str) {
        let entry = self.missing.entry(op.to_owned()).or_insert_with(|| Missing {
            nodes: 0,
            names: Vec::new(),
            reason: reason.to_owned(),
        });
        entry.nodes += 1;
        if entry.names.len() < NAMED {
            entry.names.push(format!("\"{}\"", escape(node)));
        }
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0 || !self.missing.is_empty()
    }

    /// Whether there are so many errors that reading on is of no use.
    pub fn is_full(&self) -> bool {
        self.errors >= self.limit
    }

    /// The warnings, or the error if there is one. Unsupported ops come first, then other errors, then warnings.
    pub fn finish(self) -> Result<Vec<Diagnostic>, ImportError> {
        let failed = self.has_errors();
        let kept = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        let mut all: Vec<Diagnostic> =
            self.missing.into_iter().map(|(op, missing)| missing.diagnostic(&op)).collect();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            self.diagnostics.into_iter().partition(|d| d.severity == Severity::Error);
        all.extend(errors);
        all.extend(warnings);
        if failed { Err(ImportError { diagnostics: all, more: self.errors - kept }) } else { Ok(all) }
    }
}

impl Missing {
    fn diagnostic(self, op: &str) -> Diagnostic {
        let nodes = if self.nodes == 1 { "node" } else { "nodes" };
        let dots = if self.nodes > self.names.len() { ", ..." } else { "" };
        let message = format!(
            "op {} is not supported ({} {nodes}: {}{dots}); {}",
            escape(op),
            self.nodes,
            self.names.join(", "),
            self.reason
        );
        Diagnostic {
            place: Place {
                node: (self.nodes == 1).then(|| NodePlace {
                    op: op.to_owned(),
                    name: self.names[0].trim_matches('"').to_owned(),
                }),
                ..Place::default()
            },
            ..Diagnostic::error(Code::UnsupportedOp, message)
        }
        .help("export the model without this op, or add a converter for it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_ops_are_grouped_and_errors_bounded() {
        let mut collector = Collector::new(2);
        for i in 0..7 {
            collector.unsupported("Foo", &format!("n{i}"), "unknown op");
        }
        for _ in 0..5 {
            collector.push(Diagnostic::error(Code::Shape, "s"));
        }
        collector.push(Diagnostic::warning(Code::Ignored, "w"));
        assert!(collector.is_full());
        let error = collector.finish().expect_err("has errors");
        assert_eq!(error.code(), Some(Code::UnsupportedOp));
        assert!(error.diagnostics[0].message.contains("7 nodes: \"n0\""), "{error}");
        assert_eq!((error.diagnostics.len(), error.more), (4, 3));
    }
}
