//! The bodies of loops as regions of the one op that repeats. ONNX has three kinds: `Loop` itself; `Scan`, which reads slices of its inputs; `SequenceMap`, which reads items of
//! sequences and collects its results in sequences. The slices and items are taken inside the region, by the number of the repetition.

use super::body::Kind;
use super::subgraph::Around;
use super::{Builder, Scope, Slot, Stop, domain_key};
use crate::node::Region;
use crate::proto::{GraphProto, NodeProto};
use satura_import::{Code, Diagnostic};
use satura_ir::{Emit, Graph, OpError, SymTensor, Type, ValueId, ops};
use satura_tensor::{DType, Dim, Shape, Symbol, Tensor};

/// How the body of a loop is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Loop,
    Scan,
    SequenceMap,
}

impl Around<'_, '_> {
    /// The form of loop whose body the subgraph is; `None` for a branch.
    pub(super) fn repeated(&self) -> Option<Form> {
        match (domain_key(&self.node.domain), self.node.op_type.as_str()) {
            ("", "Loop") => Some(Form::Loop),
            ("", "Scan") => Some(Form::Scan),
            ("", "SequenceMap") => Some(Form::SequenceMap),
            _ => None,
        }
    }
}

/// The inputs of a node with a body, by what they are to the region.
struct Parts {
    /// Values that each repetition gives to the next one.
    carried: Vec<ValueId>,
    /// Values that the region takes slices or items of, or as they are.
    whole: Vec<ValueId>,
    /// For each of `whole` of a scan: the axis of the slices, and whether the last slice comes first.
    order: Vec<(i64, bool)>,
    /// Whether every input has a batch axis in front, which the region does not see: the first form of `Scan`.
    batched: bool,
}

/// How often types may grow. Once would do, unless the growth of one value makes another grow.
const ATTEMPTS: usize = 4;

/// The name of the condition that goes with forms that have none. Names of models hardly look like this.
const CONDITION: &str = "loop:again";

fn integers<'p>(node: &'p NodeProto, name: &str) -> &'p [i64] {
    node.attribute.iter().find(|a| a.name == name).map_or(&[], |a| &a.ints)
}

fn integer(node: &NodeProto, name: &str) -> i64 {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| a.i).unwrap_or(0)
}

/// The axis and the direction of each scanned input, as far as the attributes say; axis 0 and forwards else.
fn scan_order(node: &NodeProto, count: usize, batched: bool) -> Vec<(i64, bool)> {
    let axes = if batched { &[] } else { integers(node, "scan_input_axes") };
    let directions = integers(node, if batched { "directions" } else { "scan_input_directions" });
    (0..count)
        .map(|i| (axes.get(i).copied().unwrap_or(0), directions.get(i).is_some_and(|d| *d != 0)))
        .collect()
}

impl<'m> Builder<'m> {
    fn parts(&self, scope: &Scope<'m>, around: &Around<'_, 'm>, form: Form) -> Result<Parts, Diagnostic> {
        let missing =
            |i: usize| Diagnostic::error(Code::InputCount, format!("input {i} is missing")).at_input(i);
        let given = |from: usize| -> Result<Vec<ValueId>, Diagnostic> {
            let inputs = around.inputs.iter().enumerate().skip(from);
            inputs.map(|(i, input)| input.ok_or_else(|| missing(i))).collect()
        };
        let node = around.node;
        Ok(match form {
            Form::Loop => Parts { carried: given(2)?, whole: Vec::new(), order: Vec::new(), batched: false },
            Form::Scan => {
                let batched = scope.opsets.get("").is_some_and(|version| *version < 9);
                let mut carried = given(usize::from(batched))?;
                let scanned = usize::try_from(integer(node, "num_scan_inputs")).unwrap_or(usize::MAX);
                let first = carried.len().checked_sub(scanned).filter(|_| scanned > 0);
                let first = first.ok_or_else(|| {
                    Diagnostic::error(Code::InputCount, format!("{} inputs cannot be scanned", carried.len()))
                        .at_attribute("num_scan_inputs")
                })?;
                let whole = carried.split_off(first);
                Parts { carried, order: scan_order(node, whole.len(), batched), whole, batched }
            }
            Form::SequenceMap => {
                Parts { carried: Vec::new(), whole: given(0)?, order: Vec::new(), batched: false }
            }
        })
    }

