//! What a caller can choose, and what reading gives.

use satura_import::{Diagnostic, ImportError, Limits};
use satura_ir::{Graph, Type, ValueId};
use satura_tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Adds the gradients of a value (the second argument) by others (the third) to a graph and gives them, as values of the types of those others. Of a tensor, it is the sum of the
/// elements that is differentiated; the others count as independent of each other, whatever the graph computes them from. Differentiation is no reader's business, so the caller lends
/// it, as the facade does.
pub type Differentiate = fn(&mut Graph, ValueId, &[ValueId]) -> Result<Vec<ValueId>, Diagnostic>;

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
    /// Sizes of graph inputs, by name, outermost first: they take the place of declared sizes that are not constant.
    pub input_sizes: BTreeMap<String, Vec<usize>>,
    /// Where a declared type contradicts the inferred one, go on with a warning and the inferred type.
    pub ignore_declared_types: bool,
    /// What derives the gradients that a model asks for (`Gradient` of `ai.onnx.preview.training`); without it, such a model is not supported.
    pub differentiate: Option<Differentiate>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            map_files: true,
            allow_hard_links: false,
            fixed_inputs: BTreeMap::new(),
            input_sizes: BTreeMap::new(),
            ignore_declared_types: false,
            differentiate: None,
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
    /// The files of external data that weights lie in, by every name that was followed to them. They may be mapped, so they must stay as they are.
    pub data_files: Vec<PathBuf>,
}

/// A model that cannot be converted before the values or the sizes of some inputs are known: axes, shapes or counts are computed from them.
#[derive(Clone, Debug)]
pub struct OpenModel {
    /// Name and declared type of every input that is not fixed, in order.
    pub inputs: Vec<(String, Type)>,
    /// The inputs whose values would help, as candidates for [`Options::fixed_inputs`]. More may turn up when these are fixed.
    pub values: BTreeSet<String>,
    /// Whether [`Options::input_sizes`] can say more than the file does.
    pub sizes: bool,
    /// Why the model cannot be converted as it is.
    pub error: ImportError,
    /// What [`Imported`] says of the file.
    pub ir_version: i64,
    /// The same.
    pub opsets: Vec<(String, i64)>,
    /// The same.
    pub producer: String,
}

/// What reading gives when a model that needs values of inputs is no failure.
#[derive(Clone, Debug)]
pub enum Reading {
    /// The whole model.
    Whole(Box<Imported>),
    /// A model that needs values or sizes of inputs.
    Open(Box<OpenModel>),
}
