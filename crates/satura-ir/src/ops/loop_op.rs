//! Repetition.

use crate::{Arity, Datum, EvalCx, Graph, InferCx, OpDef, OpError, SymTensor, Type};
use satura_tensor::{DType, Dim, Elements, Shape, Symbol, Tensor};

/// More repetitions than these are refused.
const MOST_TRIPS: i64 = 1 << 20;

crate::op_struct! {
    /// Repeats region 0. Inputs: the greatest number of repetitions (one i64), the condition of the first one (one bool), `carried` first values, captures. The region takes the number of
    /// the repetition (an i64 scalar, 0 first), the condition (a bool scalar, true), the carried values and the captures, and gives the condition of the next repetition, the carried values
    /// for it, and one tensor for each of `scans`. Outputs: the last carried values, then the tensors of all repetitions stacked along a new axis 0. These must be of one shape.
    pub struct Loop {
        /// The number of carried values.
        pub carried: usize,
        /// The number of stacked outputs.
        pub scans: usize,
    }
}

impl Loop {
    /// The number of repetitions, where it is known before the first one: the condition stays true.
    pub fn trips(limit: Option<&SymTensor>, condition: Option<&SymTensor>, region: &Graph) -> Option<Dim> {
        let truth = |known: Option<&SymTensor>| known?.elements.first()?.as_const();
        let trips = || limit?.elements.first().map(|limit| limit.maximum(&Dim::from(0)));
        match truth(condition)? {
            0 => Some(Dim::from(0)),
            _ => {
                let next = region.outputs().first()?.value;
                let stays = region.inputs().get(1) == Some(&next)
                    || truth(region.value(next).known.as_ref()).is_some_and(|c| c != 0)
                    || constant_true(region, next);
                stays.then(trips)?
            }
        }
    }

    /// Sets what is known of the region's own inputs: their types, and that the condition is true whenever the region runs.
    pub(crate) fn seed(&self, region: &mut Graph) {
        let inputs = region.inputs().to_vec();
        if let [_, condition, ..] = inputs[..] {
            region.value_mut(condition).known = Some(SymTensor::scalar(Dim::from(1)));
        }
    }

    /// Repeats what `run` does with the inputs of the region, and gives the outputs of the node.
    pub fn repeat(
        &self,
        inputs: &[Datum],
        region: &Graph,
        mut run: impl FnMut(&[Datum]) -> Result<Vec<Datum>, OpError>,
    ) -> Result<Vec<Datum>, OpError> {
        let [limit, condition, rest @ ..] = inputs else { return Err(OpError::arity("two inputs expected")) };
        let limit = one_integer(limit)?;
        let mut condition = one_bool(condition)?;
        let (first, captures) = rest.split_at(self.carried.min(rest.len()));
        let mut carried = first.to_vec();
        let mut stacked: Vec<Vec<Tensor>> = vec![Vec::new(); self.scans];
        let mut trip = 0i64;
        while condition && trip < limit {
            if trip >= MOST_TRIPS {
                return Err(OpError::limit(format!("more than {MOST_TRIPS} repetitions")));
            }
            let mut arguments: Vec<Datum> =
                vec![Tensor::scalar(trip).into(), Tensor::from_bools(&[true], &[]).into()];
            arguments.append(&mut carried);
            arguments.extend_from_slice(captures);
            let mut results = run(&arguments)?.into_iter();
            let next = results.next().ok_or_else(|| OpError::arity("the region gives no condition"))?;
            condition = one_bool(&next)?;
            carried = results.by_ref().take(self.carried).collect();
            for (list, item) in stacked.iter_mut().zip(results) {
                list.push(item.into_tensor()?);
            }
            trip += 1;
        }
        let scans = region.outputs().iter().skip(1 + self.carried).map(|output| region.ty(output.value));
        let stacked = stacked.into_iter().zip(scans).map(|(list, ty)| Ok(Datum::Tensor(stack(&list, ty)?)));
        carried.into_iter().map(Ok).chain(stacked).collect()
    }

    fn check(&self, cx: &InferCx<'_>, region: &Graph) -> Result<(), OpError> {
        let (inputs, outputs) = (region.inputs().len(), region.outputs().len());
        if cx.len() < 2 + self.carried || inputs != cx.len() || outputs != 1 + self.carried + self.scans {
            return Err(OpError::arity(format!(
                "the region has {inputs} inputs and {outputs} outputs, {} and {} are expected",
                cx.len(),
                1 + self.carried + self.scans
            )));
        }
        if cx.dtype(0)? != DType::I64 || cx.dtype(1)? != DType::Bool {
            let message =
                format!("i64 repetitions and a bool condition expected, got {} and {}", cx.ty(0), cx.ty(1));
            return Err(OpError::dtype(message));
        }
        if region.ty(region.outputs()[0].value).dtype() != Some(DType::Bool) {
            return Err(OpError::dtype("the first output of the region must be the next condition, a bool"));
        }
        Ok(())
    }
}

fn constant_true(region: &Graph, value: crate::ValueId) -> bool {
    region
        .constant(value)
        .is_some_and(|t| t.dtype() == DType::Bool && t.bytes().iter().all(|byte| *byte != 0))
}

