//! Reductions over axes.

use super::axis_indices;
use crate::{Arity, EvalCx, InferCx, OpDef, OpError, SymTensor};
use satura_tensor::{DType, Dim, Elements, Shape, Tensor, contiguous_strides};

crate::attr_enum! {
    /// How elements are combined.
    pub enum ReduceKind {
        /// Sum; 0 of none.
        Sum = "sum",
        /// Product; 1 of none.
        Prod = "prod",
        /// Maximum, NaN if any is; the least value (minus infinity, false) of none.
        Max = "max",
        /// Minimum, NaN if any is; the greatest value (infinity, true) of none.
        Min = "min",
    }
}

crate::op_struct! {
    /// Combines all elements along `axes`. Numbers of any kind; `max` and `min` also take bool, as any and all. Integers wrap; floats are combined in f64.
    pub struct Reduce {
        /// How.
        pub kind: ReduceKind,
        /// The axes; negative counts from the back; `none` is all of them, an empty list none.
        pub axes: Option<Vec<i64>>,
        /// Whether the reduced axes stay, with extent 1.
        pub keep: bool,
    }
}

impl OpDef for Reduce {
    const NAME: &'static str = "reduce";

    fn arity(&self) -> Arity {
        1..=1
    }

    fn dtypes(&self, cx: &InferCx<'_>) -> Result<Vec<DType>, OpError> {
        let dtype = cx.dtype(0)?;
        let ordered = matches!(self.kind, ReduceKind::Max | ReduceKind::Min);
        if dtype.is_float() || dtype.is_int() || (dtype == DType::Bool && ordered) {
            Ok(vec![dtype])
        } else {
            Err(OpError::dtype(format!("reduce does not take {dtype}")))
        }
    }

    fn shapes(&self, cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
        reduced_shape(cx.shape(0)?, self.axes.as_deref(), self.keep).map(|s| vec![s])
    }

    fn values(&self, cx: &InferCx<'_>) -> Option<SymTensor> {
        let known = cx.known(0)?;
        let rank = known.shape.len();
        let all = axis_indices(self.axes.as_deref(), rank).ok()?.len() == rank;
        let combine: fn(Dim, &Dim) -> Dim = match self.kind {
            ReduceKind::Sum => |a, b| a + b.clone(),
            ReduceKind::Prod => |a, b| a * b.clone(),
            ReduceKind::Max => |a, b| a.maximum(b),
            ReduceKind::Min => |a, b| a.minimum(b),
        };
        if !all {
            return None;
        }
        let start = match self.kind {
            ReduceKind::Sum => Dim::from(0),
            ReduceKind::Prod => Dim::from(1),
            ReduceKind::Max | ReduceKind::Min => known.elements.first()?.clone(),
        };
        let shape = if self.keep { vec![1; rank] } else { Vec::new() };
        Some(SymTensor { shape, elements: vec![known.elements.iter().fold(start, combine)] })
    }

    fn eval(&self, inputs: &[Tensor], _: &EvalCx<'_>) -> Result<Vec<Tensor>, OpError> {
        let x = &inputs[0];
        let axes = axis_indices(self.axes.as_deref(), x.rank())?;
        let kept: Vec<usize> = (0..x.rank()).filter(|a| !axes.contains(a)).map(|a| x.shape()[a]).collect();
        let targets = reduction_targets(x.shape(), &axes);
        let count = kept.iter().product();
        let dtype = x.dtype();
        let elements = match x.to_elements() {
            Elements::Float(v) => {
                Elements::Float(fold(v, &targets, count, float_start(self.kind), float_step(self.kind)))
            }
            Elements::Int(v) => Elements::Int(fold(
                v,
                &targets,
                count,
                int_start(self.kind, dtype),
                int_step(self.kind, dtype),
            )),
            Elements::Bool(v) => match self.kind {
                ReduceKind::Max => Elements::Bool(fold(v, &targets, count, false, |a, b| a | b)),
                ReduceKind::Min => Elements::Bool(fold(v, &targets, count, true, |a, b| a & b)),
                ReduceKind::Sum | ReduceKind::Prod => {
                    return Err(OpError::dtype("reduce does not add bools"));
                }
            },
            Elements::Complex(_) | Elements::String(_) => {
                return Err(OpError::dtype(format!("reduce does not take {dtype}")));
            }
        };
        let shape = if self.keep {
            (0..x.rank()).map(|a| if axes.contains(&a) { 1 } else { x.shape()[a] }).collect()
        } else {
            kept
        };
        Ok(vec![Tensor::from_elements(dtype, &shape, elements)])
    }
}

