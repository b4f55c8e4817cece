//! Comparing two models, or one model on two devices, and finding the first tensor where they part.

use crate::bind::{self, Inputs};
use crate::compare::compare_data;
use crate::fallback::compile_for;
use crate::session::shapes_of;
use crate::specialise::specialise;
use crate::{Device, Error, Model};
use satura_ir::{Datum, Def, Graph, ValueId};
use satura_tensor::{Bindings, Comparison, Tolerance};
use std::collections::{BTreeMap, BTreeSet};

/// A model on a device: one side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The model.
    pub model: &'a Model,
    /// The device.
    pub device: &'a Device,
}

/// Two values of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The name.
    pub name: String,
    /// What it is on side A, such as dtype and shape.
    pub ty: String,
    /// A against B, B being the expected one.
    pub comparison: Comparison,
}

/// The outcome of [`verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Every output of A, in order.
    pub outputs: Vec<Compared>,
    /// Outputs that only one side has.
    pub unmatched: Vec<String>,
    /// The first tensor, in the order of A's computation, that is beyond the tolerance; looked for only if an output is.
    pub first_diverging: Option<Compared>,
    /// How many tensors were compared to find it.
    pub compared: usize,
}

impl Verdict {
    /// Whether both sides give the same outputs, within the tolerance.
    pub fn agrees(&self) -> bool {
        self.unmatched.is_empty() && self.outputs.iter().all(|o| o.comparison.agrees())
    }
}

/// Runs both sides on the same inputs and compares the outputs by name (by position, if no name is on both sides). Where an output differs, both run again with
/// every named intermediate tensor as an output.
pub fn verify(
    a: Side<'_>,
    b: Side<'_>,
    inputs: &Inputs,
    dims: &Bindings,
    tolerance: Tolerance,
) -> Result<Verdict, Error> {
    let graph_a = bound(a, inputs, dims)?;
    let graph_b = bound(b, inputs, dims)?;
    let results_a = run(&graph_a, a.device, inputs)?;
    let results_b = run(&graph_b, b.device, inputs)?;
    let names =
        |graph: &Graph| -> Vec<String> { graph.outputs().iter().map(|o| o.name.to_string()).collect() };
    let (names_a, names_b) = (names(&graph_a), names(&graph_b));
    let by_name = names_a.iter().any(|name| names_b.contains(name));
    let mut verdict =
        Verdict { outputs: Vec::new(), unmatched: Vec::new(), first_diverging: None, compared: 0 };
    let mut used = vec![false; names_b.len()];
    for (i, (name, tensor)) in names_a.iter().zip(&results_a).enumerate() {
        let other =
            if by_name { names_b.iter().position(|n| n == name) } else { (i < names_b.len()).then_some(i) };
        match other {
            Some(other) => {
                used[other] = true;
                verdict.outputs.push(compared(name, tensor, &results_b[other], tolerance));
            }
            None => verdict.unmatched.push(name.clone()),
        }
    }
    verdict
        .unmatched
        .extend(names_b.iter().zip(&used).filter(|(_, used)| !**used).map(|(name, _)| name.clone()));
    if verdict.outputs.iter().any(|o| !o.comparison.agrees()) {
        find_first(&graph_a, &graph_b, (a, b), inputs, tolerance, &mut verdict)?;
    }
    Ok(verdict)
}

fn compared(name: &str, a: &Datum, b: &Datum, tolerance: Tolerance) -> Compared {
    Compared { name: name.to_owned(), ty: a.describe(), comparison: compare_data(a, b, tolerance) }
}

fn bound(side: Side<'_>, inputs: &Inputs, dims: &Bindings) -> Result<Graph, Error> {
    bind::order_inputs(&side.model.graph, inputs)?;
    let (model, fixed) = side.model.whole_for(inputs)?;
    let mut shapes = shapes_of(inputs);
    shapes.retain(|name, _| !fixed.contains(name));
    let bindings = bind::solve(&model.graph, dims, &shapes)?;
    specialise(&model.graph, &bindings, &shapes)
}

fn run(graph: &Graph, device: &Device, inputs: &Inputs) -> Result<Vec<Datum>, Error> {
    let data = bind::order_known(graph, inputs)?;
    let mut prepared = compile_for(graph, device, inputs, &mut BTreeSet::new())?;
    let device = &prepared.device;
    prepared.runnable.run_data(&data).map_err(|error| Error::Exec { device: device.clone(), error })
}

/// The named tensors that nodes of the main graph give, in topological order.
fn named_values(graph: &Graph) -> Vec<(String, ValueId)> {
    let order = graph.order().unwrap_or_default();
    let values = order.iter().flat_map(|id| graph.node(*id).outputs.clone());
    values
        .filter(|id| matches!(graph.value(*id).def, Def::Node(..)) && graph.constant(*id).is_none())
        .filter(|id| graph.ty(*id).dtype().is_some())
        .filter_map(|id| graph.value(id).name.as_ref().map(|name| (name.to_string(), id)))
        .collect()
}

fn find_first(
    a: &Graph,
    b: &Graph,
    (side_a, side_b): (Side<'_>, Side<'_>),
    inputs: &Inputs,
    tolerance: Tolerance,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let of_b: BTreeMap<String, ValueId> = named_values(b).into_iter().collect();
    let shared: Vec<(String, ValueId, ValueId)> = named_values(a)
        .into_iter()
        .filter_map(|(name, in_a)| of_b.get(&name).map(|in_b| (name, in_a, *in_b)))
        .filter(|(_, in_a, in_b)| a.ty(*in_a).dtype() == b.ty(*in_b).dtype())
        .collect();
    let (mut all_a, mut all_b) = (a.clone(), b.clone());
    for (i, (_, in_a, in_b)) in shared.iter().enumerate() {
        // Names of outputs must differ from each other and from the graph's own.
        all_a.add_output(&format!("__verify_{i}"), *in_a);
        all_b.add_output(&format!("__verify_{i}"), *in_b);
    }
    let values_a = run(&all_a, side_a.device, inputs)?;
    let values_b = run(&all_b, side_b.device, inputs)?;
    let extra = |values: &[Datum], own: usize| values[own.min(values.len())..].to_vec();
    let (values_a, values_b) = (extra(&values_a, a.outputs().len()), extra(&values_b, b.outputs().len()));
    verdict.compared = shared.len();
    verdict.first_diverging = shared
        .iter()
        .zip(values_a.iter().zip(&values_b))
        .map(|((name, ..), (a, b))| compared(name, a, b, tolerance))
        .find(|c| !c.comparison.agrees())
        .or_else(|| verdict.outputs.iter().find(|o| !o.comparison.agrees()).cloned());
    Ok(())
}
