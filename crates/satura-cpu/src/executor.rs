//! The executor: compiles graphs, owns the arena, and runs the steps.

use crate::compile::{Compiled, Delivery, StorageKind, compile};
use crate::element::in_storage;
use crate::kernels::plain::{store, tensor_of};
use crate::layout::layout;
use crate::lower;
use crate::memory::{LINE, Line, Memory, Span, elements_of};
use rayon::ThreadPool;
use satura_ir::{ExecError, Executor, Graph, Op, RunReport, Runnable};
use satura_tensor::{DType, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// Runs graphs of constant shapes on the CPU. See the crate's documentation.
#[derive(Clone, Default)]
pub struct CpuExecutor {
    pool: Option<Arc<ThreadPool>>,
}

impl CpuExecutor {
    /// An executor on rayon's global threads: one for each core, unless `RAYON_NUM_THREADS` says otherwise.
    pub fn new() -> CpuExecutor {
        CpuExecutor { pool: None }
    }

    /// An executor with that many threads of its own; 0 means one for each core. The error is the operating system's, in words.
    pub fn with_threads(threads: usize) -> Result<CpuExecutor, ExecError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| ExecError::Device(format!("no threads: {error}")))?;
        Ok(CpuExecutor { pool: Some(Arc::new(pool)) })
    }

    fn threads(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, |pool| pool.current_num_threads())
    }
}

impl Executor for CpuExecutor {
    fn name(&self) -> String {
        "cpu".to_owned()
    }

    fn keeps(&self, op: &Op) -> bool {
        lower::keeps(op)
    }

    fn compile(&self, graph: &Graph) -> Result<Box<dyn Runnable>, ExecError> {
        Ok(Box::new(PooledRun { run: CpuRun::new(graph, self.threads())?, pool: self.pool.clone() }))
    }
}

struct PooledRun {
    run: CpuRun,
    pool: Option<Arc<ThreadPool>>,
}

impl Runnable for PooledRun {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
        let PooledRun { run, pool } = self;
        match pool {
            Some(pool) => pool.install(|| run.run_here(inputs)),
            // The steps run on one of the pool's threads, so that handing out work needs no waking of this one.
            None => rayon::scope(|_| run.run_here(inputs)),
        }
    }

    fn report(&self) -> RunReport {
        let compiled = &self.run.compiled;
        let constants: usize = compiled
            .storages
            .iter()
            .map(|s| match s {
                StorageKind::Constant(tensor) => 4 * tensor.elements(),
                StorageKind::Output(len) => 4 * len,
                StorageKind::Input(_) | StorageKind::Arena(_) => 0,
            })
            .sum();
        let peak_bytes = (constants + self.run.arena.len() * size_of::<Line>()) as u64;
        RunReport {
            kernels: compiled.steps.len(),
            peak_bytes,
            fallbacks: compiled.plain.clone(),
            ..RunReport::default()
        }
    }
}

/// A compiled graph with its memory.
pub(crate) struct CpuRun {
    graph: Graph,
    compiled: Compiled,
    offsets: Vec<Option<usize>>,
    arena: Vec<Line>,
    /// Constants that do not lie as aligned f32, by storage.
    converted: Vec<Option<Vec<f32>>>,
}

impl CpuRun {
    pub(crate) fn new(graph: &Graph, threads: usize) -> Result<CpuRun, ExecError> {
        let compiled = compile(graph, threads)?;
        let kept: Vec<_> = compiled
            .results
            .iter()
            .filter_map(|result| match result {
                Delivery::Take(storage, _) => Some(*storage),
                Delivery::Copy(view, _) => Some(view.storage),
                Delivery::Host(_) => None,
            })
            .collect();
        let layout = layout(&compiled.storages, &compiled.steps, &kept);
        let converted = compiled
            .storages
            .iter()
            .map(|kind| match kind {
                StorageKind::Constant(tensor)
                    if !matches!(tensor.as_slice::<f32>(), Some(Cow::Borrowed(_))) =>
                {
                    Some(converted(tensor))
                }
                StorageKind::Constant(_)
                | StorageKind::Input(_)
                | StorageKind::Arena(_)
                | StorageKind::Output(_) => None,
            })
            .collect();
        let arena = vec![Line([0.0; LINE]); layout.total.div_ceil(LINE)];
        Ok(CpuRun { graph: graph.clone(), compiled, offsets: layout.offsets, arena, converted })
    }