    /// The body of a loop. The types of what it carries begin as those of the first values; where the body gives others, it is read again with types that take both.
    pub(super) fn body(
        &mut self,
        graph: &Graph,
        scope: &Scope<'m>,
        around: &Around<'_, 'm>,
        subgraph: &'m GraphProto,
        form: Form,
    ) -> Result<Region, Stop> {
        let parts = match self.parts(scope, around, form) {
            Ok(parts) => parts,
            Err(error) => {
                let node = around.node;
                self.error(scope, error.at_node(&node.op_type, super::node_name(node)))?;
                return Ok(Region { graph: Graph::new(around.attribute), optional_first: Vec::new() });
            }
        };
        let item = |ty: &Type| if parts.batched { without_first_axis(ty) } else { ty.clone() };
        let mut carried: Vec<Type> = parts.carried.iter().map(|value| item(graph.ty(*value))).collect();
        let first_of_carried = if form == Form::Loop { 2 } else { 0 };
        for (ty, info) in carried.iter_mut().zip(subgraph.input.iter().skip(first_of_carried)) {
            // The body may know the rank where the first value does not.
            if let Ok(Some(declared)) = self.declared_type(info)
                && ty.shape().is_none()
                && ty.dtype() == declared.dtype()
            {
                *ty = declared;
            }
        }
        let mut made: Vec<Symbol> = Vec::new();
        for attempt in 1.. {
            let (collector, needs) = (self.collector.clone(), self.needs.values.clone());
            let mut region = Graph::new(around.attribute);
            self.inside(graph, around, |builder| {
                builder.read_body(graph, scope, around, subgraph, (form, &parts, &carried), &mut region)
            })?;
            let optional_first = settle_optionals(&mut region, &carried);
            let next: Vec<Type> = (0..carried.len())
                .filter_map(|i| Some(region.ty(region.outputs().get(1 + i)?.value).clone()))
                .collect();
            let grown: Vec<Type> = carried
                .iter()
                .enumerate()
                .map(|(i, ty)| next.get(i).map_or(ty.clone(), |next| self.grown(ty, next, i, &mut made)))
                .collect();
            if grown == carried || attempt == ATTEMPTS {
                return Ok(Region { graph: region, optional_first });
            }
            carried = grown;
            (self.collector, self.needs.values) = (collector, needs);
        }
        Err(Stop)
    }

    /// A type that takes what `ty` and `next` take. An extent that changes gets a symbol of its own.
    fn grown(&mut self, ty: &Type, next: &Type, index: usize, made: &mut Vec<Symbol>) -> Type {
        let own = |dim: &Dim, made: &[Symbol]| made.iter().any(|symbol| *dim == Dim::symbol(symbol.name()));
        match (ty, next) {
            (Type::Tensor(a), Type::Tensor(b)) if a.dtype == b.dtype => match (&a.shape, &b.shape) {
                (Some(x), Some(y)) if x.len() != y.len() => Type::unranked(a.dtype),
                (Some(x), y) => {
                    let dims = x.iter().enumerate().map(|(axis, dim)| {
                        if y.as_ref().is_some_and(|y| y[axis] == *dim) || own(dim, made) {
                            return dim.clone();
                        }
                        let fresh = self.symbols.fresh(&format!("carried{index}"), axis);
                        fresh.collect_symbols(made);
                        fresh
                    });
                    Type::tensor(a.dtype, dims.collect::<Shape>())
                }
                (None, _) => ty.clone(),
            },
            _ => ty.join(next).unwrap_or_else(|| ty.clone()),
        }
    }

