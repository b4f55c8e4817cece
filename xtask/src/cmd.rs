//! Starting programs, and the places that commands share.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_path_buf()
}

/// A path under the root.
pub(crate) fn at(path: impl AsRef<Path>) -> PathBuf {
    root().join(path)
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| at("target"), |dir| at(PathBuf::from(dir)))
}

/// A command that runs in the root.
pub(crate) fn command(program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// The `cargo` that runs this command.
pub(crate) fn cargo(args: &[&str]) -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// The command line, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut line = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// Prints the command line and runs it; failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives what it printed to standard output; failure is an error that shows what it printed to standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}):\n{}", shown(command), output.status, stderr.trim_end());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed bytes that are not text", shown(command)))
}

/// Whether a program can be started with these arguments and succeeds.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    command(program, args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds the `satura` binary of a profile and gives its path. One call builds for the whole workspace's choice of features, so that nothing is built twice when the
/// tests or the example follow.
pub(crate) fn build_satura(release: bool) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--locked", "--workspace", "--bin", "satura", "--example", "digits"]);
    if release {
        build.arg("--release");
    }
    run(&mut build)?;
    Ok(built(release, "satura"))
}

/// The path of a program in cargo's folder for a profile.
pub(crate) fn built(release: bool, program: &str) -> PathBuf {
    target()
        .join(if release { "release" } else { "debug" })
        .join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
}

/// Every file below `dir` that git tracks or would add, relative to the root, sorted.
pub(crate) fn files(dir: &str) -> Result<Vec<PathBuf>> {
    let list =
        output(&mut command("git", &["ls-files", "--cached", "--others", "--exclude-standard", "--", dir]))?;
    let mut files: Vec<PathBuf> = list.lines().map(PathBuf::from).filter(|p| at(p).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}
