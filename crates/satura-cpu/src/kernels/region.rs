//! Control flow: regions are compiled as graphs of their own, and run as a condition or a count says.

use super::plain::Port;
use crate::compile::Compiler;
use crate::executor::CpuRun;
use crate::memory::{Kernel, Memory, StorageId};
use satura_ir::{Datum, ExecError, Graph, Node, NodeId, OpError, ops};
use satura_tensor::{Elements, Tensor};
use std::sync::Mutex;

/// Inputs and outputs of a node with regions.
struct Ports {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Ports {
    fn of(cx: &mut Compiler<'_>, node: &Node) -> Result<Ports, ExecError> {
        let inputs = node.inputs.iter().map(|v| Port::input(cx, *v)).collect::<Result<_, _>>()?;
        let outputs = node.outputs.iter().map(|v| Port::output(cx, *v)).collect::<Result<_, _>>()?;
        Ok(Ports { inputs, outputs })
    }

    /// The storages read and written.
    fn storages(&self) -> [Vec<StorageId>; 2] {
        [&self.inputs, &self.outputs].map(|ports| ports.iter().filter_map(Port::storage).collect())
    }

    fn read(&self, memory: &Memory<'_>) -> Result<Vec<Tensor>, OpError> {
        self.inputs.iter().map(|port| port.read(memory)).collect()
    }

    fn write(&self, memory: &mut Memory<'_>, tensors: Vec<Tensor>) -> Result<(), OpError> {
        self.outputs.iter().zip(tensors).try_for_each(|(port, tensor)| port.write(memory, tensor))
    }
}

/// A compiled region.
struct Region(Mutex<CpuRun>);

impl Region {
    fn compile(cx: &mut Compiler<'_>, graph: &Graph) -> Result<Region, ExecError> {
        let run = CpuRun::new(graph, cx.threads)?;
        cx.plain.extend(run.plain().iter().cloned());
        Ok(Region(Mutex::new(run)))
    }

    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
        let mut region = self.0.lock().map_err(|_| OpError::value("a region failed before"))?;
        region.run_here(inputs).map_err(|error| match error {
            ExecError::Node { node, error } => OpError { message: format!("{node}: {error}"), ..error },
            other => OpError::value(other.to_string()),
        })
    }
}

struct If {
    ports: Ports,
    /// The region for true, then the one for false.
    regions: [Region; 2],
}

/// Conditional execution: both regions are compiled, one is run.
pub(crate) fn conditional(cx: &mut Compiler<'_>, id: NodeId, node: &Node) -> Result<bool, ExecError> {
    let [then, other] = &node.regions[..] else { return Err(cx.error(id, "two regions expected")) };
    let regions = [Region::compile(cx, then)?, Region::compile(cx, other)?];
    let ports = Ports::of(cx, node)?;
    let [reads, writes] = ports.storages();
    cx.push("if", If { ports, regions }, reads, writes);
    Ok(true)
}

impl Kernel for If {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let inputs = self.ports.read(memory)?;
        let condition = match inputs[0].to_elements() {
            Elements::Bool(v) if v.len() == 1 => v[0],
            _ => return Err(OpError::value("the condition must be one bool")),
        };
        let outputs = self.regions[usize::from(!condition)].run(&inputs[1..])?;
        self.ports.write(memory, outputs)
    }
}

struct Loop {
    op: ops::Loop,
    ports: Ports,
    /// For the types of what is stacked.
    graph: Graph,
    region: Region,
}

/// Repetition: the region is compiled once.
pub(crate) fn repeat(
    cx: &mut Compiler<'_>,
    id: NodeId,
    node: &Node,
    op: &ops::Loop,
) -> Result<bool, ExecError> {
    let [graph] = &node.regions[..] else { return Err(cx.error(id, "one region expected")) };
    let region = Region::compile(cx, graph)?;
    let ports = Ports::of(cx, node)?;
    let [reads, writes] = ports.storages();
    cx.push("loop", Loop { op: op.clone(), ports, graph: graph.clone(), region }, reads, writes);
    Ok(true)
}

impl Kernel for Loop {
    fn run(&self, memory: &mut Memory<'_>) -> Result<(), OpError> {
        let inputs: Vec<Datum> = self.ports.read(memory)?.into_iter().map(Datum::Tensor).collect();
        let outputs = self.op.repeat(&inputs, &self.graph, |arguments| {
            let tensors = arguments.iter().cloned().map(Datum::into_tensor).collect::<Result<Vec<_>, _>>()?;
            Ok(self.region.run(&tensors)?.into_iter().map(Datum::Tensor).collect())
        })?;
        let tensors = outputs.into_iter().map(Datum::into_tensor).collect::<Result<_, _>>()?;
        self.ports.write(memory, tensors)
    }
}
