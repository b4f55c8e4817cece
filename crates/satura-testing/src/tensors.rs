//! Random tensors, and inputs for graphs.

use crate::Rng;
use satura_ir::{Graph, Type};
use satura_tensor::{Bindings, DType, Elements, Tensor};

/// Which values a random tensor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Floats in `-1..1`, integers in `-8..8` (`0..16` unsigned), coin-toss bools.
    Plain,
    /// [`Plain`](Values::Plain) with every fourth element taken from the edges: NaN, infinities, both zeros, the least subnormal, the greatest and the least
    /// value of the type.
    Nasty,
}

/// A random tensor of a dtype and shape.
pub fn random_tensor(rng: &mut Rng, dtype: DType, shape: &[usize], values: Values) -> Tensor {
    let count: usize = shape.iter().product();
    let nasty = |rng: &mut Rng| values == Values::Nasty && rng.one_in(4);
    let float = |rng: &mut Rng| {
        const EDGES: [f64; 8] = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            1.401_298_464_324_817e-45,
            3.0e38,
            -3.0e38,
        ];
        if nasty(rng) { *rng.pick(&EDGES) } else { rng.unit() }
    };
    let elements = if dtype.is_float() {
        Elements::Float((0..count).map(|_| float(rng)).collect())
    } else if dtype.is_complex() {
        Elements::Complex((0..count).map(|_| [float(rng), float(rng)]).collect())
    } else if dtype == DType::Bool {
        Elements::Bool((0..count).map(|_| rng.one_in(2)).collect())
    } else if let Some((least, greatest)) = dtype.int_range() {
        let low = if least < 0 { -8 } else { 0 };
        let int = |rng: &mut Rng| {
            let plain = (rng.below(16) as i128 + low).clamp(least, greatest);
            if nasty(rng) { *rng.pick(&[least, greatest, 0]) } else { plain }
        };
        Elements::Int((0..count).map(|_| int(rng)).collect())
    } else {
        Elements::String((0..count).map(|_| format!("s{}", rng.below(4)).into_bytes().into()).collect())
    };
    Tensor::from_elements(dtype, shape, elements)
}

/// Random inputs for a graph whose inputs have known sizes; the error names the first that has not.
pub fn random_inputs(graph: &Graph, rng: &mut Rng, values: Values) -> Result<Vec<Tensor>, String> {
    let one = |ty: &Type, rng: &mut Rng| match (ty.dtype(), ty.sizes()) {
        (Some(dtype), Some(sizes)) => Ok(random_tensor(rng, dtype, &sizes, values)),
        _ => Err(format!("an input of type {ty} has no known sizes")),
    };
    graph.inputs().iter().map(|id| one(graph.ty(*id), rng)).collect()
}

/// Sizes for the symbols of a graph's inputs: those given, else 3.
pub fn bind_symbols(graph: &Graph, given: &Bindings) -> Bindings {
    let mut bindings = given.clone();
    for symbol in graph.symbols() {
        bindings.entry(symbol).or_insert(3);
    }
    bindings
}
