//! Conditional execution: both regions are compiled, one is run.

use super::plain::Port;
use crate::compile::Compiler;
use crate::executor::CpuRun;
use crate::memory::{Kernel, Memory};
use satura_ir::{ExecError, Node, NodeId, OpError};
use satura_tensor::{Elements, Tensor};
use std::sync::Mutex;

struct If {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// The region for true, then the one for false.
    regions: [Mutex<CpuRun>; 2],
}

pub(crate) fn emit(cx: &mut Compiler<'_>, id: NodeId, node: &Node) -> Result<bool, ExecError> {
    let [then, other] = &node.regions[..] else { return Err(cx.error(id, "two regions expected")) };
    let regions = [CpuRun::new(then, cx.threads)?, CpuRun::new(other, cx.threads)?];
    cx.plain.extend(regions.iter().flat_map(|r| r.plain().iter().cloned()));
    let inputs = node.inputs.iter().map(|v| Port::input(cx, *v)).collect::<Result<Vec<_>, _>>()?;
    let outputs = node.outputs.iter().map(|v| Port::output(cx, *v)).collect::<Result<Vec<_>, _>>()?;
    let storages = |ports: &[Port]| ports.iter().filter_map(Port::storage).collect::<Vec<_>>();
    let (reads, writes) = (storages(&inputs), storages(&outputs));
    cx.push("if", If { inputs, outputs, regions: regions.map(Mutex::new) }, reads, writes);
    Ok(true)
}

impl Kernel for If {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let inputs: Vec<Tensor> = self.inputs.iter().map(|p| p.read(memory)).collect::<Result<_, _>>()?;
        let condition = match inputs[0].to_elements() {
            Elements::Bool(v) if v.len() == 1 => v[0],
            _ => return Err(OpError::value("the condition must be one bool")),
        };
        let mut region = self.regions[usize::from(!condition)]
            .lock()
            .map_err(|_| OpError::value("a region failed before"))?;
        let outputs = region.run_here(&inputs[1..]).map_err(|error| match error {
            ExecError::Node { node, error } => OpError { message: format!("{node}: {error}"), ..error },
            other => OpError::value(other.to_string()),
        })?;
        self.outputs.iter().zip(outputs).try_for_each(|(port, tensor)| port.write(memory, tensor))
    }
}
