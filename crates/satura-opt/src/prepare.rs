//! From any graph to one that a back end compiles.

use crate::{all, manager};
use satura_ir::{Graph, Op, VerifyError, legalize};
use satura_pass::{PassError, RunConfig};
use satura_tensor::Bindings;
use std::fmt;

/// Why a graph cannot be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// The sizes do not fit the graph.
    Bind(Box<VerifyError>),
    /// A pass failed.
    Pass(PassError),
    /// A composite's decomposition failed.
    Legalize(Box<VerifyError>),
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrepareError::Bind(error) => write!(f, "with these sizes: {error}"),
            PrepareError::Pass(error) => error.fmt(f),
            PrepareError::Legalize(error) => write!(f, "decomposing: {error}"),
        }
    }
}

impl std::error::Error for PrepareError {}

/// Binds symbols, runs the default pipeline, decomposes every composite that the back end does not keep, and cleans up after that.
pub fn prepare(
    graph: &Graph,
    bindings: &Bindings,
    keeps: &dyn Fn(&Op) -> bool,
) -> Result<Graph, PrepareError> {
    let mut bound = graph.bind(bindings).map_err(|error| PrepareError::Bind(Box::new(error)))?;
    let manager = manager(all());
    let run = |text: &str, graph: &mut Graph| {
        let pipeline = manager.parse(text).expect("the pipelines of this crate name its own passes");
        manager.run(&pipeline, graph, &RunConfig::default()).map(|_| ()).map_err(PrepareError::Pass)
    };
    run("default", &mut bound)?;
    legalize(&mut bound, keeps).map_err(|error| PrepareError::Legalize(Box::new(error)))?;
    run("fold,identity,shape-chain,dedupe,dce", &mut bound)?;
    Ok(bound)
}
