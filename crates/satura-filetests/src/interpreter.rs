//! A device without hardware: graphs lowered for a device profile, run by the kernel interpreter. It shows what a schedule computes before any driver is asked.

use satura_ir::{ExecError, Executor, Fallback, Graph, Op, RunReport, Runnable};
use satura_kernel::{DeviceProfile, InterpretError, Plan, Step, interpret_plan};
use satura_lower::{LowerError, LowerOptions, lower};
use satura_tensor::Tensor;

/// The kernel interpreter under one device profile.
pub(crate) struct Interpreter {
    name: &'static str,
    profile: DeviceProfile,
    options: LowerOptions,
}

impl Interpreter {
    /// The interpreter of a profile, with schedules chosen by `options`.
    pub(crate) fn new(name: &'static str, profile: DeviceProfile, options: LowerOptions) -> Self {
        Interpreter { name, profile, options }
    }
}

struct Run(Plan);

impl Executor for Interpreter {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn keeps(&self, _op: &Op) -> bool {
        false
    }

    fn compile(&self, graph: &Graph) -> Result<Box<dyn Runnable>, ExecError> {
        let plan = lower(graph, &self.profile, &self.options).map_err(|error| match error {
            LowerError::Internal(message) => ExecError::Internal(message),
            other => ExecError::Unsupported(other.to_string()),
        })?;
        Ok(Box::new(Run(plan)))
    }
}

impl Runnable for Run {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
        interpret_plan(&self.0, inputs).map_err(|error| match error {
            // A value beyond 32 bits is refused, not wrapped: nothing to compare.
            InterpretError::Encode(..) => ExecError::Unsupported(error.to_string()),
            error => ExecError::Device(error.to_string()),
        })
    }

    fn report(&self) -> RunReport {
        let hosts = self.0.steps.iter().filter_map(|step| match step {
            Step::Host(host) => {
                Some(Fallback { op: host.op.clone(), node: host.node.clone(), reason: host.reason.clone() })
            }
            Step::Dispatch(_) => None,
        });
        RunReport {
            kernels: self.0.steps.iter().filter(|s| matches!(s, Step::Dispatch(_))).count(),
            peak_bytes: self.0.peak_bytes(),
            fallbacks: hosts.collect(),
            ..RunReport::default()
        }
    }
}
