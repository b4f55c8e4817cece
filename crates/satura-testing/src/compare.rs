//! Comparing tensors and runs; every message says where the first difference is.

use satura_ir::{Executor, Graph, Reference};
use satura_tensor::{DType, Elements, Tensor, Tolerance, compare, tolerances};

/// The tolerance for one operation on a dtype: a few units in the last place for floats, exact for the rest.
pub fn tolerance_for(dtype: DType) -> Tolerance {
    match dtype {
        DType::F16 => tolerances::F16_OP,
        DType::BF16 => tolerances::BF16_OP,
        _ if dtype.is_float() || dtype.is_complex() => tolerances::F32_OP,
        _ => tolerances::EXACT,
    }
}

/// Checks that `actual` is within `tolerance` of `expected`, in dtype and shape too.
pub fn check_close(actual: &Tensor, expected: &Tensor, tolerance: Tolerance) -> Result<(), String> {
    let comparison = compare(actual, expected, tolerance);
    if comparison.agrees() {
        return Ok(());
    }
    if !comparison.same_type {
        let of = |t: &Tensor| format!("{}{:?}", t.dtype(), t.shape());
        return Err(format!("got {}, expected {}", of(actual), of(expected)));
    }
    Err(comparison.to_string())
}

/// Checks that two tensors have the same bits; any NaN equals any NaN.
pub fn check_same_bits(actual: &Tensor, expected: &Tensor) -> Result<(), String> {
    if actual == expected {
        return Ok(());
    }
    check_close(actual, expected, tolerances::EXACT)?;
    let at = match (actual.to_elements(), expected.to_elements()) {
        (Elements::Float(a), Elements::Float(e)) => {
            (0..a.len()).find(|i| a[*i].is_sign_negative() != e[*i].is_sign_negative() && !a[*i].is_nan())
        }
        (Elements::Complex(a), Elements::Complex(e)) => {
            let differs = |x: f64, y: f64| x.is_sign_negative() != y.is_sign_negative() && !x.is_nan();
            (0..a.len()).find(|i| differs(a[*i][0], e[*i][0]) || differs(a[*i][1], e[*i][1]))
        }
        _ => None,
    };
    at.map_or(Ok(()), |at| Err(format!("element {at} is a zero of another sign")))
}

/// Runs two graphs on the reference evaluator and checks that they agree: within `tolerance`, or to the bit for `None`.
pub fn check_same_results(
    before: &Graph,
    after: &Graph,
    inputs: &[Tensor],
    tolerance: Option<Tolerance>,
) -> Result<(), String> {
    let run = |graph: &Graph, what: &str| {
        let run = Reference.compile(graph).and_then(|mut compiled| compiled.run(inputs));
        run.map_err(|error| format!("{what} does not run: {error}"))
    };
    let (expected, actual) = (run(before, "the graph before")?, run(after, "the graph after")?);
    if expected.len() != actual.len() {
        return Err(format!("{} outputs before, {} after", expected.len(), actual.len()));
    }
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let result = match tolerance {
            Some(tolerance) => check_close(a, e, tolerance),
            None => check_same_bits(a, e),
        };
        result.map_err(|error| format!("output {i}: {error}"))?;
    }
    Ok(())
}
