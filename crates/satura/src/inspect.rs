//! What a model consists of.

use crate::flops::flops;
use satura_ir::{Graph, Op, Type};
use satura_tensor::{Bindings, Dim};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Counts and types of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Name and type, in order.
    pub inputs: Vec<(String, Type)>,
    /// Name and type, in order.
    pub outputs: Vec<(String, Type)>,
    /// Name and type of every value of the main graph that the source model named, constants left out.
    pub values: Vec<(String, Type)>,
    /// Nodes by op, regions included, constants left out.
    pub ops: BTreeMap<String, usize>,
    /// Elements of all constants.
    pub parameters: u64,
    /// Bytes of all constants.
    pub parameter_bytes: u64,
    /// Floating-point operations of one run, as an expression over the symbols: 2 for each multiply-add of matrix products, convolutions and recurrent layers, 1 for
    /// each output element of every other op that computes. `None` where a shape is not known.
    pub flops: Option<Dim>,
    /// The symbols of the inputs.
    pub symbols: Vec<String>,
}

/// Looks at a graph.
pub fn summarise(graph: &Graph) -> Summary {
    let mut summary = Summary {
        inputs: graph
            .inputs()
            .iter()
            .map(|id| (crate::bind::input_name(graph, *id), graph.ty(*id).clone()))
            .collect(),
        outputs: graph.outputs().iter().map(|o| (o.name.to_string(), graph.ty(o.value).clone())).collect(),
        values: named(graph),
        ops: BTreeMap::new(),
        parameters: 0,
        parameter_bytes: 0,
        flops: flops(graph).or_else(|| simplified(graph).as_ref().and_then(flops)),
        symbols: graph.symbols().iter().map(|s| s.name().to_owned()).collect(),
    };
    count(graph, &mut summary);
    summary
}

/// The graph after the passes that find out shapes: conditions are decided, dynamic shapes resolved, as far as they are known.
fn simplified(graph: &Graph) -> Option<Graph> {
    satura_opt::prepare(graph, &Bindings::new(), &|_| true).ok()
}

fn named(graph: &Graph) -> Vec<(String, Type)> {
    let outputs =
        graph.nodes().flat_map(|(_, node)| &node.outputs).filter(|id| graph.constant(**id).is_none());
    let name = |id: &satura_ir::ValueId| graph.value(*id).name.as_ref().map(|name| name.to_string());
    outputs.filter_map(|id| Some((name(id)?, graph.ty(*id).clone()))).collect()
}

fn count(graph: &Graph, summary: &mut Summary) {
    for (_, node) in graph.nodes() {
        if let Op::Const(constant) = &node.op {
            summary.parameters += constant.value.elements() as u64;
            summary.parameter_bytes += constant.value.bytes().len() as u64;
        } else {
            *summary.ops.entry(node.op.name().to_owned()).or_default() += 1;
        }
        node.regions.iter().for_each(|region| count(region, summary));
    }
}

impl Summary {
    /// The number of nodes, constants left out.
    pub fn nodes(&self) -> usize {
        self.ops.values().sum()
    }

    /// The keys `inputs`, `outputs`, `values` (lists of `name`, `dtype`, `shape`), `ops`, `nodes`, `parameters`, `parameter_bytes`, `flops`, `symbols`. An extent or a
    /// number of operations that depends on symbols is a string with the expression; what is not known is null.
    pub fn to_json(&self) -> Value {
        let values = |list: &[(String, Type)]| -> Vec<Value> {
            list.iter()
                .map(|(name, ty)| {
                    let dtype = ty.dtype().map_or_else(|| ty.to_string(), |d| d.to_string());
                    let shape = ty.shape().map(|s| s.iter().map(dim_json).collect::<Vec<_>>());
                    json!({ "name": name, "dtype": dtype, "shape": shape })
                })
                .collect()
        };
        json!({
            "inputs": values(&self.inputs),
            "outputs": values(&self.outputs),
            "values": values(&self.values),
            "ops": self.ops,
            "nodes": self.nodes(),
            "parameters": self.parameters,
            "parameter_bytes": self.parameter_bytes,
            "flops": self.flops.as_ref().map(dim_json),
            "symbols": self.symbols,
        })
    }
}

fn dim_json(dim: &Dim) -> Value {
    dim.as_const().map_or_else(|| json!(dim.to_string()), |value| json!(value))
}
