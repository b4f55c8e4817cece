//! The JSON form of a plan: what a host program needs to run the kernels by itself, apart from the data of the weights.

use satura_ir::Graph;
use satura_kernel::{Binding, BufferKind, Plan, PlanBuffer, Step};
use serde_json::{Value, json};

/// The version of the form.
const FORMAT: u32 = 1;

/// The plan as JSON. `files` names the file of each kernel.
pub(crate) fn plan_json(graph: &Graph, plan: &Plan, target: &str, files: &[String], limit: u32) -> Value {
    let buffers: Vec<Value> =
        plan.buffers.iter().enumerate().map(|(id, buffer)| buffer_json(id, buffer)).collect();
    let kernels: Vec<Value> = plan
        .kernels
        .iter()
        .zip(files)
        .map(|(kernel, file)| {
            json!({
                "name": kernel.name,
                "file": file,
                "workgroup_size": kernel.workgroup_size,
                "workgroups": satura_wgsl::grid(kernel.groups, limit),
                "subgroup_size": kernel.subgroup_size,
                "bindings": kernel.buffers.iter().map(|b| json!({
                    "name": b.name,
                    "storage": format!("{:?}", b.storage).to_lowercase(),
                    "access": format!("{:?}", b.access).to_lowercase(),
                    "elements": b.elements,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let steps: Vec<Value> = plan.steps.iter().map(step_json).collect();
    let named = |names: Vec<String>, buffers: Vec<Value>| -> Vec<Value> {
        names
            .into_iter()
            .zip(buffers)
            .map(|(name, buffer)| json!({ "name": name, "buffer": buffer }))
            .collect()
    };
    let input_names = graph.inputs().iter().map(|id| crate::bind::input_name(graph, *id)).collect();
    let output_names = graph.outputs().iter().map(|o| o.name.to_string()).collect();
    json!({
        "format": FORMAT,
        "target": target,
        "summary": summary(graph, plan),
        "inputs": named(input_names, plan.inputs.iter().map(|b| json!(b.map(|b| b.0))).collect()),
        "outputs": named(output_names, plan.outputs.iter().map(|b| json!(b.0)).collect()),
        "arenas": plan.arenas,
        "buffers": buffers,
        "kernels": kernels,
        "steps": steps,
    })
}

/// Counts that do not depend on how fast anything is.
fn summary(graph: &Graph, plan: &Plan) -> Value {
    let host = plan.steps.iter().filter(|step| matches!(step, Step::Host(_))).count();
    let nodes = graph.nodes().filter(|(_, node)| !matches!(node.op, satura_ir::Op::Const(_))).count();
    json!({
        "nodes": nodes,
        "kernels": plan.kernels.len(),
        "dispatches": plan.steps.len() - host,
        "host_steps": host,
        "peak_bytes": plan.peak_bytes(),
    })
}

fn buffer_json(id: usize, buffer: &PlanBuffer) -> Value {
    let mut value = json!({
        "id": id,
        "name": buffer.name,
        "dtype": buffer.dtype.name(),
        "shape": buffer.shape,
        "storage": format!("{:?}", buffer.storage).to_lowercase(),
        "bytes": buffer.bytes,
    });
    match &buffer.kind {
        BufferKind::Weight(tensor) => {
            value["kind"] = json!("weight");
            value["hash"] = json!(format!("{:016x}", tensor.content_hash()));
        }
        BufferKind::Input(position) => {
            value["kind"] = json!("input");
            value["position"] = json!(position);
        }
        BufferKind::Output(position) => {
            value["kind"] = json!("output");
            value["position"] = json!(position);
        }
        BufferKind::Temporary => {
            value["kind"] = json!("temporary");
            value["arena"] = json!(buffer.arena);
            value["offset"] = json!(buffer.offset);
        }
    }
    value
}

fn step_json(step: &Step) -> Value {
    let binding = |b: &Binding| json!({ "buffer": b.buffer.0, "offset": b.offset, "bytes": b.bytes });
    match step {
        Step::Dispatch(dispatch) => json!({
            "kernel": dispatch.kernel,
            "ops": dispatch.label,
            "bindings": dispatch.bindings.iter().map(binding).collect::<Vec<_>>(),
            "params": dispatch.params,
        }),
        Step::Host(host) => json!({
            "host": host.op,
            "node": host.node,
            "reason": host.reason,
            "reads": host.reads.iter().map(|b| b.0).collect::<Vec<_>>(),
            "writes": host.writes.iter().map(|b| b.0).collect::<Vec<_>>(),
            "graph": satura_ir::print_graph(&host.graph),
        }),
    }
}
