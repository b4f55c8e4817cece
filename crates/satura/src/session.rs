//! Running a model: symbols are bound, the graph is made ready for the device, and each binding is compiled once.

use crate::bind::{self, BindError, InputShapes, Inputs, input_name};
use crate::{Device, DeviceKind, Error, Model};
use satura_ir::{ExecError, Graph, RunReport, Runnable, Type, infer_graph};
use satura_tensor::{Bindings, Shape, Tensor};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The graph with symbols bound and, where sizes do not follow from symbols, with the sizes of the inputs.
pub fn specialise(graph: &Graph, bindings: &Bindings, shapes: &InputShapes) -> Result<Graph, Error> {
    let mut bound = graph.bind(bindings)?;
    let mut changed = false;
    for id in bound.inputs().to_vec() {
        let Some(sizes) = shapes.get(&input_name(&bound, id)) else { continue };
        if let (Some(dtype), None) = (bound.ty(id).dtype(), bound.ty(id).sizes()) {
            bound.value_mut(id).ty = Type::tensor(dtype, Shape::of(sizes));
            changed = true;
        }
    }
    if changed {
        infer_graph(&mut bound)?;
    }
    Ok(bound)
}

/// The graph as a device compiles it. The reference evaluator takes it as it was read, so that it can judge the optimiser; for every other device it is optimised,
/// and what the device does not keep whole is decomposed.
pub fn ready_for(graph: &Graph, device: &Device) -> Result<Graph, Error> {
    if device.kind() == DeviceKind::Reference {
        return Ok(graph.clone());
    }
    let executor = device.executor();
    Ok(satura_opt::prepare(graph, &Bindings::new(), &|op| executor.keeps(op))?)
}

/// One binding of a model, compiled.
pub struct Compiled {
    /// The graph that was compiled.
    pub graph: Graph,
    /// From the graph to something that runs.
    pub compile_time: Duration,
    /// The first run, which may include work that a device puts off until then; `None` before it.
    pub first_run: Option<Duration>,
    device: String,
    runnable: Box<dyn Runnable>,
}

impl Compiled {
    /// Runs once, inputs and outputs in the order of the graph's.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let start = Instant::now();
        let outputs = self.runnable.run(inputs).map_err(|error| exec_error(&self.device, error))?;
        self.first_run.get_or_insert_with(|| start.elapsed());
        Ok(outputs)
    }

    /// What was compiled.
    pub fn report(&self) -> RunReport {
        self.runnable.report()
    }
}

fn exec_error(device: &str, error: ExecError) -> Error {
    Error::Exec { device: device.to_owned(), error }
}

/// A model on a device.
pub struct Session {
    graph: Graph,
    device: Device,
    dims: Bindings,
    compiled: BTreeMap<(Bindings, InputShapes), Compiled>,
}

impl Session {
    /// A session. `dims` fixes symbols, whatever the inputs.
    pub fn new(model: &Model, device: &Device, dims: Bindings) -> Self {
        Session { graph: model.graph.clone(), device: device.clone(), dims, compiled: BTreeMap::new() }
    }

    /// The model's graph, as it was read.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The model compiled for inputs of these sizes; compiled now if it was not yet.
    pub fn compile(&mut self, shapes: &InputShapes) -> Result<&mut Compiled, Error> {
        let bindings = bind::solve(&self.graph, &self.dims, shapes)?;
        // Sizes are part of the key only where symbols do not say them.
        let of_key: InputShapes = shapes
            .iter()
            .filter(|(name, _)| {
                self.graph.inputs().iter().any(|id| {
                    input_name(&self.graph, *id) == **name
                        && self.graph.ty(*id).bind(&bindings).sizes().is_none()
                })
            })
            .map(|(name, sizes)| (name.clone(), sizes.clone()))
            .collect();
        let key = (bindings, of_key);
        if !self.compiled.contains_key(&key) {
            let start = Instant::now();
            let bound = specialise(&self.graph, &key.0, &key.1)?;
            let open: Vec<String> = bound.symbols().iter().map(|s| s.name().to_owned()).collect();
            if !open.is_empty() && self.device.kind() != DeviceKind::Reference {
                return Err(BindError::Unbound { symbols: open }.into());
            }
            let graph = ready_for(&bound, &self.device)?;
            let device = self.device.name();
            let runnable =
                self.device.executor().compile(&graph).map_err(|error| exec_error(&device, error))?;
            let compiled =
                Compiled { graph, compile_time: start.elapsed(), first_run: None, device, runnable };
            self.compiled.insert(key.clone(), compiled);
        }
        Ok(self.compiled.get_mut(&key).expect("inserted just above"))
    }

    /// Runs once and gives the outputs by name, in the order of the graph's.
    pub fn run(&mut self, inputs: &Inputs) -> Result<Vec<(String, Tensor)>, Error> {
        let tensors = bind::order_inputs(&self.graph, inputs)?;
        let shapes = shapes_of(inputs);
        let names: Vec<String> = self.graph.outputs().iter().map(|output| output.name.to_string()).collect();
        let outputs = self.compile(&shapes)?.run(&tensors)?;
        Ok(names.into_iter().zip(outputs).collect())
    }
}

/// The sizes of tensors.
pub fn shapes_of(inputs: &Inputs) -> InputShapes {
    inputs.iter().map(|(name, tensor)| (name.clone(), tensor.shape().to_vec())).collect()
}