impl OpDef for Loop {
    const NAME: &'static str = "loop";

    fn arity(&self) -> Arity {
        2..=usize::MAX
    }

    fn outputs(&self) -> usize {
        self.carried + self.scans
    }

    fn regions(&self) -> usize {
        1
    }

    fn capture(&self, _region: usize, index: usize) -> Option<usize> {
        (index >= 2 + self.carried).then_some(index)
    }

    fn types(&self, cx: &InferCx<'_>) -> Result<Vec<Type>, OpError> {
        let [region] = cx.regions() else { return Err(OpError::arity("one region expected")) };
        self.check(cx, region)?;
        let trips = Loop::trips(cx.known(0), cx.known(1), region);
        let mut types = Vec::with_capacity(self.outputs());
        // Extents that differ from one repetition to the next have symbols of the region's own.
        let mut local: Vec<Symbol> = Vec::new();
        for i in 0..self.carried {
            let first = cx.ty(2 + i);
            let inside = region.ty(region.inputs()[2 + i]);
            let next = region.ty(region.outputs()[1 + i].value);
            for (which, ty) in [("first", first), ("next", next)] {
                if !inside.accepts(ty) {
                    let message =
                        format!("carried value {i} is {inside} in the region, the {which} one is {ty}");
                    return Err(OpError::shape(message));
                }
            }
            let outer = first.symbols();
            local.extend(inside.symbols().into_iter().filter(|symbol| !outer.contains(symbol)));
            let joined = first.join(inside).and_then(|ty| ty.join(next));
            types.push(joined.ok_or_else(|| OpError::dtype(format!("carried value {i} changes its type")))?);
        }
        for (i, output) in region.outputs()[1 + self.carried..].iter().enumerate() {
            let each = region.ty(output.value);
            let Some(tensor) = each.as_tensor() else {
                return Err(OpError::dtype(format!("stacked output {i} must be a tensor, it is {each}")));
            };
            let lasting = |dim: &Dim| {
                let mut symbols = Vec::new();
                dim.collect_symbols(&mut symbols);
                let lasts = symbols.iter().all(|symbol| !local.contains(symbol));
                if lasts { dim.clone() } else { Dim::unknown() }
            };
            let trips = trips.clone().unwrap_or_else(Dim::unknown);
            types.push(match &tensor.shape {
                Some(shape) => {
                    let dims = std::iter::once(trips).chain(shape.iter().map(lasting));
                    Type::tensor(tensor.dtype, dims.collect::<Shape>())
                }
                None => Type::unranked(tensor.dtype),
            });
        }
        Ok(types)
    }

    fn eval_data(&self, inputs: &[Datum], cx: &EvalCx<'_>) -> Result<Vec<Datum>, OpError> {
        let [region] = cx.regions() else { return Err(OpError::arity("one region expected")) };
        self.repeat(inputs, region, |arguments| cx.run_data(region, arguments))
    }
}

/// A tensor without elements: one of the sizes must be 0.
fn empty(dtype: DType, sizes: &[usize]) -> Result<Tensor, OpError> {
    if !sizes.contains(&0) {
        return Err(OpError::value(format!("a tensor of shape {sizes:?} has elements")));
    }
    if dtype == DType::String {
        return Ok(Tensor::from_strings(Vec::new(), sizes));
    }
    Tensor::from_bytes(dtype, sizes, Vec::new().into()).map_err(|error| OpError::limit(error.to_string()))
}

/// Tensors of one shape along a new axis 0. Of no tensors, an empty one: its other extents are those of the type, 0 where that does not know them.
fn stack(list: &[Tensor], ty: &Type) -> Result<Tensor, OpError> {
    let Some(first) = list.first() else {
        let dtype = ty.dtype().ok_or_else(|| OpError::dtype("a tensor is expected"))?;
        let extent = |dim: &Dim| dim.as_const().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let own = ty.shape().map(|shape| shape.iter().map(extent).collect::<Vec<_>>()).unwrap_or_default();
        let sizes: Vec<usize> = std::iter::once(0).chain(own).collect();
        return empty(dtype, &sizes);
    };
    if let Some(other) = list.iter().find(|t| t.shape() != first.shape() || t.dtype() != first.dtype()) {
        let message = format!("shapes {:?} and {:?} cannot be stacked", first.shape(), other.shape());
        return Err(OpError::shape(message));
    }
    let sizes: Vec<usize> = std::iter::once(list.len()).chain(first.shape().iter().copied()).collect();
    let joined = super::support::join(list)?;
    joined.reshaped(&sizes).ok_or_else(|| OpError::shape("the shapes differ"))
}

fn one_integer(datum: &Datum) -> Result<i64, OpError> {
    match datum.clone().into_tensor()?.to_elements() {
        Elements::Int(v) if v.len() == 1 => {
            i64::try_from(v[0]).map_err(|_| OpError::value("the number of repetitions is out of range"))
        }
        _ => Err(OpError::value("the number of repetitions must be one integer")),
    }
}

fn one_bool(datum: &Datum) -> Result<bool, OpError> {
    match datum.clone().into_tensor()?.to_elements() {
        Elements::Bool(v) if v.len() == 1 => Ok(v[0]),
        _ => Err(OpError::value("the condition must be one bool")),
    }
}
