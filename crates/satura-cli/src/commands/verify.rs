//! `satura verify`: whether two models, or one model on two devices, give the same results.

use super::inspect::escaped;
use super::{load, open};
use crate::args::VerifyArgs;
use crate::inputs::values;
use crate::progress::spin;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::tensor::Tolerance;
use satura::{Compared, Side};
use std::fmt::Write;

pub(crate) fn run(cx: &Context, args: &VerifyArgs) -> Result<Outcome, Failure> {
    if !(args.rtol >= 0.0 && args.atol >= 0.0) {
        return Err(Failure::new("usage", "--rtol and --atol must be 0 or more"));
    }
    let a = load(cx, &args.a)?;
    let b = match &args.b {
        Some(path) => load(cx, path)?,
        None => a.clone(),
    };
    // Without any input file, random inputs are what is meant.
    let random = args.inputs.random.or(args.inputs.sizes.inputs.is_empty().then_some(0));
    let (inputs, dims) = values(&args.inputs.sizes, random, &a.graph)?;
    let (device_a, device_b) = (open(cx, args.device_a)?, open(cx, args.device_b)?);
    let tolerance = Tolerance::new(args.rtol, args.atol);
    let verdict = spin("comparing", || {
        let (a, b) = (Side { model: &a, device: &device_a }, Side { model: &b, device: &device_b });
        satura::verify(a, b, &inputs, &dims, tolerance)
    })?;
    let mut text = format!(
        "A on {}, B on {}; rtol {:e}, atol {:e}\n",
        device_a.name(),
        device_b.name(),
        args.rtol,
        args.atol
    );
    // Writing to a String cannot fail.
    let line = |text: &mut String, label: &str, c: &Compared| {
        let _ = writeln!(text, "{label} {}: {} {}", escaped(&c.name), c.ty, c.comparison);
    };
    for output in &verdict.outputs {
        line(&mut text, if output.comparison.agrees() { "same" } else { "DIFFERENT" }, output);
    }
    for name in &verdict.unmatched {
        let _ = writeln!(text, "DIFFERENT {}: only one side has this output", escaped(name));
    }
    if let Some(first) = &verdict.first_diverging {
        let _ =
            writeln!(text, "{} named tensors were compared in the order of computation", verdict.compared);
        line(&mut text, "first that differs:", first);
    }
    Ok(Outcome { text, holds: verdict.agrees() })
}
