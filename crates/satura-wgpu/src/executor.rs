//! The executor: graphs in, runs on the device out.

use crate::gpu::Gpu;
use crate::runner::{CompiledPlan, PlanOptions};
use satura_ir::{ExecError, Executor, Graph, Op, Reference, Runnable};
use satura_lower::{LowerError, LowerOptions, lower};
use std::sync::Arc;

/// Runs graphs on a GPU. What the device cannot do runs on the host, by the reference evaluator unless another executor is given.
#[derive(Clone)]
pub struct GpuExecutor {
    gpu: Gpu,
    host: Arc<dyn Executor>,
    options: PlanOptions,
    lowering: LowerOptions,
}

impl GpuExecutor {
    /// An executor on that device.
    pub fn new(gpu: Gpu) -> Self {
        GpuExecutor {
            gpu,
            host: Arc::new(Reference),
            options: PlanOptions::default(),
            lowering: LowerOptions::default(),
        }
    }

    /// The same with another executor for what the device cannot do. It has to take every primitive.
    pub fn with_host(self, host: Arc<dyn Executor>) -> Self {
        GpuExecutor { host, ..self }
    }

    /// The same with other options.
    pub fn with_options(self, options: PlanOptions) -> Self {
        GpuExecutor { options, ..self }
    }

    /// The same with other schedules than the chosen ones.
    pub fn with_lowering(self, lowering: LowerOptions) -> Self {
        GpuExecutor { lowering, ..self }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Like [`compile`](Executor::compile), with the statistics and timings of [`CompiledPlan`].
    pub fn compile_plan(&self, graph: &Graph) -> Result<CompiledPlan, ExecError> {
        let plan = lower(graph, &self.gpu.profile(), &self.lowering).map_err(|error| match error {
            LowerError::Internal(message) => ExecError::Internal(message),
            other => ExecError::Unsupported(other.to_string()),
        })?;
        CompiledPlan::new(&self.gpu, plan, &self.host, &self.options)
    }
}

impl Executor for GpuExecutor {
    fn name(&self) -> String {
        self.gpu.info().name.clone()
    }

    fn keeps(&self, _op: &Op) -> bool {
        false
    }

    fn compile(&self, graph: &Graph) -> Result<Box<dyn Runnable>, ExecError> {
        Ok(Box::new(self.compile_plan(graph)?))
    }
}
