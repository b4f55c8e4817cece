//! The Python environment under `target/venv`: what models are compared with. Made on first use with the versions of `python/requirements.txt`.

use crate::cmd::{at, command, run, succeeds, target};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

const REQUIREMENTS: &str = "xtask/python/requirements.txt";

/// The packages of the environment, with their versions.
pub(crate) fn requirements() -> Result<String> {
    std::fs::read_to_string(at(REQUIREMENTS)).with_context(|| format!("cannot read {REQUIREMENTS}"))
}

/// The environment's interpreter; made, or made anew when the requirements changed.
pub(crate) fn interpreter() -> Result<PathBuf> {
    let venv = target().join("venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let wanted = requirements()?;
    let stamp = venv.join("requirements.installed.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let host = ["python3", "python"].into_iter().find(|p| succeeds(p, &["-c", "import venv, ensurepip"]));
    let Some(host) = host else {
        bail!(
            "this command needs Python 3 with `venv` and `pip` (on Debian and Ubuntu: apt-get install python3-venv)"
        );
    };
    run(command(host, &["-m", "venv", "--clear"]).arg(&venv))?;
    run(&mut command(
        &python,
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            // Without an index the answer should come soon.
            "--retries",
            "1",
            "--timeout",
            "30",
            "--only-binary",
            ":all:",
            "-r",
            REQUIREMENTS,
        ],
    ))
    .context("cannot install the Python packages: is a package index reachable?")?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

/// A script of `xtask/python` in the environment.
pub(crate) fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(interpreter()?);
    command.arg(at("xtask/python").join(name)).current_dir(crate::cmd::root());
    Ok(command)
}
