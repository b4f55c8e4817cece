//! What a caller can choose, and what reading gives.

use satura_import::{Diagnostic, Limits};
use satura_ir::Graph;
use satura_tensor::Tensor;
use std::collections::BTreeMap;

/// How a model is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bounds on what the file may ask for.
    pub limits: Limits,
    /// Map large files into memory instead of reading them. Nothing else may then shorten or change the files while the model is in use; turn this off
    /// where that cannot be promised.
    pub map_files: bool,
    /// Accept external data files that have more than one hard link. Such a file may be one from outside the model's folder.
    pub allow_hard_links: bool,
    /// Graph inputs to be read as constants, by name: for models that compute axes or shapes from what is the same in every run.
    pub fixed_inputs: BTreeMap<String, Tensor>,
    /// Where a declared type contradicts the inferred one, go on with a warning and the inferred type.
    pub ignore_declared_types: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            map_files: true,
            allow_hard_links: false,
            fixed_inputs: BTreeMap::new(),
            ignore_declared_types: false,
        }
    }
}

/// A model that was read.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The main graph, verified. Functions are inlined; subgraphs are regions.
    pub graph: Graph,
    /// What was odd about the model.
    pub warnings: Vec<Diagnostic>,
    /// The version of the file format.
    pub ir_version: i64,
    /// The operator sets the model imports: domain (empty for the standard one) and version.
    pub opsets: Vec<(String, i64)>,
    /// The program that wrote the file, with its version; empty if it does not say.
    pub producer: String,
}
