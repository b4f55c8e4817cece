//! Reshape to a shape that is a value.

use super::Reshape;
use super::support::{int_vector, known_rearranged};
use crate::{Algebra, Arity, Composite, Emit, EvalCx, InferCx, OpDef, OpError, SymTensor, ValueId};
use satura_tensor::{DType, Dim, Shape, Tensor};

crate::op_struct! {
    /// The elements of `x` (input 0), row-major, in the shape that input 1, an i64 vector, gives: -1, at most once, stands for what is left, and 0 for the extent of `x` at
    /// that axis. Any dtype.
    pub struct ReshapeDyn {
        /// Whether a 0 means an extent of 0 instead.
        pub allow_zero: bool,
    }
}

impl ReshapeDyn {
    /// The shape meant, for an input of shape `from` (`None` where the rank is not known).
    fn target(&self, from: Option<&Shape>, wanted: &[Dim]) -> Result<Shape, OpError> {
        let mut out = Vec::with_capacity(wanted.len());
        // Extents that are taken over cancel from what is left, whatever they are.
        let mut over = from.map_or_else(Vec::new, |from| from.iter().map(Some).collect());
        let mut under = Vec::new();
        let mut open = None;
        for (axis, dim) in wanted.iter().enumerate() {
            let extent = match dim.as_const() {
                Some(0) if !self.allow_zero => {
                    let Some(from) = from else {
                        out.push(Dim::unknown());
                        continue;
                    };
                    let extent = from.get(axis).ok_or_else(|| {
                        OpError::shape(format!("the shape has 0 at axis {axis}, which {from} does not have"))
                    })?;
                    over[axis] = None;
                    out.push(extent.clone());
                    continue;
                }
                Some(-1) => {
                    if let Some(first) = open.replace(axis) {
                        return Err(OpError::shape(format!("the shape has -1 at axes {first} and {axis}")));
                    }
                    Dim::from(1)
                }
                Some(value) if value < 0 => {
                    return Err(OpError::shape(format!("the shape has {value} at axis {axis}")));
                }
                _ => {
                    under.push(dim.clone());
                    dim.clone()
                }
            };
            out.push(extent);
        }
        if let Some(axis) = open {
            if out.iter().any(|d| d.is(0)) {
                return Err(OpError::shape(
                    "the shape has -1 beside an extent of 0, so what is left is not defined",
                ));
            }
            out[axis] = match from {
                Some(from) => rest(from, over.into_iter().flatten().cloned().collect(), &under)?,
                None => Dim::unknown(),
            };
        }
        Ok(Shape(out))
    }
}

/// The extent that `wanted` lacks to hold the elements of the extents `over` of `from`.
fn rest(from: &Shape, mut over: Vec<Dim>, wanted: &[Dim]) -> Result<Dim, OpError> {
    // Equal extents cancel first: the quotient of two sums is exact only where they are the same.
    let mut under = Vec::new();
    for dim in wanted {
        match over.iter().position(|d| d == dim && d.is_known()) {
            Some(at) => drop(over.swap_remove(at)),
            None => under.push(dim.clone()),
        }
    }
    let product = |dims: &[Dim]| dims.iter().fold(Dim::from(1), |p, d| p * d.clone());
    let (over, under) = (product(&over), product(&under));
    if let (Some(o), Some(u)) = (over.as_const(), under.as_const())
        && o % u.max(1) != 0
    {
        return Err(OpError::shape(format!("{o} elements of {from} do not divide by {u}")));
    }
    Ok(over.exact_quotient(&under).unwrap_or_else(|| over.floor_div(&under)))
}

impl OpDef for ReshapeDyn {
    const NAME: &'static str = "reshape_dyn";
    const ALGEBRA: Algebra = Algebra::MOVEMENT;

    fn arity(&self) -> Arity {
        2..=2
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        super::support::check_i64_vector(cx, 1, "the shape")?;
        Ok(vec![cx.dtype(0)?])
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        let shape = self.target(cx.shape(0).ok(), &cx.vector(1)?)?;
        Reshape { shape }.shapes(cx)
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let shape = self.target(cx.shape(0).ok(), &cx.known(1)?.elements).ok()?;
        known_rearranged(cx.known(0)?, &shape.sizes()?, |i| i)
    }

    fn eval(&self, inputs: &[Tensor], cx: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let wanted = int_vector(&inputs[1], "the shape")?;
        let shape = self.target(Some(&Shape::of(inputs[0].shape())), &wanted)?;
        Reshape { shape }.eval(&inputs[..1], cx)
    }
}

impl Composite for ReshapeDyn {
    fn decompose(&self, cx: &mut dyn Emit, inputs: &[ValueId]) -> Result<Vec<ValueId>, OpError> {
        let wanted = cx.need_known(inputs[1])?;
        let shape = self.target(cx.shape(inputs[0]).ok().as_ref(), &wanted)?;
        Ok(vec![cx.one(Reshape { shape }, &inputs[..1])?])
    }
}
