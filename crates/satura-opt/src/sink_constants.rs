//! What regions capture.

use satura_ir::{Emit, Graph, NodeId, Op, ValueId, infer_graph};
use satura_pass::{Contract, PassInfo, PassOptions, Patch, PatchBuilder, Skip, View};
use satura_tensor::Tensor;

/// Puts captured constants into the regions that read them, where they can be folded, and no longer captures what no region reads. The data of a constant is shared, not copied.
pub const SINK_CONSTANTS: PassInfo = PassInfo {
    name: "sink-constants",
    summary: "Moves constants into the regions that capture them and drops unused captures.",
    contract: Contract::Exact,
    options: PassOptions::NONE,
    run: |graph, cx| cx.rewrite(graph, "sink", &sink).map(|_| ()),
};

/// What becomes of one captured value.
enum Capture {
    Keep,
    Drop,
    Sink(Tensor),
}

fn sink(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    let Op::If(_) = node.op else { return Err(Skip::NoMatch) };
    let uses: Vec<Vec<u32>> = node.regions.iter().map(Graph::use_counts).collect();
    let read = |index: usize| {
        node.regions.iter().zip(&uses).any(|(region, uses)| uses[region.inputs()[index].0 as usize] > 0)
    };
    let captures: Vec<Capture> = node.inputs[1..]
        .iter()
        .enumerate()
        .map(|(index, value)| match g.constant(*value) {
            _ if !read(index) => Capture::Drop,
            Some(tensor) => Capture::Sink(tensor.clone()),
            None => Capture::Keep,
        })
        .collect();
    if captures.iter().all(|capture| matches!(capture, Capture::Keep)) {
        return Err(Skip::NoEffect);
    }
    let regions = node.regions.iter().map(|region| rebuild(region, &captures)).collect::<Result<_, _>>()?;
    let kept =
        node.inputs[1..].iter().zip(&captures).filter(|(_, c)| matches!(c, Capture::Keep)).map(|(v, _)| *v);
    let inputs: Vec<ValueId> = node.inputs[..1].iter().copied().chain(kept).collect();
    let mut patch: PatchBuilder<'_> = g.patch(n);
    let outputs = patch.emit().emit_region_op(node.op.clone(), &inputs, regions)?;
    patch.replace_all(&node.outputs, &outputs);
    Ok(patch.finish())
}

/// The region with its inputs kept, dropped or replaced by constants.
fn rebuild(region: &Graph, captures: &[Capture]) -> Result<Graph, Skip> {
    let mut out = region.clone();
    let mut dropped = Vec::new();
    let uses = region.use_counts();
    for (index, (input, capture)) in region.inputs().iter().zip(captures).enumerate() {
        match capture {
            Capture::Keep => continue,
            Capture::Sink(tensor) if uses[input.0 as usize] > 0 => {
                let emit: &mut dyn Emit = &mut out;
                let constant = emit.constant(tensor.clone())?;
                out.replace_uses(*input, constant);
            }
            Capture::Sink(_) | Capture::Drop => {}
        }
        dropped.push(index);
    }
    dropped.iter().rev().for_each(|index| out.remove_input(*index));
    infer_graph(&mut out).map_err(|_| Skip::CheckFailed("the region does not infer"))?;
    Ok(out)
}
