//! `pass`: the graphs after a pipeline, after `; expect:`; and each graph computes the same before and after, under the pipeline's weakest contract.
//!
//! Header: `pass` is the pipeline; `dims = { N = 4 }` binds symbols before it; `seed` seeds the random inputs.
//! Each graph runs on plain random inputs and, where the contract is exact, on nasty ones too; `; run: @f(args)` lines give inputs instead, where random ones would be out of range. Symbols
//! that are still free become 3 for the numeric check.

use crate::calls::{bindings_of, calls};
use crate::{Config, Skips, TestFile};
use satura_ir::{Graph, print_graph};
use satura_pass::{Contract, RunConfig, VerifyLevel};
use satura_tensor::{Bindings, Symbol, Tensor, Tolerance, tolerances};
use satura_testing::{Rng, Values, bind_symbols, check_same_results, random_inputs};
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    pass: String,
    #[serde(default)]
    dims: BTreeMap<String, i64>,
    #[serde(default)]
    seed: u64,
}

/// The pipeline text of a `pass` file.
pub(crate) fn pass_text(file: &TestFile) -> Option<String> {
    file.header::<Header>().ok().map(|header| header.pass)
}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let header: Header = file.header()?;
    let manager = config.manager();
    let pipeline = manager.parse(&header.pass).map_err(|error| error.to_string())?;
    let bindings: Bindings = header.dims.iter().map(|(name, size)| (Symbol::new(name), *size)).collect();
    let calls = calls(&file.text)?;
    let mut texts = Vec::new();
    for graph in file.module(&config.registry)?.graphs {
        let before = graph.bind(&bindings).map_err(|error| error.to_string())?;
        let mut after = before.clone();
        let run_config = RunConfig { verify: VerifyLevel::Patch, ..RunConfig::default() };
        let report = manager.run(&pipeline, &mut after, &run_config).map_err(|error| error.to_string())?;
        texts.push(print_graph(&after));
        let given: Vec<Vec<Tensor>> =
            calls.iter().filter(|call| call.graph == graph.name).map(|call| call.arguments.clone()).collect();
        check_numbers(&before, &after, report.contract, given, header.seed)
            .map_err(|error| format!("@{}, {} contract: {error}", graph.name, report.contract))?;
    }
    file.check_expected(&texts.join("\n"))
}

/// How far results may be apart under a contract; `None` is not at all. A lossy pass states its own metric, and is checked by its own tests.
fn tolerance_of(contract: Contract) -> Option<Option<Tolerance>> {
    match contract {
        Contract::Exact => Some(None),
        Contract::Rounding => Some(Some(tolerances::ROUNDING)),
        Contract::Lossy { .. } => None,
    }
}

fn check_numbers(
    before: &Graph,
    after: &Graph,
    contract: Contract,
    given: Vec<Vec<Tensor>>,
    seed: u64,
) -> Result<(), String> {
    let Some(tolerance) = tolerance_of(contract) else { return Ok(()) };
    let mut rng = Rng::new(seed);
    let at = |bindings: &Bindings| -> Result<(Graph, Graph), String> {
        let bind = |graph: &Graph| graph.bind(bindings).map_err(|error| error.to_string());
        Ok((bind(before)?, bind(after)?))
    };
    if !given.is_empty() {
        return given.iter().try_for_each(|inputs| {
            let (before, after) = at(&bindings_of(before, inputs))?;
            check_same_results(&before, &after, inputs, tolerance)
        });
    }
    let (before, after) = at(&bind_symbols(before, &Bindings::new()))?;
    let plain = random_inputs(&before, &mut rng, Values::Plain)?;
    check_same_results(&before, &after, &plain, tolerance)?;
    if contract == Contract::Exact {
        let nasty = random_inputs(&before, &mut rng, Values::Nasty)?;
        check_same_results(&before, &after, &nasty, tolerance)
            .map_err(|error| format!("nasty inputs: {error}"))?;
    }
    Ok(())
}
