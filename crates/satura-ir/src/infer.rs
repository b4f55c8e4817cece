//! Inference of shapes, dtypes and small integer values.

use crate::verify::VerifyError;
use crate::{Graph, NodeId, Op, OpError, SymTensor, Type, ValueId, ops};
use satura_tensor::{DType, Dim, Shape, Tensor};

/// No tensor may have more elements than this.
pub const LIMIT_ELEMENTS: i64 = 1 << 40;

/// No extent may be an expression of more [weight](Dim::weight): expressions of crafted models would grow without bound.
const LIMIT_WEIGHT: usize = 512;

/// What an op may ask about its inputs.
pub struct InferCx<'a> {
    inputs: Vec<(&'a Type, Option<&'a SymTensor>)>,
    constants: Vec<Option<&'a Tensor>>,
    regions: &'a [Graph],
}

impl<'a> InferCx<'a> {
    /// The number of inputs.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are no inputs.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The type of input `i`.
    pub fn ty(&self, i: usize) -> &'a Type {
        self.inputs[i].0
    }

    /// The dtype of input `i`, which must be a tensor.
    pub fn dtype(&self, i: usize) -> Result<DType, OpError> {
        self.ty(i)
            .dtype()
            .ok_or_else(|| OpError::dtype(format!("input {i} must be a tensor, it is {}", self.ty(i))))
    }

    /// The shape of input `i`, or [`Unknown`](crate::OpErrorKind::Unknown).
    pub fn shape(&self, i: usize) -> Result<&'a Shape, OpError> {
        self.ty(i).shape().ok_or_else(|| OpError::unknown(format!("the rank of input {i} is not known")))
    }

    /// The elements of input `i`, where they are known. Single ones may still be [unknown](Dim::unknown).
    pub fn known(&self, i: usize) -> Option<&'a SymTensor> {
        self.inputs[i].1
    }

    /// The known elements of input `i`, or [`Unknown`](crate::OpErrorKind::Unknown).
    pub fn need_known(&self, i: usize) -> Result<&'a SymTensor, OpError> {
        self.known(i).ok_or_else(|| OpError::unknown(format!("the elements of input {i} are not known")))
    }

    /// The elements of input `i`, a vector, as far as they are known: as many unknown ones as it has elements where nothing else is. `Unknown` where their number is not known.
    pub fn vector(&self, i: usize) -> Result<Vec<Dim>, OpError> {
        if let Some(known) = self.known(i) {
            return Ok(known.elements.clone());
        }
        let count = match &self.shape(i)?[..] {
            [count] => count.as_const().and_then(|count| usize::try_from(count).ok()),
            _ => None,
        };
        let count = count.filter(|count| *count <= SymTensor::LIMIT);
        let count =
            count.ok_or_else(|| OpError::unknown(format!("how many elements input {i} has is not known")))?;
        Ok(vec![Dim::unknown(); count])
    }

    /// The one element of input `i`; unknown where it is not known.
    pub fn scalar(&self, i: usize) -> Dim {
        let only = self.known(i).and_then(|known| known.elements.first().cloned());
        only.unwrap_or_else(Dim::unknown)
    }

    /// The tensor of input `i`, where a constant node of the graph defines it: for what is not a small integer.
    pub fn constant(&self, i: usize) -> Option<&'a Tensor> {
        self.constants.get(i).copied().flatten()
    }

    /// The regions.
    pub fn regions(&self) -> &'a [Graph] {
        self.regions
    }

    /// The common dtype of all inputs from `from` on.
    pub fn same_dtype(&self, from: usize) -> Result<DType, OpError> {
        let first = self.dtype(from)?;
        for i in from + 1..self.len() {
            let other = self.dtype(i)?;
            if other != first {
                return Err(OpError::dtype(format!(
                    "input {i} is {other}, input {from} is {first}: they must agree"
                )));
            }
        }
        Ok(first)
    }
}

/// Types of the outputs of a node, and the elements of output 0 where they are known. Checks arity and the element limit.
pub fn infer_node(
    graph: &Graph,
    op: &Op,
    inputs: &[ValueId],
    regions: &[Graph],
) -> Result<(Vec<Type>, Option<SymTensor>), OpError> {
    infer(
        op,
        InferCx {
            inputs: inputs.iter().map(|v| (graph.ty(*v), graph.value(*v).known.as_ref())).collect(),
            constants: inputs.iter().map(|v| graph.constant(*v)).collect(),
            regions,
        },
    )
}

/// [`infer_node`] for an op that is not in a graph yet: on the types and known elements of its inputs.
pub fn infer_op(
    op: &Op,
    inputs: Vec<(&Type, Option<&SymTensor>)>,
    regions: &[Graph],
) -> Result<(Vec<Type>, Option<SymTensor>), OpError> {
    infer(op, InferCx { inputs, constants: Vec::new(), regions })
}

