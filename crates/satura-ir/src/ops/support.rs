//! What op files share: axis arithmetic, broadcast iteration, known values, and functions over elements.

use super::Cast;
use crate::{Emit, InferCx, OpError, SymTensor, ValueId};
use satura_tensor::{
    DType, Dim, Elements, Shape, Tensor, broadcast_dims, broadcast_sizes, contiguous_strides,
};

/// The axis counted from the front: `-1` is the last of `rank`.
pub fn axis_index(axis: i64, rank: usize) -> Result<usize, OpError> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let index = if axis < 0 { axis.saturating_add(signed) } else { axis };
    usize::try_from(index)
        .ok()
        .filter(|i| *i < rank)
        .ok_or_else(|| OpError::attribute(format!("axis {axis} is out of range for rank {rank}")))
}

/// The axes counted from the front, sorted; an axis given twice is an error. `None` is all axes.
pub fn axis_indices(axes: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, OpError> {
    let Some(axes) = axes else { return Ok((0..rank).collect()) };
    let mut indices = axes.iter().map(|a| axis_index(*a, rank)).collect::<Result<Vec<_>, _>>()?;
    indices.sort_unstable();
    if indices.windows(2).any(|w| w[0] == w[1]) {
        return Err(OpError::attribute(format!("axes {axes:?} name an axis twice")));
    }
    Ok(indices)
}

/// The shape that all inputs broadcast to.
pub(super) fn broadcast_shape(cx: &InferCx<'_>) -> Result<Vec<Shape>, OpError> {
    let mut shape = cx.shape(0)?.clone();
    for i in 1..cx.len() {
        shape = broadcast_dims(&shape, cx.shape(i)?).map_err(|(axis, a, b)| {
            OpError::shape(format!("input {i} does not broadcast: extents {a} and {b} at axis {axis}"))
        })?;
    }
    Ok(vec![shape])
}

/// For each element of the broadcast shape of `inputs`, the row-major position in each input.
pub(super) fn broadcast_positions(inputs: &[Tensor]) -> Result<(Vec<usize>, Vec<Vec<usize>>), OpError> {
    let shape = inputs.iter().try_fold(Vec::new(), |shape, t| {
        broadcast_sizes(&shape, t.shape())
            .ok_or_else(|| OpError::shape(format!("shapes {shape:?} and {:?} do not broadcast", t.shape())))
    })?;
    let positions = inputs.iter().map(|t| positions_in(t.shape(), &shape)).collect();
    Ok((shape, positions))
}

/// For each element of `shape`, the row-major position in a tensor of sizes `from` that broadcasts to it.
pub(super) fn positions_in(from: &[usize], shape: &[usize]) -> Vec<usize> {
    let skip = shape.len() - from.len();
    let strides = contiguous_strides(from);
    let mut positions = vec![0usize];
    for axis in 0..shape.len() {
        let stride = if axis < skip || from[axis - skip] == 1 { 0 } else { strides[axis - skip] };
        positions = positions.iter().flat_map(|p| (0..shape[axis]).map(move |i| p + i * stride)).collect();
    }
    positions
}

/// For each element of `shape`, the row-major position in a tensor of sizes `from` of the same rank, where `index(axis, i)` is the index in it for index `i`.
pub(super) fn source_positions(
    from: &[usize],
    shape: &[usize],
    index: impl Fn(usize, usize) -> usize,
) -> Vec<usize> {
    let strides = contiguous_strides(from);
    let mut positions = vec![0usize];
    for axis in 0..shape.len() {
        let steps: Vec<usize> = (0..shape[axis]).map(|i| index(axis, i) * strides[axis]).collect();
        positions = positions.iter().flat_map(|p| steps.iter().map(move |s| p + s)).collect();
    }
    positions
}

/// The dimensions as sizes, which evaluation needs.
pub(super) fn sizes_of(dims: &[Dim]) -> Result<Vec<usize>, OpError> {
    let size = |d: &Dim| match d.as_const() {
        Some(v) => usize::try_from(v).map_err(|_| OpError::shape(format!("{v} is not a size"))),
        None => Err(OpError::unknown(format!("the size {d} is not bound"))),
    };
    dims.iter().map(size).collect()
}

/// Checks that input `i`, where its rank is known, has no axes.
pub(super) fn check_scalar(cx: &InferCx<'_>, i: usize, what: &str) -> Result<(), OpError> {
    match cx.shape(i) {
        Ok(shape) if !shape.is_empty() => {
            Err(OpError::shape(format!("{what} must be a scalar, its shape is {shape}")))
        }
        _ => Ok(()),
    }
}

/// Checks that input `i` is an i64 vector, as far as its rank is known.
pub(super) fn check_i64_vector(cx: &InferCx<'_>, i: usize, what: &str) -> Result<(), OpError> {
    let ty = cx.ty(i);
    if ty.dtype() == Some(DType::I64) && ty.shape().is_none_or(|s| s.len() == 1) {
        Ok(())
    } else {
        Err(OpError::dtype(format!("{what} must be an i64 vector, input {i} is {ty}")))
    }
}

/// The elements of an i64 vector.
pub(super) fn int_vector(tensor: &Tensor, what: &str) -> Result<Vec<Dim>, OpError> {
    match tensor.as_slice::<i64>() {
        Some(elements) if tensor.rank() == 1 => Ok(elements.iter().map(|v| Dim::from(*v)).collect()),
        _ => Err(OpError::dtype(format!(
            "{what} must be an i64 vector, it is {}{:?}",
            tensor.dtype(),
            tensor.shape()
        ))),
    }
}

/// Elements of known inputs, broadcast together, combined one by one.
pub(super) fn known_elementwise(cx: &InferCx<'_>, f: impl Fn(&[&Dim]) -> Option<Dim>) -> Option<SymTensor> {
    let inputs: Vec<&SymTensor> = (0..cx.len()).map(|i| cx.known(i)).collect::<Option<_>>()?;
    let shape = inputs.iter().try_fold(Vec::new(), |shape, k| broadcast_sizes(&shape, &k.shape))?;
    let positions: Vec<Vec<usize>> = inputs.iter().map(|k| positions_in(&k.shape, &shape)).collect();
    let count = shape.iter().product();
    let elements = (0..count)
        .map(|i| {
            let operands: Vec<&Dim> = inputs.iter().zip(&positions).map(|(k, p)| &k.elements[p[i]]).collect();
            f(&operands)
        })
        .collect::<Option<_>>()?;
    Some(SymTensor { shape, elements })
}

/// Known elements of another shape, each the one `source` names by its position.
pub(super) fn known_rearranged(
    known: &SymTensor,
    shape: &[usize],
    source: impl Fn(usize) -> usize,
) -> Option<SymTensor> {
    let count = shape.iter().try_fold(1usize, |p, s| p.checked_mul(*s)).filter(|n| *n <= SymTensor::LIMIT)?;
    let elements = (0..count).map(|i| known.elements.get(source(i)).cloned()).collect::<Option<_>>()?;
    Some(SymTensor { shape: shape.to_vec(), elements })
}

/// The expression, unless arithmetic may have met an end of `i64`: symbolic arithmetic saturates there, tensors wrap.
pub(super) fn exact(dim: Dim) -> Option<Dim> {
    (!dim.is(i64::MAX) && !dim.is(i64::MIN)).then_some(dim)
}

/// The dtype of input 0, which must be a float.
pub(super) fn float_dtype(cx: &InferCx<'_>, name: &str) -> Result<DType, OpError> {
    let dtype = cx.dtype(0)?;
    if dtype.is_float() { Ok(dtype) } else { Err(OpError::dtype(format!("{name} does not take {dtype}"))) }
}

/// The sizes of an evaluated result whose extents come from data or attributes: the product must be one that can be held in memory.
pub(super) fn bounded(sizes: Vec<usize>) -> Result<Vec<usize>, OpError> {
    /// No evaluated tensor may have more elements than this.
    const LIMIT: usize = 1 << 30;
    match sizes.iter().try_fold(1usize, |p, s| p.checked_mul(*s)) {
        Some(count) if count <= LIMIT => Ok(sizes),
        _ => Err(OpError::limit(format!("a result of sizes {sizes:?} is too large to evaluate"))),
    }
}

/// A formula on an f32 copy of floats of fewer bits, rounded once at its end; on others as they are.
pub(super) fn in_f32(
    cx: &mut dyn Emit,
    x: ValueId,
    formula: impl FnOnce(&mut dyn Emit, ValueId) -> Result<ValueId, OpError>,
) -> Result<ValueId, OpError> {
    let dtype = cx.dtype(x)?;
    if dtype.bits() >= 32 {
        return formula(cx, x);
    }
    let wide = cx.one(Cast { to: DType::F32 }, &[x])?;
    let result = formula(cx, wide)?;
    cx.one(Cast { to: dtype }, &[result])
}

/// Applies a function to each element of a tensor of floats.
pub(super) fn map_floats(name: &str, x: &Tensor, f: impl Fn(f64) -> f64) -> Result<Vec<Tensor>, OpError> {
    match x.to_elements() {
        Elements::Float(v) => Ok(vec![Tensor::from_elements(
            x.dtype(),
            x.shape(),
            Elements::Float(v.into_iter().map(f).collect()),
        )]),
        _ => Err(OpError::dtype(format!("{name} does not take {}", x.dtype()))),
    }
}

/// Applies a function to each element. `None` for a kind without a function.
pub(super) fn map_elements(
    name: &str,
    x: &Tensor,
    float: Option<fn(f64) -> f64>,
    int: Option<fn(i128) -> i128>,
    boolean: Option<fn(bool) -> bool>,
) -> Result<Vec<Tensor>, OpError> {
    let elements = match (x.to_elements(), float, int, boolean) {
        (Elements::Float(v), Some(f), ..) => Elements::Float(v.into_iter().map(f).collect()),
        (Elements::Int(v), _, Some(f), _) => Elements::Int(v.into_iter().map(f).collect()),
        (Elements::Bool(v), .., Some(f)) => Elements::Bool(v.into_iter().map(f).collect()),
        _ => return Err(OpError::dtype(format!("{name} does not take {}", x.dtype()))),
    };
    Ok(vec![Tensor::from_elements(x.dtype(), x.shape(), elements)])
}

/// Functions of two elements by kind, for [`zip_elements`].
#[derive(Clone, Copy, Default)]
pub(super) struct Zip {
    pub(super) float: Option<fn(f64, f64) -> f64>,
    pub(super) int: Option<fn(i128, i128, DType) -> Result<i128, OpError>>,
    pub(super) boolean: Option<fn(bool, bool) -> bool>,
    pub(super) complex: Option<fn([f64; 2], [f64; 2]) -> [f64; 2]>,
}

/// Applies a function to each pair of elements of two tensors of one dtype that broadcast together.
pub(super) fn zip_elements(name: &str, inputs: &[Tensor], zip: Zip) -> Result<Vec<Tensor>, OpError> {
    let (shape, positions) = broadcast_positions(inputs)?;
    let dtype = inputs[0].dtype();
    let pairs = || positions[0].iter().zip(&positions[1]);
    let elements = match (inputs[0].to_elements(), inputs[1].to_elements()) {
        (Elements::Float(a), Elements::Float(b)) if zip.float.is_some() => {
            let f = zip.float.expect("the guard asks for it");
            Elements::Float(pairs().map(|(i, j)| f(a[*i], b[*j])).collect())
        }
        (Elements::Int(a), Elements::Int(b)) if zip.int.is_some() => {
            let f = zip.int.expect("the guard asks for it");
            Elements::Int(pairs().map(|(i, j)| f(a[*i], b[*j], dtype)).collect::<Result<_, _>>()?)
        }
        (Elements::Bool(a), Elements::Bool(b)) if zip.boolean.is_some() => {
            let f = zip.boolean.expect("the guard asks for it");
            Elements::Bool(pairs().map(|(i, j)| f(a[*i], b[*j])).collect())
        }
        (Elements::Complex(a), Elements::Complex(b)) if zip.complex.is_some() => {
            let f = zip.complex.expect("the guard asks for it");
            Elements::Complex(pairs().map(|(i, j)| f(a[*i], b[*j])).collect())
        }
        _ => {
            return Err(OpError::dtype(format!("{name} does not take {} and {}", dtype, inputs[1].dtype())));
        }
    };
    Ok(vec![Tensor::from_elements(dtype, &shape, elements)])
}

/// Comparisons of two elements by kind, for [`compare_elements`].
#[derive(Clone, Copy)]
pub(super) struct Compare {
    pub(super) float: fn(f64, f64) -> bool,
    pub(super) int: fn(i128, i128) -> bool,
    pub(super) boolean: Option<fn(bool, bool) -> bool>,
    pub(super) complex: Option<fn([f64; 2], [f64; 2]) -> bool>,
    pub(super) string: Option<fn(&[u8], &[u8]) -> bool>,
}

impl Compare {
    /// Whether there is a comparison for elements of that dtype.
    pub(super) fn takes(&self, dtype: DType) -> bool {
        dtype.is_float()
            || dtype.is_int()
            || (dtype == DType::Bool && self.boolean.is_some())
            || (dtype.is_complex() && self.complex.is_some())
            || (dtype == DType::String && self.string.is_some())
    }
}

/// Compares each pair of elements of two tensors of one dtype that broadcast together.
pub(super) fn compare_elements(
    name: &str,
    inputs: &[Tensor],
    compare: Compare,
) -> Result<Vec<Tensor>, OpError> {
    let (shape, positions) = broadcast_positions(inputs)?;
    let pairs = || positions[0].iter().zip(&positions[1]);
    let unsupported =
        || OpError::dtype(format!("{name} does not take {} and {}", inputs[0].dtype(), inputs[1].dtype()));
    let result: Vec<bool> = match (inputs[0].to_elements(), inputs[1].to_elements()) {
        (Elements::Float(a), Elements::Float(b)) => {
            pairs().map(|(i, j)| (compare.float)(a[*i], b[*j])).collect()
        }
        (Elements::Int(a), Elements::Int(b)) => pairs().map(|(i, j)| (compare.int)(a[*i], b[*j])).collect(),
        (Elements::Bool(a), Elements::Bool(b)) => {
            let f = compare.boolean.ok_or_else(unsupported)?;
            pairs().map(|(i, j)| f(a[*i], b[*j])).collect()
        }
        (Elements::Complex(a), Elements::Complex(b)) => {
            let f = compare.complex.ok_or_else(unsupported)?;
            pairs().map(|(i, j)| f(a[*i], b[*j])).collect()
        }
        (Elements::String(a), Elements::String(b)) => {
            let f = compare.string.ok_or_else(unsupported)?;
            pairs().map(|(i, j)| f(&a[*i], &b[*j])).collect()
        }
        _ => return Err(unsupported()),
    };
    Ok(vec![Tensor::from_bools(&result, &shape)])
}

/// The elements of all inputs, one tensor after the other, as one vector.
pub(super) fn join(inputs: &[Tensor]) -> Result<Tensor, OpError> {
    let dtype = inputs[0].dtype();
    if inputs.iter().any(|t| t.dtype() != dtype) {
        return Err(OpError::dtype("all inputs must have one dtype"));
    }
    let shape = [inputs.iter().map(Tensor::elements).sum()];
    if dtype == DType::String {
        let strings = inputs.iter().flat_map(|t| t.strings().unwrap_or(&[]).iter().cloned()).collect();
        return Ok(Tensor::from_strings(strings, &shape));
    }
    if dtype.bits() >= 8 {
        let bytes: Vec<u8> = inputs.iter().flat_map(|t| t.bytes().iter().copied()).collect();
        return Tensor::from_bytes(dtype, &shape, bytes.into()).map_err(|e| OpError::value(e.to_string()));
    }
    let mut ints = Vec::new();
    let mut floats = Vec::new();
    for tensor in inputs {
        match tensor.to_elements() {
            Elements::Int(v) => ints.extend(v),
            Elements::Float(v) => floats.extend(v),
            _ => return Err(OpError::dtype("only numbers are packed")),
        }
    }
    let elements = if dtype.is_float() { Elements::Float(floats) } else { Elements::Int(ints) };
    Ok(Tensor::from_elements(dtype, &shape, elements))
}
