//! Timings as paired ratios: each round times onnxruntime and then Satura, so that both see the same machine; the median of the rounds' ratios counts.

use super::Case;
use crate::cmd::{command, output};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt;
use std::path::Path;

/// Rounds of a pair.
const ROUNDS: usize = 3;
/// Runs that one median is taken over.
const RUNS: usize = 9;

/// Satura's time over onnxruntime's, both on 2 threads.
pub(crate) struct Ratio {
    case: String,
    device: String,
    /// One per round, ascending.
    ratios: Vec<f64>,
    milliseconds: f64,
    reference_milliseconds: f64,
}

impl Ratio {
    /// The median of the rounds.
    pub(crate) fn median(&self) -> f64 {
        self.ratios[self.ratios.len() / 2]
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on {}: {:.2} x onnxruntime on 2 threads (rounds {:.2} to {:.2}; {:.2} ms against {:.2} ms)",
            self.case,
            self.device,
            self.median(),
            self.ratios[0],
            self.ratios[self.ratios.len() - 1],
            self.milliseconds,
            self.reference_milliseconds
        )
    }
}

/// Measures one pair.
pub(crate) fn ratio(satura: &Path, case: &Case, model: &Path, device: &str) -> Result<Ratio> {
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        let (inputs, reference) = case.reference(model, RUNS)?;
        let mut bench =
            command(satura, &["bench", "--json", "--device", device, "--runs", &RUNS.to_string()]);
        bench.env("RAYON_NUM_THREADS", "2").arg(model).args(inputs);
        let result: Value = serde_json::from_str(&output(&mut bench)?)?;
        let own = result["median_ms"].as_f64().context("satura bench gives no median_ms")?;
        pairs.push((own / reference, own, reference));
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (_, milliseconds, reference_milliseconds) = pairs[pairs.len() / 2];
    let ratios = pairs.into_iter().map(|pair| pair.0).collect();
    Ok(Ratio {
        case: case.name.clone(),
        device: device.to_owned(),
        ratios,
        milliseconds,
        reference_milliseconds,
    })
}
