//! The suite as folders under `target/onnx-suite`, kept until a package or a script changes: the cases of the installed `onnx` package, and, as the kind `microsoft`, those of the
//! domain `com.microsoft`, whose results are what the installed `onnxruntime` gives.

use crate::cmd::{at, files, output, target};
use crate::python;
use anyhow::{Context, Result};
use std::path::PathBuf;

const SCRIPTS: [&str; 2] = ["onnx_suite.py", "microsoft_suite.py"];

/// What the second script reads.
const TABLES: &str = "xtask/python/microsoft_cases";

/// The suite's folder; written now if it is not there. The inner error says why there is none: no Python, or no package index.
pub(crate) fn ready() -> Result<std::result::Result<PathBuf, String>> {
    let suite = target().join("onnx-suite");
    let stamp = suite.join("made-by.txt");
    let made_by = made_by()?;
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == made_by) {
        return Ok(Ok(suite));
    }
    if let Err(error) = python::interpreter() {
        return Ok(Err(format!("{error:#}")));
    }
    if suite.exists() {
        std::fs::remove_dir_all(&suite).with_context(|| format!("cannot remove {}", suite.display()))?;
    }
    for script in SCRIPTS {
        print!("{}", output(python::script(script)?.arg(&suite))?);
    }
    std::fs::write(stamp, made_by)?;
    Ok(Ok(suite))
}

/// What the suite's content follows from: the scripts and the versions of the packages.
fn made_by() -> Result<String> {
    let mut text = python::requirements()?;
    let scripts = SCRIPTS.iter().map(|script| PathBuf::from("xtask/python").join(script));
    for path in scripts.chain(files(TABLES)?) {
        text.push('\n');
        text.push_str(
            &std::fs::read_to_string(at(&path)).with_context(|| format!("cannot read {}", path.display()))?,
        );
    }
    Ok(text)
}
