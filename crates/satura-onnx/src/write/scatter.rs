//! Scattering: writing, adding, or otherwise combining elements by their index.
//!
//! Where the operator set has no such combination, the elements that go to one place stand along a new axis behind that of the places, all others replaced by what changes nothing, and are reduced.

use super::attribute::{flag, int, text};
use super::cx::{Cx, Form, NoForm};
use super::dims::axes_input;
use super::indexing::indexed;
use super::names::Name;
use super::reduce::{neutral, operator};
use super::shapes::positions;
use super::takes::{FLOATS, Takes, WIDE_INTS, carrier};
use crate::proto::AttributeProto;
use satura_ir::ops::{self, ReduceKind, ScatterKind};
use satura_tensor::{DType, Dim};

/// What `Where`, the reductions and their elementwise counterparts all take.
const COMBINED: &Takes = &[(1, FLOATS), (1, WIDE_INTS)];

/// The most elements that a combination in parts may have in between.
const LARGEST: i64 = 1 << 26;

/// The attribute of a combination.
fn attribute(combine: ScatterKind) -> Option<AttributeProto> {
    let name = match combine {
        ScatterKind::Replace => return None,
        ScatterKind::Add => "add",
        ScatterKind::Mul => "mul",
        ScatterKind::Max => "max",
        ScatterKind::Min => "min",
    };
    Some(text("reduction", name))
}

pub(super) fn scatter_elements(cx: &mut Cx<'_>, op: &ops::ScatterElements) -> Form {
    if let Some(combination) = Combination::missing(op.combine, cx.version()) {
        return combination.of_elements(cx, op.axis);
    }
    let attributes = std::iter::once(int("axis", op.axis)).chain(attribute(op.combine)).collect();
    indexed(cx, "ScatterElements", false, attributes)
}

pub(super) fn scatter_nd(cx: &mut Cx<'_>, op: &ops::ScatterNd) -> Form {
    if let Some(combination) = Combination::missing(op.combine, cx.version()) {
        return combination.of_slices(cx);
    }
    indexed(cx, "ScatterND", true, attribute(op.combine).into_iter().collect())
}

/// An error if the product of the extents is known to be too large.
fn bounded<'d>(extents: impl IntoIterator<Item = &'d Dim>) -> Form {
    let known = extents.into_iter().filter_map(Dim::as_const);
    let product = known.fold(1i64, |product, extent| product.saturating_mul(extent));
    if product <= LARGEST {
        return Ok(());
    }
    Err(NoForm::new(format!("without an operator for it, it would compare {product} pairs of places")))
}

/// A combination that the operator set has no attribute for.
struct Combination {
    kind: ReduceKind,
    /// The elementwise operator of two inputs.
    operator: &'static str,
}

impl Combination {
    /// What to say in parts: sums and products came with operator set 16, extrema with 18.
    fn missing(combine: ScatterKind, version: i64) -> Option<Combination> {
        let (kind, operator, since) = match combine {
            ScatterKind::Replace => return None,
            ScatterKind::Add => (ReduceKind::Sum, "Add", 16),
            ScatterKind::Mul => (ReduceKind::Prod, "Mul", 16),
            ScatterKind::Max => (ReduceKind::Max, "Max", 18),
            ScatterKind::Min => (ReduceKind::Min, "Min", 18),
        };
        (version < since).then_some(Combination { kind, operator })
    }

    fn of_elements(&self, cx: &mut Cx<'_>, axis: i64) -> Form {
        let (from, to) = (cx.need_shape(1)?, cx.need_shape(0)?);
        let axis = ops::axis_index(axis, to.len()).map_err(|error| NoForm::new(error.to_string()))?;
        let extent = to[axis].clone();
        bounded(from.iter().chain([&extent]))?;
        let dtype = cx.dtype(0)?;
        let wide = carrier(COMBINED, cx.version(), dtype)?;
        let x = cx.input(0);
        if from.iter().any(|extent| extent.is(0)) {
            return cx.result("Identity", &[x], Vec::new());
        }
        let limit = cx.dims(std::slice::from_ref(&extent))?;
        let indices = from_front(cx, &limit)?;
        let updates = cx.input(2);
        let updates = cx.cast_from(&updates, dtype, wide);
        let new = cx.sizes(&[axis]);
        let [indices, updates] =
            [indices, updates].map(|value| cx.node("Unsqueeze", &[value, new.clone()], Vec::new()));
        let reduced = self.reduced(cx, wide, &extent, to.len() - axis, indices, updates)?;
        // Indices may cover the front part only of the other axes.
        let rest: Vec<Dim> = (0..to.len())
            .map(|a| if a == axis { Dim::from(0) } else { to[a].clone() - from[a].clone() })
            .collect();
        let reduced = if rest.iter().all(|extent| extent.is(0)) {
            reduced
        } else {
            let amounts: Vec<Dim> = vec![Dim::from(0); to.len()].into_iter().chain(rest).collect();
            let amounts = cx.dims(&amounts)?;
            let nothing = neutral(cx, self.kind, wide)?;
            cx.node("Pad", &[reduced, amounts, nothing], vec![text("mode", "constant")])
        };
        let x = cx.cast_from(&x, dtype, wide);
        cx.in_parts();
        cx.result_as(wide, self.operator, &[x, reduced], Vec::new())
    }

