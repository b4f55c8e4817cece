//! From a graph as it was read to the one that a device compiles.

use crate::bind::{InputShapes, input_name};
use crate::{Device, DeviceKind, Error};
use satura_ir::{Graph, Type, infer_graph};
use satura_tensor::{Bindings, Shape};

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
