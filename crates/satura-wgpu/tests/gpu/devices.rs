//! Choosing adapters, the pipeline cache on disk, and devices that fail.

use crate::common::{Plans, compile, elementwise, run, skipped};
use satura_ir::{ExecError, Runnable};
use satura_kernel::{BinaryOp, DeviceClass, Storage};
use satura_tensor::{DType, Tensor};
use satura_wgpu::{
    AdapterChoice, AdapterError, AdapterKind, CacheDir, CompileStats, Gpu, PlanOptions, adapters, test_gpu,
};
use std::path::{Path, PathBuf};

#[test]
fn adapters_are_chosen_by_kind_and_by_name() {
    let Some(gpu) = test_gpu() else { return };
    let all = adapters();
    assert!(all.is_sorted_by_key(|a| a.kind), "{all:?}");
    assert!(all.contains(gpu.info()));

    let automatic = Gpu::open_with_cache(&AdapterChoice::Auto, &CacheDir::Off).expect("there is an adapter");
    assert_eq!(automatic.info(), &all[0]);
    let only_software = all.iter().all(|a| a.kind == AdapterKind::Cpu);
    assert!(
        automatic.info().kind != AdapterKind::Cpu || only_software,
        "software although there is a GPU: {all:?}"
    );

    let part: String = all[0].name.to_uppercase().chars().skip(1).collect();
    let named =
        Gpu::open_with_cache(&AdapterChoice::from_text(&part), &CacheDir::Off).expect("part of a name");
    assert_eq!(named.info(), &all[0]);
    let missing = Gpu::open_with_cache(&AdapterChoice::from_text("no such adapter"), &CacheDir::Off);
    match missing.map(|gpu| gpu.info().clone()) {
        Err(AdapterError::NoMatch { available, .. }) => assert_eq!(available.len(), all.len()),
        other => panic!("expected no match, got {other:?}"),
    }
}

#[test]
fn profiles_tell_the_class_and_the_limits() {
    let Some(gpu) = test_gpu() else { return };
    let profile = gpu.profile();
    assert_eq!(profile.class == DeviceClass::Cpu, gpu.info().kind == AdapterKind::Cpu);
    assert!(profile.max_bindings >= 8 && profile.max_workgroup_size >= 256, "{profile:?}");
    assert!(
        profile.binding_alignment.is_power_of_two() && profile.max_groups_per_dimension >= 65535,
        "{profile:?}"
    );
}

/// A plan of `kernels` different kernels.
fn plan(kernels: u32) -> Plans {
    let n = 100;
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[n], Storage::F32);
    for i in 0..kernels {
        let out = p.output(DType::F32, &[n], Storage::F32);
        let kernel = elementwise("add", n, &[Storage::F32], Storage::F32, 1, |b, v| {
            let constant = b.f32(i as f32);
            b.binary(BinaryOp::Add, v[0], constant)
        });
        let kernel = p.kernel(kernel);
        p.dispatch(kernel, &[x, out], &[]);
    }
    p
}

