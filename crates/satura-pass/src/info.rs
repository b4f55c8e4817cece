//! What a pass says about itself.

use crate::{Options, PassCx, PassError};
use satura_ir::Graph;
use serde::de::DeserializeOwned;
use std::fmt;

/// What a pass promises about the numbers of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contract {
    /// The reference evaluator gives the same bits before and after (any NaN counts as the same NaN).
    Exact,
    /// The same real-valued function; floating-point rounding may differ.
    Rounding,
    /// Another function, close by a measure that the pass states.
    Lossy {
        /// The measure and its unit, such as `relative error of the outputs`.
        metric: &'static str,
    },
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contract::Exact => f.write_str("exact"),
            Contract::Rounding => f.write_str("rounding"),
            Contract::Lossy { metric } => write!(f, "lossy ({metric})"),
        }
    }
}

/// One option of a pass, for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionHelp {
    /// The key in the pipeline text.
    pub name: &'static str,
    /// What it does, its unit and its default.
    pub summary: &'static str,
}

/// The options that a pass takes.
#[derive(Clone, Copy)]
pub struct PassOptions {
    /// One entry for each key.
    pub help: &'static [OptionHelp],
    check: fn(&Options) -> Result<(), String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

impl PassOptions {
    /// No options: any key is an error.
    pub const NONE: PassOptions = PassOptions::of::<NoOptions>(&[]);

    /// The fields of `T`, which should deny unknown fields and have a default for each.
    pub const fn of<T: DeserializeOwned>(help: &'static [OptionHelp]) -> Self {
        PassOptions { help, check: |options| options.read::<T>().map(|_| ()) }
    }

    pub(crate) fn check(&self, options: &Options) -> Result<(), String> {
        (self.check)(options)
    }
}

impl fmt::Debug for PassOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.help.fmt(f)
    }
}

/// A pass.
#[derive(Clone, Copy, Debug)]
pub struct PassInfo {
    /// The name in pipeline text: lower case, words joined by `-`.
    pub name: &'static str,
    /// One sentence on what it does.
    pub summary: &'static str,
    /// What it promises about numbers.
    pub contract: Contract,
    /// The options it takes.
    pub options: PassOptions,
    /// Changes the graph, through [`PassCx`].
    pub run: fn(&mut Graph, &mut PassCx<'_>) -> Result<(), PassError>,
}
