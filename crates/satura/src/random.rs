//! Random inputs from a seed, the same on every machine.

use crate::bind::{BindError, Inputs, input_name};
use satura_ir::{Datum, Graph};
use satura_tensor::{Bindings, DType, Elements, Tensor};

/// A splitmix64 generator.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In -1 to 1, with 23 bits.
    fn signed_unit(&mut self) -> f64 {
        (self.next() >> 41) as f64 / (1u64 << 22) as f64 - 1.0
    }
}

/// The values in `given`, and a random tensor for every other input of the graph: floats uniform in -1 to 1, integers 0 to 7 (0 or 1 for types of fewer bits), truth values fair.
///
/// Every symbol of the inputs must have a value in `bindings`.
pub fn random_inputs(
    graph: &Graph,
    bindings: &Bindings,
    seed: u64,
    given: &Inputs,
) -> Result<Inputs, BindError> {
    let mut inputs = given.clone();
    for (position, id) in graph.inputs().iter().enumerate() {
        let name = input_name(graph, *id);
        if given.contains_key(&name) {
            continue;
        }
        // A generator for each input, so that its values do not depend on which others are given.
        let mut rng = Rng(seed ^ (position as u64).wrapping_mul(0xd6e8_feb8_6659_fd93));
        let ty = graph.ty(*id).bind(bindings);
        let not_random = || BindError::NotRandom { name: name.clone(), declared: ty.to_string() };
        let symbols = ty.symbols();
        if !symbols.is_empty() {
            return Err(BindError::Unbound {
                symbols: symbols.iter().map(|s| s.name().to_owned()).collect(),
            });
        }
        let (Some(dtype), Some(sizes)) = (ty.dtype(), ty.sizes()) else { return Err(not_random()) };
        let count = sizes
            .iter()
            .try_fold(1usize, |product, size| product.checked_mul(*size))
            .filter(|count| dtype.byte_len(*count).is_some_and(|bytes| bytes < isize::MAX as usize / 2))
            .ok_or_else(not_random)?;
        let tensor = random_tensor(&mut rng, dtype, &sizes, count).ok_or_else(not_random)?;
        inputs.insert(name, Datum::Tensor(tensor));
    }
    Ok(inputs)
}

fn random_tensor(rng: &mut Rng, dtype: DType, sizes: &[usize], count: usize) -> Option<Tensor> {
    let elements = match dtype {
        DType::String => return None,
        DType::Bool => Elements::Bool((0..count).map(|_| rng.next() & 1 == 1).collect()),
        _ if dtype.is_complex() => {
            Elements::Complex((0..count).map(|_| [rng.signed_unit(), rng.signed_unit()]).collect())
        }
        _ if dtype.is_float() => Elements::Float((0..count).map(|_| rng.signed_unit()).collect()),
        _ => {
            let bound = if dtype.bits() < 8 { 2 } else { 8 };
            Elements::Int((0..count).map(|_| i128::from(rng.next() % bound)).collect())
        }
    };
    Some(Tensor::from_elements(dtype, sizes, elements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use satura_ir::Type;
    use satura_tensor::{Dim, Symbol};

    #[test]
    fn a_seed_fixes_every_element() {
        let mut graph = Graph::new("g");
        graph.add_input("x", Type::tensor(DType::F32, vec![Dim::symbol("N"), Dim::from(3)]));
        graph.add_input("i", Type::of(DType::I64, &[4]));
        let bindings = Bindings::from([(Symbol::new("N"), 2)]);
        let a = random_inputs(&graph, &bindings, 7, &Inputs::new()).expect("sizes are known");
        assert_eq!(a, random_inputs(&graph, &bindings, 7, &Inputs::new()).expect("sizes are known"));
        assert_ne!(a, random_inputs(&graph, &bindings, 8, &Inputs::new()).expect("sizes are known"));
        let [x, i] = ["x", "i"].map(|name| a[name].as_tensor().expect("a tensor"));
        assert_eq!(x.shape(), [2, 3]);
        let x = x.as_slice::<f32>().expect("is f32");
        assert!(x.iter().all(|v| v.abs() <= 1.0) && x.iter().any(|v| *v < 0.0));
        assert!(i.as_slice::<i64>().expect("is i64").iter().all(|v| (0..8).contains(v)));
        let given = Inputs::from([("x".to_owned(), Tensor::scalar(1.0f32).into())]);
        let mixed = random_inputs(&graph, &bindings, 7, &given).expect("sizes are known");
        assert_eq!((&mixed["x"], &mixed["i"]), (&given["x"], &a["i"]));
        assert!(matches!(
            random_inputs(&graph, &Bindings::new(), 7, &Inputs::new()),
            Err(BindError::Unbound { .. })
        ));
    }
}
