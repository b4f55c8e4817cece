//! Constant folding.

use satura_ir::{EvalCx, NodeId, Op};
use satura_pass::{Contract, OptionHelp, PassInfo, PassOptions, Patch, Skip, View};
use satura_tensor::Tensor;

/// Replaces values that inference knows, and nodes whose inputs are all constants, by constants. What would grow beyond the limit, such as a constant broadcast to a large
/// shape, stays as it is.
pub const FOLD: PassInfo = PassInfo {
    name: "fold",
    summary: "Computes what depends on constants only.",
    contract: Contract::Exact,
    options: PassOptions::of::<Options>(&[OptionHelp {
        name: "limit",
        summary: "elements that a new constant may have where its inputs have fewer; 1024 by default",
    }]),
    run: |graph, cx| {
        let options: Options = cx.options()?;
        cx.rewrite(graph, "known", &known)?;
        cx.rewrite(graph, "constant", &|g, n| constant(g, n, &options)).map(|_| ())
    },
};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { limit: 1024 }
    }
}

/// Multiplications that folding one node may take.
const LIMIT_WORK: usize = 1 << 28;

/// Output 0 is known to the last element: shape arithmetic ends here.
fn known(g: &View<'_>, n: NodeId) -> Result<Patch, Skip> {
    let node = g.node(n);
    if matches!(node.op, Op::Const(_)) || node.outputs.len() != 1 {
        return Err(Skip::NoMatch);
    }
    let value = g.value(node.outputs[0]);
    let tensor = value.known.as_ref().zip(value.ty.dtype()).and_then(|(known, dtype)| known.to_tensor(dtype));
    replace_by(g, n, vec![tensor.ok_or(Skip::NoMatch)?])
}

fn constant(g: &View<'_>, n: NodeId, options: &Options) -> Result<Patch, Skip> {
    let node = g.node(n);
    if matches!(node.op, Op::Const(_)) || node.op.algebra().random || !node.regions.is_empty() {
        return Err(Skip::NoMatch);
    }
    let inputs: Vec<Tensor> =
        node.inputs.iter().map(|v| g.constant(*v).cloned()).collect::<Option<_>>().ok_or(Skip::NoMatch)?;
    let read: usize = inputs.iter().map(Tensor::elements).sum();
    for output in &node.outputs {
        let sizes = g.ty(*output).sizes().ok_or(Skip::CheckFailed("the sizes are not known"))?;
        let elements = sizes.iter().try_fold(1usize, |p, s| p.checked_mul(*s));
        let elements = elements.ok_or(Skip::CheckFailed("too many elements"))?;
        if elements > read.max(options.limit) {
            return Err(Skip::CheckFailed("the constant would be larger than the limit"));
        }
        let contracts = matches!(node.op, Op::MatMul(_) | Op::Conv(_) | Op::ConvTranspose(_));
        if contracts && elements.saturating_mul(read) > LIMIT_WORK {
            return Err(Skip::CheckFailed("computing it takes too long"));
        }
    }
    // An op that fails on these constants, such as an index out of range, must fail when the graph runs, not here.
    let outputs = node.op.eval(&inputs, &EvalCx::new()).map_err(|_| Skip::CheckFailed("evaluation fails"))?;
    replace_by(g, n, outputs)
}

fn replace_by(g: &View<'_>, n: NodeId, tensors: Vec<Tensor>) -> Result<Patch, Skip> {
    let mut patch = g.patch(n);
    for (output, tensor) in g.node(n).outputs.iter().zip(tensors) {
        let constant = patch.emit().constant(tensor)?;
        patch.replace(*output, constant);
    }
    Ok(patch.finish())
}
