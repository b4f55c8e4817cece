//! Reads ONNX models into the Satura IR, and writes graphs as ONNX models.
//!
//! [`read_file`] maps the file, checks its wire format, decodes it (weights stay where they are in the mapping), and converts the graph: functions are
//! inlined, subgraphs become regions, old operator sets are adapted, so nothing later knows of them. Every unsupported op of a model is reported
//! in one error, beside whatever else is wrong.
//!
//! Invariants: nothing from the file is executed; nothing outside the model's folder is read; every length is checked before memory is taken; what
//! succeeds is verified. [`supported_ops`] lists what is converted, from the one table in `convert/mod.rs`.
//!
//! [`write_file`] does the reverse, at an operator set of choice: see [`WriteOptions`].
//!
//! ```no_run
//! let model = satura_onnx::read_file("model.onnx".as_ref(), &satura_onnx::Options::default())?;
//! println!("{}", satura_ir::print_graph(&model.graph));
//! # Ok::<(), satura_import::ImportError>(())
//! ```

mod builder;
mod convert;
mod datum;
mod emit;
mod external;
mod model;
mod node;
mod options;
mod order;
mod proto;
mod scan;
mod sha1;
mod sniff;
mod source;
mod tensor;
mod types;
mod write;

pub use datum::{read_datum, read_tensor_proto};
pub use model::{OPSETS, read_bytes, read_file, read_file_or_needs};
pub use options::{Differentiate, Imported, OpenModel, Options, Reading};
pub use write::{
    Refusal, Saved, WRITTEN_OPSETS, WriteError, WriteOptions, write_bytes, write_file, written_ops,
};

/// The ops that are converted: domain (empty for the standard one), op, first and last operator set version.
pub fn supported_ops() -> impl Iterator<Item = (&'static str, &'static str, i64, i64)> {
    convert::ONNX_OPS.iter().map(|row| (row.domain, row.op, row.since, row.until))
}
