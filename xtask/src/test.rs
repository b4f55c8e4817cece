//! `cargo xtask test`: everything that must hold before a change goes in.

use crate::cmd::{build_satura, cargo, run as start, succeeds};
use crate::driver::{self, Adapter};
use crate::flags::Flags;
use crate::{conformance, regress, shapes, tidy};
use anyhow::{Result, bail};

/// Runs all checks in order of their price and reports every one that failed.
pub(crate) fn run(flags: Flags) -> Result<()> {
    flags.finish()?;
    let mut steps = Steps::default();
    steps.step("format", || start(&mut cargo(&["fmt", "--all", "--check"])));
    steps.step("tidy", tidy::check);
    steps.step("clippy", || {
        start(&mut cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    });
    // The tests start the binary too, so building it first costs nothing.
    let satura = build_satura(false)?;
    let gpu = match driver::ensure(&satura)? {
        Adapter::Ready(name) => {
            println!("GPU tests run on: {name}");
            true
        }
        Adapter::Missing(why) => {
            println!("GPU tests are skipped: {why}");
            steps.skipped.push(format!("GPU tests ({why})"));
            false
        }
    };
    let require_gpu = |command: &mut std::process::Command| {
        if gpu {
            command.env("SATURA_REQUIRE_GPU", "1");
        }
        start(command)
    };
    steps.step("regression gates", || regress::fixtures(&satura, gpu));
    let mut no_suite = None;
    steps.step("ONNX backend suite", || {
        no_suite = conformance::check(&satura, gpu)?;
        Ok(())
    });
    steps.skipped.extend(no_suite.map(|why| format!("ONNX backend suite ({why})")));
    let mut no_judge = None;
    steps.step("shape inference", || {
        no_judge = shapes::check(&satura)?;
        Ok(())
    });
    steps.skipped.extend(no_judge.map(|why| format!("shape inference ({why})")));
    steps.step("doc tests", || start(&mut cargo(&["test", "--locked", "--workspace", "--doc", "--quiet"])));
    // Last, so that the runner's own summary stands near the end.
    let nextest = succeeds("cargo", &["nextest", "--version"]);
    steps.step("tests", || {
        if nextest {
            require_gpu(&mut cargo(&["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]))
        } else {
            require_gpu(&mut cargo(&["test", "--locked", "--workspace", "--all-targets", "--no-fail-fast"]))
        }
    });
    steps.finish()
}

#[derive(Default)]
struct Steps {
    passed: Vec<&'static str>,
    failed: Vec<&'static str>,
    skipped: Vec<String>,
}

impl Steps {
    fn step(&mut self, name: &'static str, check: impl FnOnce() -> Result<()>) {
        println!("== {name}");
        match check() {
            Ok(()) => self.passed.push(name),
            Err(error) => {
                println!("{name}: {error:#}");
                self.failed.push(name);
            }
        }
    }

    fn finish(self) -> Result<()> {
        println!();
        for skipped in &self.skipped {
            println!("skipped: {skipped}");
        }
        println!(
            "checks ({}): {} passed, {} failed, {} skipped",
            self.passed.iter().chain(&self.failed).copied().collect::<Vec<_>>().join(", "),
            self.passed.len(),
            self.failed.len(),
            self.skipped.len()
        );
        if !self.failed.is_empty() {
            bail!("failed: {}", self.failed.join(", "));
        }
        Ok(())
    }
}
