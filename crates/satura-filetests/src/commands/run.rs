//! `run`: each `; run: @f(args) == results` line holds on the reference evaluator, on the graph with every composite decomposed, and on every device; each
//! `; error: @f(args) ~ "message"` line is an error on both evaluators, with that message on the first.
//!
//! Header: `tolerance` names one of the tolerances; without it each dtype has its own. `skip = { cpu = "reason" }` leaves a device out, by name.

use crate::calls::{Call, Outcome, bindings_of, calls};
use crate::{Config, Device, Skips, TestFile};
use satura_ir::{ExecError, Executor, Graph, evaluate, legalize, verify};
use satura_tensor::{Tensor, Tolerance, tolerances};
use satura_testing::{check_close, tolerance_for};
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    tolerance: Option<String>,
    #[serde(default)]
    skip: BTreeMap<String, String>,
}

pub(super) fn run(file: &TestFile, config: &Config, skips: &Skips) -> Result<(), String> {
    let header: Header = file.header()?;
    let tolerance = header.tolerance.as_deref().map(named_tolerance).transpose()?;
    let module = file.module(&config.registry)?;
    let calls = calls(&file.text)?;
    if calls.is_empty() {
        return Err("no `; run:` or `; error:` line".to_owned());
    }
    for call in &calls {
        let graph = call.target(&module)?;
        check_call(graph, call, tolerance).map_err(|error| format!("line {}: {error}", call.line))?;
        let Outcome::Results(expected) = &call.outcome else { continue };
        for device in &config.devices {
            let Device::Ready(executor) = device else { continue };
            let name = executor.name();
            let what = format!("{}:{} on {name}", file.name, call.line);
            if let Some((_, reason)) = header.skip.iter().find(|(key, _)| name.starts_with(key.as_str())) {
                skips.add(&what, reason);
                continue;
            }
            match run_on(executor.as_ref(), graph, &call.arguments) {
                Ok(actual) => check(&actual, expected, tolerance)
                    .map_err(|error| format!("line {}, on {name}: {error}", call.line))?,
                Err(ExecError::Unsupported(reason)) => skips.add(&what, &reason),
                Err(error) => return Err(format!("line {}, on {name}: {error}", call.line)),
            }
        }
    }
    Ok(())
}

fn named_tolerance(name: &str) -> Result<Tolerance, String> {
    Ok(match name {
        "exact" => tolerances::EXACT,
        "f32_op" => tolerances::F32_OP,
        "rounding" => tolerances::ROUNDING,
        "model" => tolerances::MODEL,
        "recorded" => tolerances::RECORDED,
        "f16_op" => tolerances::F16_OP,
        "bf16_op" => tolerances::BF16_OP,
        _ => return Err(format!("there is no tolerance `{name}`")),
    })
}

/// On the reference evaluator, with symbols bound by the arguments' shapes: the graph as it is, and decomposed.
fn check_call(graph: &Graph, call: &Call, tolerance: Option<Tolerance>) -> Result<(), String> {
    let bound = graph.bind(&bindings_of(graph, &call.arguments)).map_err(|error| error.to_string());
    let direct =
        bound.clone().and_then(|bound| evaluate(&bound, &call.arguments).map_err(|error| error.to_string()));
    let decomposed = bound.and_then(|bound| decompose(bound, &call.arguments));
    match &call.outcome {
        Outcome::Any => Err("a `run` line needs `== results`".to_owned()),
        Outcome::Results(expected) => {
            check(&direct?, expected, tolerance)?;
            decomposed
                .and_then(|actual| check(&actual, expected, tolerance))
                .map_err(|error| format!("decomposed: {error}"))
        }
        Outcome::Error(message) => match (direct, decomposed) {
            (Ok(_), _) => Err(format!("it ran, an error with {message:?} was expected")),
            (Err(error), _) if !error.contains(message) => {
                Err(format!("the error is {error:?}, which lacks {message:?}"))
            }
            (Err(_), Ok(_)) => Err("decomposed, it ran without an error".to_owned()),
            (Err(_), Err(_)) => Ok(()),
        },
    }
}

fn decompose(mut bound: Graph, arguments: &[Tensor]) -> Result<Vec<Tensor>, String> {
    legalize(&mut bound, &|_| false).map_err(|error| error.to_string())?;
    verify(&bound).map_err(|errors| errors[0].to_string())?;
    evaluate(&bound, arguments).map_err(|error| error.to_string())
}

fn run_on(executor: &dyn Executor, graph: &Graph, arguments: &[Tensor]) -> Result<Vec<Tensor>, ExecError> {
    let bindings = bindings_of(graph, arguments);
    let prepared = satura_opt::prepare(graph, &bindings, &|op| executor.keeps(op))
        .map_err(|error| ExecError::Internal(error.to_string()))?;
    executor.compile(&prepared)?.run(arguments)
}

fn check(actual: &[Tensor], expected: &[Tensor], tolerance: Option<Tolerance>) -> Result<(), String> {
    if actual.len() != expected.len() {
        return Err(format!("{} results, {} expected", actual.len(), expected.len()));
    }
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let tolerance = tolerance.unwrap_or_else(|| tolerance_for(e.dtype()));
        check_close(a, e, tolerance).map_err(|error| format!("result {i}: {error}"))?;
    }
    Ok(())
}