/// The result of combining no floats.
pub(super) fn float_start(kind: ReduceKind) -> f64 {
    match kind {
        ReduceKind::Sum => 0.0,
        ReduceKind::Prod => 1.0,
        ReduceKind::Max => f64::NEG_INFINITY,
        ReduceKind::Min => f64::INFINITY,
    }
}

/// Combines two floats; NaN wins.
pub(super) fn float_step(kind: ReduceKind) -> fn(f64, f64) -> f64 {
    match kind {
        ReduceKind::Sum => |a, b| a + b,
        ReduceKind::Prod => |a, b| a * b,
        ReduceKind::Max => |a, b| if a.is_nan() || a >= b { a } else { b },
        ReduceKind::Min => |a, b| if a.is_nan() || a <= b { a } else { b },
    }
}

/// The result of combining no integers of the dtype.
pub(super) fn int_start(kind: ReduceKind, dtype: DType) -> i128 {
    let (least, greatest) = dtype.int_range().expect("integers have a range");
    match kind {
        ReduceKind::Sum => 0,
        ReduceKind::Prod => 1,
        ReduceKind::Max => least,
        ReduceKind::Min => greatest,
    }
}

/// Combines two integers of the dtype; sums and products wrap.
pub(super) fn int_step(kind: ReduceKind, dtype: DType) -> impl Fn(i128, i128) -> i128 {
    move |a, b| match kind {
        ReduceKind::Sum => wrap(a.wrapping_add(b), dtype),
        ReduceKind::Prod => wrap(a.wrapping_mul(b), dtype),
        ReduceKind::Max => a.max(b),
        ReduceKind::Min => a.min(b),
    }
}

/// The value that an integer dtype stores for `x`: its low bits.
pub(super) fn wrap(x: i128, dtype: DType) -> i128 {
    let bits = dtype.bits();
    let low = x & ((1i128 << bits) - 1);
    if dtype.is_signed_int() && low >> (bits - 1) != 0 { low - (1i128 << bits) } else { low }
}

/// The shape after reducing `axes`.
pub(super) fn reduced_shape(shape: &Shape, axes: Option<&[i64]>, keep: bool) -> Result<Shape, OpError> {
    let axes = axis_indices(axes, shape.len())?;
    Ok((0..shape.len())
        .filter(|a| keep || !axes.contains(a))
        .map(|a| if axes.contains(&a) { Dim::from(1) } else { shape[a].clone() })
        .collect())
}

/// For each element of a tensor, the row-major position of the result it is reduced into.
pub(super) fn reduction_targets(sizes: &[usize], axes: &[usize]) -> Vec<usize> {
    let kept: Vec<usize> = (0..sizes.len()).filter(|a| !axes.contains(a)).collect();
    let strides = contiguous_strides(&kept.iter().map(|a| sizes[*a]).collect::<Vec<_>>());
    let mut targets = vec![0usize];
    for axis in 0..sizes.len() {
        let stride = kept.iter().position(|a| *a == axis).map_or(0, |at| strides[at]);
        targets = targets.iter().flat_map(|t| (0..sizes[axis]).map(move |i| t + i * stride)).collect();
    }
    targets
}

fn fold<T: Copy>(values: Vec<T>, targets: &[usize], count: usize, start: T, f: impl Fn(T, T) -> T) -> Vec<T> {
    let mut out = vec![start; count];
    for (value, target) in values.into_iter().zip(targets) {
        out[*target] = f(out[*target], value);
    }
    out
}