fn infer(op: &Op, cx: InferCx<'_>) -> Result<(Vec<Type>, Option<SymTensor>), OpError> {
    let InferCx { inputs, regions, .. } = &cx;
    let arity = op.arity();
    if !arity.contains(&inputs.len()) {
        let expected = if arity.start() == arity.end() {
            arity.start().to_string()
        } else {
            format!("{} to {}", arity.start(), arity.end())
        };
        return Err(OpError::arity(format!("{expected} inputs expected, {} given", inputs.len())));
    }
    if regions.len() != op.regions() {
        return Err(OpError::arity(format!("{} regions expected, {} given", op.regions(), regions.len())));
    }
    if !op.attrs_known() {
        return Err(OpError::unknown("an attribute would have to be an extent that only a run shows"));
    }
    let types = op.types(&cx)?;
    for (i, ty) in types.iter().enumerate() {
        if ty.shape().is_some_and(|s| s.iter().any(|d| d.weight() > LIMIT_WEIGHT)) {
            return Err(OpError::limit(format!(
                "an extent of output {i} is an expression that is too large"
            )));
        }
        for dim in ty.shape().iter().flat_map(|s| s.iter()) {
            if let Some(size) = dim.as_const() {
                if size < 0 {
                    return Err(OpError::shape(format!("output {i} would have an extent of {size}")));
                }
                if size > LIMIT_ELEMENTS {
                    return Err(OpError::limit(format!("output {i} would have an extent of {size}")));
                }
            }
        }
        if let Some(shape) = ty.shape()
            && let Some(elements) = shape.elements().as_const()
            && elements > LIMIT_ELEMENTS
        {
            return Err(OpError::limit(format!(
                "output {i} of shape {shape} would have more than {LIMIT_ELEMENTS} elements"
            )));
        }
    }
    let known = known_of(op, &cx, &types[..]);
    Ok((types, known))
}

/// The known elements of output 0, as far as they are few and hold as they are in its dtype.
fn known_of(op: &Op, cx: &InferCx<'_>, types: &[Type]) -> Option<SymTensor> {
    let ty = types.first()?;
    let dtype = ty.dtype().filter(|d| d.is_int() || *d == DType::Bool)?;
    let told = |k: &SymTensor| k.elements.is_empty() || k.elements.iter().any(Dim::is_known);
    let known = op.values(cx).filter(|k| k.elements.len() <= SymTensor::LIMIT && told(k))?;
    let fits = ty.shape().is_none_or(|s| *s == Shape::of(&known.shape));
    let (least, greatest) = dtype.int_range()?;
    let holds = |d: &Dim| match d.as_const() {
        Some(value) => (least..=greatest).contains(&i128::from(value)),
        None => d.weight() <= LIMIT_WEIGHT && (least < 0 || d.is_non_negative()),
    };
    (fits && known.elements.iter().all(holds)).then_some(known)
}

/// Infers every value of the graph anew, in topological order. A known rank or extent is never given up for an unknown one.
pub fn infer_graph(graph: &mut Graph) -> Result<(), VerifyError> {
    let order = graph.order().map_err(|cycle| VerifyError::cycle(graph, &cycle))?;
    for id in order {
        infer_one(graph, id)?;
    }
    Ok(())
}

/// Infers the outputs of one node anew, and its regions.
pub fn infer_one(graph: &mut Graph, id: NodeId) -> Result<(), VerifyError> {
    let node = graph.node(id);
    let (op, inputs) = (node.op.clone(), node.inputs.clone());
    if !node.regions.is_empty() {
        let mut regions = std::mem::take(&mut graph.node_mut(id).regions);
        let taken = taken_region(graph, &op, &inputs);
        let runs = |at: usize| taken.is_none_or(|taken| taken == at);
        for (at, region) in regions.iter_mut().enumerate().filter(|(at, _)| runs(*at)) {
            for (index, inner) in region.inputs().to_vec().into_iter().enumerate() {
                let Some(outer) = op.capture(at, index).and_then(|i| inputs.get(i)) else { continue };
                let ty = graph.ty(*outer).refined_by(region.ty(inner));
                let known = graph.value(*outer).known.clone();
                let value = region.value_mut(inner);
                value.ty = ty;
                value.known = known;
            }
            match &op {
                Op::Loop(repeat) => infer_loop(repeat, graph, &inputs, region)?,
                _ => infer_graph(region)?,
            }
        }
        graph.node_mut(id).regions = regions;
    }
    let (types, known) = infer_node(graph, &op, &inputs, &graph.node(id).regions)
        .map_err(|error| VerifyError::node(graph, id, error))?;
    let outputs = graph.node(id).outputs.clone();
    let mut known = known;
    for (i, (output, ty)) in outputs.into_iter().zip(types).enumerate() {
        let ty = ty.refined_by(graph.ty(output));
        let value = graph.value_mut(output);
        value.ty = ty;
        if i == 0 {
            value.known = known.take().or(value.known.take());
        }
    }
    Ok(())
}

/// Infers the region of a loop. What it carries may change its shape from one repetition to the next, so the recorded types stand, unless the types of the first values, taken for
/// all repetitions, turn out to be those of the next ones.
fn infer_loop(
    op: &ops::Loop,
    graph: &Graph,
    inputs: &[ValueId],
    region: &mut Graph,
) -> Result<(), VerifyError> {
    op.seed(region);
    let carried: Vec<ValueId> = region.inputs().iter().skip(2).take(op.carried).copied().collect();
    let first: Vec<&Type> = inputs.iter().skip(2).take(op.carried).map(|value| graph.ty(*value)).collect();
    if carried.iter().zip(&first).any(|(inside, first)| region.ty(*inside) != *first) {
        let mut finer = region.clone();
        for (inside, first) in carried.iter().zip(&first) {
            finer.value_mut(*inside).ty = (*first).clone();
        }
        let next = |region: &Graph, i: usize| region.ty(region.outputs()[1 + i].value).clone();
        let fits = infer_graph(&mut finer).is_ok() && finer.outputs().len() > op.carried;
        if fits && first.iter().enumerate().all(|(i, first)| next(&finer, i) == **first) {
            *region = finer;
            return Ok(());
        }
    }
    infer_graph(region)
}

/// The one region that runs, where that is known: a branch written for other sizes need not fit these.
pub(crate) fn taken_region(graph: &Graph, op: &Op, inputs: &[ValueId]) -> Option<usize> {
    match op {
        Op::If(_) => ops::If::taken(inputs.first().and_then(|v| graph.value(*v).known.as_ref())),
        _ => None,
    }
}
