//! The graph IR: typed SSA dataflow over tensors.
//!
//! - [`Graph`] holds [`Node`]s in an arena; every value has one producer, a [`Type`] and perhaps a name.
//! - [`Op`] is the closed list of operations (`ops! { .. }` in `ops/mod.rs`): primitives, which back ends implement, and composites,
//!   which decompose into primitives. [`Op::Custom`] carries a composite from outside this crate.
//! - [`Emit`] is how nodes are added, by builders, passes and decompositions alike; types and small integer values are inferred at once.
//! - [`verify()`] states the invariants; [`parse_module`] and [`print_graph`] are the text form; [`Reference`] is the definition of every op's result.
//!
//! Invariants: this crate knows no file format, no pass and no device. Evaluation of an op depends on its inputs and attributes only.

pub mod attr;
mod custom;
mod datum;
mod emit;
mod error;
mod eval;
mod exec;
mod graph;
mod infer;
mod inline;
mod legalize;
mod op;
pub mod ops;
mod text;
mod types;
mod verify;

pub use custom::{Custom, CustomOp, OpRegistry};
pub use datum::Datum;
pub use emit::Emit;
pub use error::{OpError, OpErrorKind};
pub use eval::{EvalCx, Reference, eval_by_decomposition, evaluate, evaluate_data};
pub use exec::{ExecError, Executor, Fallback, RunReport, Runnable};
pub use graph::{Def, Graph, Module, Node, NodeId, Output, Value, ValueId};
pub use infer::{InferCx, LIMIT_ELEMENTS, infer_graph, infer_node, infer_one, infer_op};
pub use legalize::legalize;
pub use op::{Algebra, Arity, Composite, OpDef};
pub use ops::{Op, PrimOp};
pub use text::{
    ConstStore, ParseError, parse_module, parse_tensor, print_graph, print_module, print_tensor,
    split_top_level,
};
pub use types::{SymTensor, TensorType, Type};
pub use verify::{VerifyError, verify};
