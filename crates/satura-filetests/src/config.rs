//! What a run of the harness works with.

use satura_ir::{Executor, OpRegistry};
use satura_pass::{PassInfo, PassManager};
use std::sync::Mutex;

/// A back end that `run` files are checked on.
pub enum Device {
    /// It is there.
    Ready(Box<dyn Executor>),
    /// It is not: its name, and why.
    Absent(String, String),
}

/// What must be covered by some file, or the run fails.
#[derive(Clone, Debug, Default)]
pub struct Required {
    /// Ops by name: each must stand in a graph of a `run` file.
    pub ops: Vec<String>,
    /// Passes by name: each must be run by a `pass` file.
    pub passes: Vec<String>,
    /// Whether every command must have a file.
    pub commands: bool,
}

/// Passes, ops and devices of a run.
pub struct Config {
    /// The passes that files may name. The first ones are found first.
    pub passes: Vec<PassInfo>,
    /// The custom ops that graphs may use.
    pub registry: OpRegistry,
    /// The back ends, besides the reference evaluator.
    pub devices: Vec<Device>,
    /// What must be covered.
    pub required: Required,
}

impl Default for Config {
    /// Satura's own passes, no custom ops, every available back end, nothing required.
    fn default() -> Self {
        Config {
            passes: satura_opt::all().to_vec(),
            registry: OpRegistry::default(),
            devices: crate::available(),
            required: Required::default(),
        }
    }
}

impl Config {
    /// A manager of the passes, which also knows the pipelines of satura-opt by name.
    pub fn manager(&self) -> PassManager {
        satura_opt::manager(&self.passes)
    }
}

/// What was not checked, and why: printed at the end and counted.
#[derive(Debug, Default)]
pub struct Skips(Mutex<Vec<String>>);

impl Skips {
    /// Records a skip: what, and why.
    pub fn add(&self, what: &str, why: &str) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(format!("{what}: {why}"));
    }

    /// The skips so far, sorted.
    pub fn list(&self) -> Vec<String> {
        let mut list = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        list.sort();
        list
    }
}