    /// As of elements: the indexed axes as one, the slices as rows.
    fn of_slices(&self, cx: &mut Cx<'_>) -> Form {
        let (from, to) = (cx.need_shape(1)?, cx.need_shape(0)?);
        let depth = from.last().and_then(Dim::as_const).and_then(|depth| usize::try_from(depth).ok());
        let depth = depth
            .filter(|depth| *depth <= to.len())
            .ok_or_else(|| NoForm::new("the number of indexed axes is not known"))?;
        let (outer, inner) = to.split_at(depth);
        let product = |extents: &[Dim]| extents.iter().cloned().fold(Dim::from(1), |a, b| a * b);
        let (places, width, count) = (product(outer), product(inner), product(&from[..from.len() - 1]));
        bounded([&places, &width, &count])?;
        let dtype = cx.dtype(0)?;
        let wide = carrier(COMBINED, cx.version(), dtype)?;
        let x = cx.input(0);
        if [&places, &width, &count].into_iter().any(|extent| extent.is(0)) {
            return cx.result("Identity", &[x], Vec::new());
        }
        let limits = cx.dims(outer)?;
        let indices = from_front(cx, &limits)?;
        let strides: Vec<Dim> = (0..depth).map(|axis| product(&outer[axis + 1..])).collect();
        let strides = cx.dims(&strides)?;
        let steps = cx.node("Mul", &[indices, strides], Vec::new());
        let last = cx.vector(&[-1]);
        let flat = cx.node("ReduceSum", &[steps, last], vec![flag("keepdims", false)]);
        let column = cx.vector(&[1, -1, 1]);
        let flat = cx.node("Reshape", &[flat, column], Vec::new());
        let updates = cx.input(2);
        let updates = cx.cast_from(&updates, dtype, wide);
        let rows = cx.dims(&[Dim::from(1), Dim::from(-1), width])?;
        let updates = cx.node("Reshape", &[updates, rows], Vec::new());
        let reduced = self.reduced(cx, wide, &places, 2, flat, updates)?;
        let shape = cx.dims(to)?;
        let reduced = cx.node("Reshape", &[reduced, shape], Vec::new());
        let x = cx.cast_from(&x, dtype, wide);
        cx.in_parts();
        cx.result_as(wide, self.operator, &[x, reduced], Vec::new())
    }

    /// The updates of each place combined. Indices and updates have an axis of extent 1 where the places, `extent` of them, are to be, and then those that go there; `behind` is the number of axes behind the places'.
    fn reduced(
        &self,
        cx: &mut Cx<'_>,
        dtype: DType,
        extent: &Dim,
        behind: usize,
        indices: Name,
        updates: Name,
    ) -> Result<Name, NoForm> {
        let place = positions(cx, extent)?;
        let mut column = vec![1i64; behind + 1];
        column[0] = -1;
        let column = cx.vector(&column);
        let place = cx.node("Reshape", &[place, column], Vec::new());
        let goes_there = cx.node("Equal", &[indices, place], Vec::new());
        let nothing = neutral(cx, self.kind, dtype)?;
        let there = cx.node("Where", &[goes_there, updates, nothing], Vec::new());
        let (name, _, since) = operator(self.kind);
        let mut inputs = vec![there];
        let mut attributes = vec![flag("keepdims", false)];
        let behind = i64::try_from(behind).unwrap_or(i64::MAX);
        axes_input(cx, since, &[-behind], &mut inputs, &mut attributes);
        Ok(cx.node(name, &inputs, attributes))
    }
}

/// Input 1 as i64, negative indices counted from the front: they are below these limits.
fn from_front(cx: &mut Cx<'_>, limits: &Name) -> Result<Name, NoForm> {
    let dtype = cx.dtype(1)?;
    let at = cx.input(1);
    let at = cx.cast_from(&at, dtype, DType::I64);
    if cx.ints(1).is_some_and(|known| known.iter().all(|index| *index >= 0)) {
        return Ok(at);
    }
    let zero = cx.int(0);
    let negative = cx.node("Less", &[at.clone(), zero], Vec::new());
    let moved = cx.node("Add", &[at.clone(), limits.clone()], Vec::new());
    Ok(cx.node("Where", &[negative, moved, at], Vec::new()))
}
