//! Kernels to compute pipelines. Must hold: equal kernels become one pipeline, and which pipelines exist never depends on the order in which threads finish.

use crate::cache;
use crate::gpu::{Gpu, lock};
use satura_ir::ExecError;
use satura_kernel::{Access, Kernel};
use satura_wgsl::{ParamSpace, WgslOptions, grid, to_wgsl};
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What compiling a plan took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompileStats {
    /// Different pipelines.
    pub pipelines: usize,
    /// Pipelines that the pipeline cache already had, from an earlier process or an earlier plan. Some drivers put nothing into that cache because they have one of
    /// their own, which nobody can ask: for them this counts the kernels that the same driver compiled before, and `warm_up_ms` shows whether it still had them.
    pub from_cache: usize,
    /// Pipelines built from scratch.
    pub built: usize,
    /// Wall time of building them, in ms.
    pub compile_ms: f64,
    /// Wall time of the warm-up, in ms; 0 without one. Drivers that compile a kernel at its first start do it here.
    pub warm_up_ms: f64,
}

/// A pipeline with what a dispatch of it needs.
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
    /// Workgroups in each dimension.
    pub(crate) grid: [u32; 3],
    /// Whether parameters come from a uniform buffer, bound after the storage buffers.
    pub(crate) uniform: bool,
}

/// What is bound to a pipeline: pipelines of equal signatures share their layouts.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Signature {
    buffers: Vec<Access>,
    immediate_bytes: u32,
    uniform: bool,
}

/// A kernel's text and signature.
struct Source<'a> {
    kernel: &'a Kernel,
    text: String,
    signature: Signature,
    hash: u64,
}

/// All pipelines of a plan.
pub(crate) struct Pipelines {
    pub(crate) pipelines: Vec<Pipeline>,
    /// For each kernel, its pipeline.
    pub(crate) of_kernel: Vec<usize>,
    pub(crate) stats: CompileStats,
}

/// Builds the pipelines of kernels, on all cores. With `checked`, the device guards accesses, loops and divisions.
pub(crate) fn build(gpu: &Gpu, kernels: &[Kernel], checked: bool) -> Result<Pipelines, ExecError> {
    let start = Instant::now();
    let mut sources: Vec<Source> = Vec::new();
    let mut by_text: HashMap<(String, u32), usize> = HashMap::new();
    let mut of_kernel = Vec::new();
    for kernel in kernels {
        let source = source(gpu, kernel, checked)?;
        let index = *by_text.entry((source.text.clone(), kernel.groups)).or_insert_with(|| {
            sources.push(source);
            sources.len() - 1
        });
        of_kernel.push(index);
    }
    let layouts = layouts(gpu, &sources)?;

    let next = AtomicUsize::new(0);
    let built: Mutex<Vec<Option<Result<Pipeline, ExecError>>>> =
        Mutex::new(sources.iter().map(|_| None).collect());
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(sources.len()).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(index) else { break };
                    let pipeline = pipeline(gpu, source, &layouts[&source.signature], checked);
                    lock(&built)[index] = Some(pipeline);
                }
            });
        }
    });

    let mut stats = CompileStats { pipelines: sources.len(), ..CompileStats::default() };
    let mut pipelines = Vec::new();
    for (source, result) in sources.iter().zip(std::mem::take(&mut *lock(&built))) {
        let pipeline =
            result.unwrap_or_else(|| Err(ExecError::internal("a thread ended without its pipeline")))?;
        if gpu.pipelines().add(source.hash) {
            stats.from_cache += 1;
        } else {
            stats.built += 1;
        }
        pipelines.push(pipeline);
    }
    if stats.built > 0 {
        gpu.pipelines().save();
    }
    stats.compile_ms = start.elapsed().as_secs_f64() * 1e3;
    Ok(Pipelines { pipelines, of_kernel, stats })
}

fn source<'a>(gpu: &Gpu, kernel: &'a Kernel, checked: bool) -> Result<Source<'a>, ExecError> {
    let invalid = |e: satura_kernel::KernelError| ExecError::Internal(e.to_string());
    satura_kernel::verify(kernel).map_err(invalid)?;
    let profile = gpu.profile();
    satura_kernel::fits(kernel, &profile).map_err(invalid)?;
    let bytes = kernel.params * 4;
    let immediate = gpu.has(wgpu::Features::IMMEDIATES) && bytes <= gpu.device().limits().max_immediate_size;
    let options = WgslOptions {
        params: if immediate { ParamSpace::Immediate } else { ParamSpace::Uniform },
        max_groups_per_dimension: profile.max_groups_per_dimension,
        ..WgslOptions::default()
    };
    let text = to_wgsl(kernel, &options);
    let hash = cache::hash(text.as_bytes()) ^ u64::from(checked);
    let signature = Signature {
        buffers: kernel.buffers.iter().map(|b| b.access).collect(),
        immediate_bytes: if immediate { bytes } else { 0 },
        uniform: !immediate && bytes > 0,
    };
    Ok(Source { kernel, text, signature, hash })
}

type Layouts = HashMap<Signature, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>;

fn layouts(gpu: &Gpu, sources: &[Source]) -> Result<Layouts, ExecError> {
    let mut layouts = Layouts::new();
    for source in sources {
        if layouts.contains_key(&source.signature) {
            continue;
        }
        let Signature { buffers, immediate_bytes, uniform } = &source.signature;
        let storage =
            |access: &Access| wgpu::BufferBindingType::Storage { read_only: *access == Access::Read };
        let types = buffers.iter().map(storage).chain(uniform.then_some(wgpu::BufferBindingType::Uniform));
        let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..)
            .zip(types)
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
            .collect();
        let made = gpu.guarded(&format!("bindings of kernel {:?}", source.kernel.name), || {
            let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
            let group = gpu.device().create_bind_group_layout(&descriptor);
            let pipeline = gpu.device().create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&group)],
                immediate_size: *immediate_bytes,
            });
            (group, pipeline)
        })?;
        layouts.insert(source.signature.clone(), made);
    }
    Ok(layouts)
}

fn pipeline(
    gpu: &Gpu,
    source: &Source,
    (group, layout): &(wgpu::BindGroupLayout, wgpu::PipelineLayout),
    checked: bool,
) -> Result<Pipeline, ExecError> {
    let name = source.kernel.name.as_str();
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(source.text.as_str().into()),
    };
    let pipeline = gpu.guarded(&format!("kernel {name:?}"), || {
        let module = if checked {
            gpu.device().create_shader_module(descriptor)
        } else {
            // SAFETY: a kernel's indices are below its buffers' lengths, its loops end, and division by zero is defined by the printed text: the kernel IR demands
            // it of whoever makes kernels, and tests run kernels in checked mode and on the interpreter, which refuses indices out of range.
            unsafe {
                gpu.device().create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            }
        };
        gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(layout),
            module: &module,
            entry_point: Some("main"),
            // Kernels write shared memory before they read it.
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false,
            },
            cache: gpu.pipelines().driver(),
        })
    })?;
    let grid = grid(source.kernel.groups, gpu.profile().max_groups_per_dimension);
    Ok(Pipeline { pipeline, layout: group.clone(), grid, uniform: source.signature.uniform })
}
