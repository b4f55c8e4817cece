//! The suite as folders under `target/onnx-suite`, written by the installed `onnx` package and kept until the package or the script changes.

use crate::cmd::{at, output, target};
use crate::python;
use anyhow::{Context, Result};
use std::path::PathBuf;

const SCRIPT: &str = "onnx_suite.py";

/// The suite's folder; written now if it is not there. The inner error says why there is none: no Python, or no package index.
pub(crate) fn ready() -> Result<std::result::Result<PathBuf, String>> {
    let suite = target().join("onnx-suite");
    let stamp = suite.join("made-by.txt");
    let made_by = made_by()?;
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == made_by) {
        return Ok(Ok(suite));
    }
    let mut script = match python::script(SCRIPT) {
        Ok(script) => script,
        Err(error) => return Ok(Err(format!("{error:#}"))),
    };
    if suite.exists() {
        std::fs::remove_dir_all(&suite).with_context(|| format!("cannot remove {}", suite.display()))?;
    }
    print!("{}", output(script.arg(&suite))?);
    std::fs::write(stamp, made_by)?;
    Ok(Ok(suite))
}

/// What the suite's content follows from: the script and the versions of the packages.
fn made_by() -> Result<String> {
    let script = std::fs::read_to_string(at("xtask/python").join(SCRIPT))?;
    Ok(format!("{}\n{script}", python::requirements()?))
}
