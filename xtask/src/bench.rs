//! `cargo xtask bench`: speed as ratios measured side by side, against naive schedules of the same kernels and against onnxruntime, and what reading a large model takes.

use crate::cmd::{build_satura, cargo, run as start};
use crate::driver::{self, Adapter};
use crate::flags::Flags;
use crate::{footprint, models, regress};
use anyhow::Result;

/// The models that are timed against onnxruntime.
const TIMED: &str = "ocr-";

/// Reads a large model, runs the criterion bench, then the models.
pub(crate) fn run(mut flags: Flags) -> Result<()> {
    let no_models = flags.switch("no-models")?;
    flags.finish()?;
    let satura = build_satura(true)?;
    let gpu = match driver::ensure(&satura)? {
        Adapter::Ready(name) => {
            println!("GPU adapter: {name}");
            true
        }
        Adapter::Missing(why) => {
            println!("the GPU is skipped: {why}");
            false
        }
    };
    footprint::measure(&satura)?;
    start(&mut cargo(&["bench", "--locked", "--package", "satura-benches", "--bench", "kernels"]))?;
    if no_models {
        return Ok(());
    }
    let dir = models::ready()?;
    for case in regress::manifest()?.iter().filter(|c| c.name.starts_with(TIMED)) {
        for device in ["cpu", "gpu"].into_iter().filter(|d| *d != "gpu" || gpu) {
            println!("{}", regress::ratio(&satura, case, &case.path(Some(&dir)), device)?);
        }
    }
    Ok(())
}
