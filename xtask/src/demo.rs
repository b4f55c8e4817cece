//! `cargo xtask demo`: the main job end to end on the committed digits.

use crate::cmd::{at, build_satura, built, command, run as start, target};
use crate::driver::{self, Adapter};
use crate::flags::Flags;
use anyhow::{Result, ensure};

/// Builds the compiler and classifies the 1,000 test digits on the reference evaluator, the CPU and a GPU adapter.
pub(crate) fn run(flags: Flags) -> Result<()> {
    flags.finish()?;
    let satura = build_satura(true)?;
    let present = driver::devices(&satura)?;
    let mut devices: Vec<&str> =
        ["reference", "cpu"].into_iter().filter(|kind| driver::has_kind(&present, kind)).collect();
    match driver::ensure(&satura)? {
        Adapter::Ready(name) => {
            println!("GPU adapter: {name}");
            devices.push("gpu");
        }
        Adapter::Missing(why) => println!("the GPU is skipped: {why}"),
    }
    let out = target().join("demo");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let model = at("fixtures/mnist/teacher.onnx");
    let mut digits = command(built(true, "examples/digits"), &[]);
    start(digits.arg(&model).args(&devices))?;
    start(
        command(&satura, &["compile", "--shape", "image=100,1,28,28", "--target", "wgsl", "-o"])
            .arg(&out)
            .arg(&model),
    )?;
    let kernels = std::fs::read_dir(&out)?
        .flatten()
        .filter(|f| f.path().extension().is_some_and(|e| e == "wgsl"))
        .count();
    ensure!(kernels > 0, "no WGSL was written to {}", out.display());
    println!("{kernels} WGSL kernels and plan.json are in {}", out.display());
    Ok(())
}
