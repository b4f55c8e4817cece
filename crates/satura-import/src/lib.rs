//! What every model reader shares, whatever the format:
//!
//! - [`Limits`] bound what a file may ask for;
//! - [`Diagnostic`] says what is wrong, where ([`Place`]) and what to do, under a stable [`Code`]; [`Collector`] gathers them, so that one run shows
//!   every problem of a model and every unsupported op; [`ImportError`] is the outcome when any of them is an error;
//! - [`Attributes`] reads the attributes of a node and reports wrong types, missing ones and ones that nothing read;
//! - [`ConverterTable`] finds the converter of an op by domain, name and version;
//! - [`Symbols`] names unknown extents.
//!
//! Invariants: this crate knows no file format and prints nothing. Text that came from a file is shown escaped ([`escape`]).

mod attributes;
mod code;
mod collector;
mod diagnostic;
mod escape;
mod limits;
mod symbols;
mod table;

pub use attributes::{AttrValue, Attributes};
pub use code::Code;
pub use collector::Collector;
pub use diagnostic::{Diagnostic, ImportError, NodePlace, Place, Severity};
pub use escape::escape;
pub use limits::Limits;
pub use symbols::Symbols;
pub use table::{Converter, ConverterTable, Lookup};