    /// The nodes that run through their own evaluation.
    pub(crate) fn plain(&self) -> &[satura_ir::Fallback] {
        &self.compiled.plain
    }

    /// Runs on the threads of the caller's pool.
    pub(crate) fn run_here(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
        ExecError::check_inputs(&self.graph, inputs)?;
        let CpuRun { graph, compiled, offsets, arena, converted: constants } = self;
        for (slot, tensor) in compiled.host_inputs.iter().zip(inputs) {
            if let Some(id) = slot {
                compiled.host[id.0] = Some(tensor.clone());
            }
        }
        // What the spans point into lives until the end of this function.
        let own: Vec<Option<Vec<f32>>> = inputs.iter().map(unaligned).collect();
        let mut outputs: Vec<Vec<f32>> = Vec::new();
        let arena = Span::of_mut(elements_of(arena));
        let mut spans = Vec::with_capacity(compiled.storages.len());
        for (i, kind) in compiled.storages.iter().enumerate() {
            spans.push(match kind {
                StorageKind::Constant(tensor) => match &constants[i] {
                    Some(copy) => Span::of(copy),
                    None => borrowed(tensor)?,
                },
                StorageKind::Input(at) => match &own[*at] {
                    Some(copy) => Span::of(copy),
                    None => borrowed(&inputs[*at])?,
                },
                StorageKind::Arena(len) => match offsets[i] {
                    Some(at) => arena.part(at, *len),
                    None => Span::of(&[]),
                },
                StorageKind::Output(len) => {
                    let mut elements = vec![0.0; *len];
                    let span = Span::of_mut(&mut elements);
                    outputs.push(elements);
                    span
                }
            });
        }
        let mut memory = Memory { spans, host: &mut compiled.host };
        for step in &compiled.steps {
            step.kernel.run(&mut memory).map_err(|error| match step.node {
                Some(id) => ExecError::node(graph, id, error),
                None => ExecError::Node { node: step.name.to_owned(), error },
            })?;
        }
        let mut taken: Vec<Option<Vec<f32>>> = outputs.into_iter().map(Some).collect();
        let place = |storage: usize| {
            compiled.storages[..storage].iter().filter(|s| matches!(s, StorageKind::Output(_))).count()
        };
        let mut results: Vec<Option<Tensor>> = vec![None; compiled.results.len()];
        // Copies first: they may read a storage that is given away.
        for (i, result) in compiled.results.iter().enumerate() {
            match result {
                Delivery::Copy(view, dtype) => results[i] = Some(tensor_of(&memory, view, *dtype)),
                Delivery::Host(id) => results[i] = memory.host[id.0].clone(),
                Delivery::Take(..) => {}
            }
        }
        for (i, result) in compiled.results.iter().enumerate() {
            if let Delivery::Take(storage, shape) = result {
                results[i] = taken[place(storage.0)].take().map(|elements| Tensor::from_vec(elements, shape));
            }
        }
        results.into_iter().map(|r| r.ok_or_else(|| ExecError::internal("an output has no value"))).collect()
    }
}

/// The elements of a stored input that cannot be read where they lie.
fn unaligned(tensor: &Tensor) -> Option<Vec<f32>> {
    (in_storage(tensor.dtype()) && !matches!(tensor.as_slice::<f32>(), Some(Cow::Borrowed(_))))
        .then(|| converted(tensor))
}

fn converted(tensor: &Tensor) -> Vec<f32> {
    match (tensor.dtype(), tensor.as_slice::<f32>()) {
        (DType::F32, Some(elements)) => elements.into_owned(),
        _ => {
            let mut out = vec![0.0; tensor.elements()];
            store(tensor, &mut out);
            out
        }
    }
}

fn borrowed(tensor: &Tensor) -> Result<Span, ExecError> {
    match tensor.as_slice::<f32>() {
        Some(Cow::Borrowed(elements)) => Ok(Span::of(elements)),
        _ => Err(ExecError::internal("an aligned f32 tensor was expected")),
    }
}