/// A directory of this test, empty at start and removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Left over by a run that was stopped, or not there.
        drop(std::fs::remove_dir_all(&dir));
        Scratch(dir)
    }

    /// The one file in it.
    fn file(&self) -> PathBuf {
        let entries: Vec<_> =
            std::fs::read_dir(&self.0).expect("the directory").map(|e| e.expect("an entry")).collect();
        assert_eq!(entries.len(), 1, "temporary files are left: {entries:?}");
        entries[0].path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Opens the device anew, as another process would, and compiles a plan of so many kernels.
fn compile_anew(dir: &Path, kernels: u32) -> (CompileStats, Vec<String>) {
    let gpu = Gpu::open_with_cache(&AdapterChoice::from_env(), &CacheDir::At(dir.to_owned()))
        .expect("it opened before");
    let p = plan(kernels);
    let mut compiled = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles");
    let y = compiled.run(&[Tensor::from_vec(vec![1.0f32; 100], &[100])]).expect("the plan runs");
    for (i, y) in y.iter().enumerate() {
        assert_eq!(*y, Tensor::from_vec(vec![1.0 + i as f32; 100], &[100]));
    }
    (compiled.stats(), gpu.notes())
}

#[track_caller]
fn check_counts(dir: &Path, kernels: u32, from_cache: usize, built: usize, note: Option<&str>) {
    let (stats, notes) = compile_anew(dir, kernels);
    assert_eq!((stats.from_cache, stats.built), (from_cache, built), "{stats:?} {notes:?}");
    assert_eq!(stats.pipelines, kernels as usize);
    match note {
        Some(part) => assert!(notes.iter().any(|n| n.contains(part)), "{notes:?}"),
        None => assert_eq!(notes, Vec::<String>::new()),
    }
}

/// Whether the adapter's driver has a pipeline cache at all.
fn has_cache(gpu: &Gpu) -> bool {
    gpu.info().features.iter().any(|f| f.contains("PIPELINE_CACHE"))
}

#[test]
fn the_second_process_builds_no_pipeline() {
    let Some(gpu) = test_gpu() else { return };
    if !has_cache(&gpu) {
        skipped("the driver has no pipeline cache");
        return;
    }
    let scratch = Scratch::new("pipeline-cache-counts");
    check_counts(&scratch.0, 3, 0, 3, None);
    check_counts(&scratch.0, 3, 3, 0, None);
    check_counts(&scratch.0, 5, 3, 2, None);
    check_counts(&scratch.0, 5, 5, 0, None);
    scratch.file();
}

#[test]
fn damaged_cache_files_are_ignored() {
    let Some(gpu) = test_gpu() else { return };
    if !has_cache(&gpu) {
        skipped("the driver has no pipeline cache");
        return;
    }
    let scratch = Scratch::new("pipeline-cache-damage");
    check_counts(&scratch.0, 2, 0, 2, None);
    let path = scratch.file();
    let good = std::fs::read(&path).expect("the cache file");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x40;
    for bad in [&b""[..], &b"not a cache"[..], &good[..good.len() - 1], &flipped] {
        std::fs::write(&path, bad).expect("writable");
        check_counts(&scratch.0, 2, 0, 2, Some("ignored"));
        // Replaced by a good one.
        check_counts(&scratch.0, 2, 2, 0, None);
    }
    std::fs::remove_file(&path).expect("removable");
    std::fs::create_dir(&path).expect("writable");
    check_counts(&scratch.0, 2, 0, 2, Some("cannot be written"));
}

#[test]
fn a_cache_that_cannot_be_written_is_only_a_note() {
    let Some(gpu) = test_gpu() else { return };
    if !has_cache(&gpu) {
        skipped("the driver has no pipeline cache");
        return;
    }
    let scratch = Scratch::new("pipeline-cache-blocked");
    std::fs::create_dir_all(&scratch.0).expect("writable");
    let file = scratch.0.join("file");
    std::fs::write(&file, "in the way").expect("writable");
    check_counts(&file, 1, 0, 1, Some("cannot be"));
}

#[test]
fn a_lost_device_is_an_error() {
    let Some(gpu) = test_gpu() else { return };
    let p = plan(1);
    let input = Tensor::from_vec(vec![1.0f32; 100], &[100]);
    let mut compiled = compile(&gpu, &p.plan, &PlanOptions::default()).expect("the plan compiles");
    compiled.run(std::slice::from_ref(&input)).expect("the plan runs");
    gpu.lose();
    let error = compiled.run(&[input]).expect_err("the device is gone");
    assert!(matches!(error, ExecError::Device(_)), "{error}");
    let error = compile(&gpu, &p.plan, &PlanOptions::default()).map(|_| ()).expect_err("the device is gone");
    assert!(matches!(error, ExecError::Device(_)), "{error}");
    // Another opening of the same adapter is not concerned.
    let again = test_gpu().expect("it opened before");
    run(&again, &p.plan, &[Tensor::from_vec(vec![1.0f32; 100], &[100])]);
}
