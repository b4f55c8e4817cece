//! Writing graphs as ONNX models, at a chosen operator set.
//!
//! Each op has one function and one row in the table of `table.rs`. The function says the op in operators of the operator set that was asked for; an op
//! that the operator set cannot say is decomposed and written in parts. All ops that can be written in neither way are reported in one error.
//!
//! Invariants: names and order of inputs and outputs are kept; a name means one value in the whole file, subgraphs included; weights are written from where they
//! lie, without a copy; a file is there whole or not at all.

mod attribute;
mod cx;
mod dims;
mod encode;
mod error;
mod files;
mod lacking;
mod names;
mod table;
mod takes;
mod value_types;
mod writer;

mod activation;
mod contract;
mod control;
mod elementwise;
mod functions;
mod indexing;
mod labels;
mod movement;
mod norm;
mod random;
mod recurrent;
mod reduce;
mod resize;
mod sample;
mod scatter;
mod select;
mod sequence;
mod shapes;
mod texts;
mod trees;
mod window;

pub use error::{Refusal, WriteError};

use encode::Model;
use satura_ir::Graph;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The versions of the standard operator set that are written.
pub const WRITTEN_OPSETS: RangeInclusive<i64> = 13..=28;

/// How a model is written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The version of the standard operator set, one of [`WRITTEN_OPSETS`].
    pub opset: i64,
    /// Weights of this many bytes or more go to a file of their own beside the model. `None` keeps everything in one file as long as it stays below 2 GB, the most
    /// that the format can hold.
    pub external_threshold: Option<u64>,
    /// Say type and shape of every value, not of inputs and outputs only.
    pub value_info: bool,
    /// Files that must stay, such as [`Imported::data_files`](crate::Imported::data_files) of the graph: to write one of them is an error, whatever name leads to it.
    pub keep: Vec<PathBuf>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions { opset: 23, external_threshold: None, value_info: false, keep: Vec::new() }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The files, the model first.
    pub files: Vec<PathBuf>,
    /// The ops that the operator set cannot say and that were written in terms of others, with the number of such nodes. Their results may differ in the last bits.
    pub expanded: BTreeMap<String, usize>,
}

/// Writes a graph as one file, or as a model and its weights: `m.onnx` and `m.onnx.data` in the same folder.
///
/// Files that are there are replaced once the new ones are whole, and stay as they were if anything fails. The graph must be verified. Errors name every op that the operator
/// set cannot say.
pub fn write_file(graph: &Graph, path: &Path, options: &WriteOptions) -> Result<Saved, WriteError> {
    Model::build(graph, options)?.save(path, options)
}

/// The bytes of a model in one piece. `external_threshold` and `keep` are not used; a model of 2 GB or more is an error.
pub fn write_bytes(graph: &Graph, options: &WriteOptions) -> Result<Vec<u8>, WriteError> {
    Model::build(graph, options)?.to_bytes()
}

/// The ops of the intermediate representation that have a form of their own in ONNX; the others are written as their decomposition.
pub fn written_ops() -> impl Iterator<Item = &'static str> {
    table::WRITERS.iter().map(|row| row.op)
}