    fn read_body(
        &mut self,
        graph: &Graph,
        scope: &Scope<'m>,
        around: &Around<'_, 'm>,
        subgraph: &'m GraphProto,
        (form, parts, carried): (Form, &Parts, &[Type]),
        region: &mut Graph,
    ) -> Result<(), Stop> {
        let trip = region.add_input("loop:trip", Type::tensor(DType::I64, Shape::default()));
        let condition = region.add_input("loop:condition", Type::tensor(DType::Bool, Shape::default()));
        // The region runs only while it is true.
        region.value_mut(condition).known = Some(SymTensor::scalar(Dim::from(1)));
        let mut own: Vec<ValueId> = match form {
            Form::Loop => vec![trip, condition],
            Form::Scan | Form::SequenceMap => Vec::new(),
        };
        let results = subgraph.output.len();
        let lists: Vec<ValueId> = match form {
            // Of what is not known before the body is read.
            Form::SequenceMap => (0..results)
                .map(|i| {
                    region.add_input(
                        &format!("loop:list{i}"),
                        Type::Sequence(Box::new(Type::unranked(DType::F32))),
                    )
                })
                .collect(),
            Form::Loop | Form::Scan => {
                let states = carried.iter().enumerate();
                own.extend(states.map(|(i, ty)| region.add_input(&format!("loop:carried{i}"), ty.clone())));
                Vec::new()
            }
        };
        let whole: Vec<ValueId> = parts
            .whole
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let ty = graph.ty(*value);
                let ty = if parts.batched { without_first_axis(ty) } else { ty.clone() };
                region.add_input(&format!("loop:whole{i}"), ty)
            })
            .collect();
        let mut inner = self.inner_scope(graph, scope, around, region);
        let taken = match form {
            Form::Loop => Ok(Vec::new()),
            Form::Scan => {
                whole.iter().zip(&parts.order).map(|(x, order)| slice(region, *x, trip, *order)).collect()
            }
            Form::SequenceMap => whole.iter().map(|x| item(region, *x, trip)).collect::<Result<_, OpError>>(),
        };
        match taken {
            Ok(taken) => own.extend(taken),
            Err(error) => return self.error(&inner, error.into()),
        }
        if own.len() != subgraph.input.len() {
            let message = format!(
                "the body has {} inputs, {} values are passed to it",
                subgraph.input.len(),
                own.len()
            );
            return self.error(&inner, Diagnostic::error(Code::InputCount, message));
        }
        for (info, value) in subgraph.input.iter().zip(&own) {
            if let Ok(Some(declared)) = self.declared_type(info)
                && !region.ty(*value).accepts(&declared)
            {
                let message = format!("declared as {declared}, the loop passes {}", region.ty(*value));
                self.warn(&inner, Diagnostic::warning(Code::TypeConflict, message).at_value(&info.name));
            }
            inner.names.insert(&info.name, Slot::Value(*value));
        }
        if form != Form::Loop {
            let emit: &mut dyn Emit = region;
            match emit.constant(Tensor::from_bools(&[true], &[])) {
                Ok(again) => region.add_output(CONDITION, again),
                Err(error) => return self.error(&inner, error.into()),
            }
        }
        self.graph_body(region, &mut inner, subgraph, Kind::Body)?;
        for (i, list) in lists.into_iter().enumerate() {
            let Some(result) = region.outputs().get(1 + i).map(|output| output.value) else { continue };
            let Some(dtype) = region.ty(result).dtype() else { continue };
            region.value_mut(list).ty = Type::Sequence(Box::new(Type::unranked(dtype)));
            let emit: &mut dyn Emit = region;
            match emit.one(ops::SeqInsert {}, &[list, result]) {
                Ok(longer) => region.set_output(1 + i, longer),
                Err(error) => return self.error(&inner, error.into()),
            }
        }
        Ok(())
    }
}

/// Carried values that are optional at first, where the body gives them without the option: it is put around them. Gives their positions.
fn settle_optionals(region: &mut Graph, carried: &[Type]) -> Vec<usize> {
    let mut settled = Vec::new();
    for (i, ty) in carried.iter().enumerate() {
        let (Type::Optional(_), Some(output)) = (ty, region.outputs().get(1 + i)) else { continue };
        let value = output.value;
        if matches!(region.ty(value), Type::Optional(_)) {
            continue;
        }
        let emit: &mut dyn Emit = region;
        if let Ok(held) = emit.one(ops::Optional { empty: None }, &[value]) {
            region.set_output(1 + i, held);
            settled.push(i);
        }
    }
    settled
}

fn without_first_axis(ty: &Type) -> Type {
    match ty.as_tensor() {
        Some(tensor) => match &tensor.shape {
            Some(shape) if !shape.is_empty() => Type::tensor(tensor.dtype, shape[1..].to_vec()),
            _ => Type::unranked(tensor.dtype),
        },
        None => ty.clone(),
    }
}

/// The slice of a scanned input for a repetition.
fn slice(
    region: &mut Graph,
    x: ValueId,
    trip: ValueId,
    (axis, backwards): (i64, bool),
) -> Result<ValueId, OpError> {
    let emit: &mut dyn Emit = region;
    let at = if backwards {
        let rank = emit.shape(x)?.len();
        let axis = ops::axis_index(axis, rank)?;
        let axis = i64::try_from(axis).map_err(|_| OpError::attribute("the axis is out of range"))?;
        let extent = emit.one(ops::ShapeOf { start: axis, end: Some(axis + 1) }, &[x])?;
        let extent = emit.one(ops::Reshape { shape: Shape::default() }, &[extent])?;
        let one = emit.constant(Tensor::scalar(1i64))?;
        let last = emit.one(ops::Sub {}, &[extent, one])?;
        emit.one(ops::Sub {}, &[last, trip])?
    } else {
        trip
    };
    emit.one(ops::Gather { axis }, &[x, at])
}

/// The item of a sequence for a repetition; anything else as it is.
fn item(region: &mut Graph, x: ValueId, trip: ValueId) -> Result<ValueId, OpError> {
    let emit: &mut dyn Emit = region;
    match emit.type_of(x) {
        Type::Sequence(_) => emit.one(ops::SeqAt {}, &[x, trip]),
        Type::Tensor(_) | Type::Optional(_) | Type::Map(..) => Ok(x),
    }
}
