//! `satura conformance`: the ONNX backend suite from folders, in one process. For `cargo xtask conformance`.

use super::open;
use super::suite::{self, Case, Verdict};
use crate::args::ConformanceArgs;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::ir::Fallback;
use satura::{Device, LoadOptions, Session, compare_data, load};
use serde_json::{Value, json};

pub(crate) fn run(cx: &Context, args: &ConformanceArgs) -> Result<Outcome, Failure> {
    let device = open(cx, args.device)?;
    let cases = suite::judge_all(&args.suite, args.filter.as_deref(), |case, result| {
        let mut fallbacks = Vec::new();
        let judged = judge(case, &device, &mut fallbacks);
        let elsewhere: Vec<Value> = fallbacks
            .iter()
            .map(|f: &Fallback| json!({ "op": f.op, "node": f.node, "reason": f.reason }))
            .collect();
        result.insert("fallbacks".to_owned(), json!(elsewhere));
        judged
    })?;
    Ok(Outcome::done(format!("{:#}\n", json!({ "device": device.name(), "cases": cases }))))
}

/// Runs a case; what did not run on the device comes to `fallbacks`.
fn judge(case: &Case, device: &Device, fallbacks: &mut Vec<Fallback>) -> Result<(), Verdict> {
    let model = load(&case.model(), &LoadOptions::default())?;
    let mut session = Session::new(&model, device, Default::default());
    for set in case.sets()? {
        let inputs = suite::inputs(&set, &model.graph)?;
        let outputs = session.run(&inputs)?;
        let compiled = session.compile(&inputs)?;
        fallbacks.extend(compiled.report().fallbacks);
        let expected = suite::outputs(&set, &compiled.graph)?;
        if outputs.len() != expected.len() {
            return Err(Verdict::Fail(format!("{} outputs, expected {}", outputs.len(), expected.len())));
        }
        for ((name, actual), expected) in outputs.iter().zip(&expected) {
            let comparison = compare_data(actual, expected, case.tolerance(expected));
            if !comparison.same_type {
                let (actual, expected) = (actual.describe(), expected.describe());
                return Err(Verdict::Fail(format!("output {name} is {actual}, expected {expected}")));
            }
            if !comparison.agrees() {
                return Err(Verdict::Fail(format!("output {name}: {comparison}")));
            }
        }
    }
    Ok(())
}
