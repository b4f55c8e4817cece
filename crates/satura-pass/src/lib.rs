//! Passes over graphs: what one is, how it changes a graph, and how several run in a row.
//!
//! - [`PassInfo`] describes a pass: its name, its [`Contract`] about numbers, its options. Lists of them are plain slices, so a crate outside adds its own.
//! - A *rule* reads the graph through a [`View`] and gives a [`Patch`]: new nodes and values to replace. Only the driver,
//!   [`PassCx::rewrite`], changes the graph.
//! - [`PassManager`] reads pipeline text such as `fold,decompose{keep=[softmax]}` and runs it, with statistics, dumps and bisection.
//!
//! Invariants: this crate knows no concrete pass, no file format and no device. After every pass the graph is verified; in debug builds
//! after every patch. The same graph and pipeline give the same result on every machine.
//!
//! ```
//! use satura_ir::{NodeId, Op, OpRegistry, ops};
//! use satura_pass::{Contract, PassInfo, PassManager, PassOptions, Patch, RunConfig, Skip, View};
//!
//! /// `relu(relu(x))` is `relu(x)`.
//! fn merge(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
//!     let node = g.node(n);
//!     let Op::Relu(_) = node.op else { return Err(Skip::NoMatch) };
//!     let (_, inner) = g.producer(node.inputs[0]).ok_or(Skip::NoMatch)?;
//!     let Op::Relu(_) = inner.op else { return Err(Skip::NoMatch) };
//!     let mut patch = g.patch(n);
//!     patch.replace(node.outputs[0], node.inputs[0]);
//!     Ok(patch.finish())
//! }
//!
//! const MERGE_RELU: PassInfo = PassInfo {
//!     name: "merge-relu",
//!     summary: "Removes a relu of a relu.",
//!     contract: Contract::Exact,
//!     options: PassOptions::NONE,
//!     run: |graph, cx| cx.rewrite(graph, "merge", &merge).map(|_| ()),
//! };
//!
//! let text = "graph @f(%x: f32[2]) { %0 = relu %x  %1 = relu %0  return %1 }";
//! let mut graph = satura_ir::parse_module(text, &Default::default(), &OpRegistry::default())?.graphs.remove(0);
//! let manager = PassManager::new(&[MERGE_RELU]);
//! let report = manager.run(&manager.parse("merge-relu")?, &mut graph, &RunConfig::default())?;
//! assert_eq!((report.passes[0].patches, graph.node_count()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cx;
mod editor;
mod error;
mod info;
mod manager;
mod options;
mod patch;

pub use cx::{PassCx, Rule, SkipCount};
pub use error::{PassError, PipelineError};
pub use info::{Contract, OptionHelp, PassInfo, PassOptions};
pub use manager::{PassManager, PassReport, Pipeline, Report, RunConfig, Step, VerifyLevel, count_nodes};
pub use options::Options;
pub use patch::{Patch, PatchBuilder, Skip, View};
