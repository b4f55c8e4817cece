//! Kernels in other shading languages, through naga. The generated code counts on a verified kernel: buffer accesses and loops are not checked again.
//!
//! Where parameters lie: SPIR-V push constants; MSL buffer slot `n` after `n` buffers; HLSL root constants `b0, space1`; GLSL uniform block with binding `n`.

use crate::WgslError;
use crate::options::WgslOptions;
use satura_kernel::Kernel;

/// A language to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// WebGPU's shading language.
    Wgsl,
    /// Vulkan's binary form.
    Spirv,
    /// Metal's shading language.
    Msl,
    /// Direct3D's shading language, shader model 6.2.
    Hlsl,
    /// OpenGL's shading language, version 4.50.
    Glsl,
}

impl Target {
    /// All targets.
    pub const ALL: [Target; 5] = [Target::Wgsl, Target::Spirv, Target::Msl, Target::Hlsl, Target::Glsl];

    /// The name in lower case, for options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Target::Wgsl => "wgsl",
            Target::Spirv => "spirv",
            Target::Msl => "msl",
            Target::Hlsl => "hlsl",
            Target::Glsl => "glsl",
        }
    }

    /// The usual ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Target::Wgsl => "wgsl",
            Target::Spirv => "spv",
            Target::Msl => "metal",
            Target::Hlsl => "hlsl",
            Target::Glsl => "comp",
        }
    }
}

/// The content of a file for `target`: text in UTF-8, or SPIR-V's words in little-endian order.
///
/// # Errors
/// If the target cannot express the kernel, or its feature is off.
pub fn generate(kernel: &Kernel, target: Target) -> Result<Vec<u8>, WgslError> {
    match target {
        Target::Wgsl => Ok(crate::to_wgsl(kernel, &WgslOptions::default()).into_bytes()),
        Target::Spirv => spirv(kernel).map(|words| words.iter().flat_map(|w| w.to_le_bytes()).collect()),
        Target::Msl => msl(kernel).map(String::into_bytes),
        Target::Hlsl => hlsl(kernel).map(String::into_bytes),
        Target::Glsl => glsl(kernel).map(String::into_bytes),
    }
}

#[cfg(not(feature = "spirv"))]
fn spirv(_: &Kernel) -> Result<Vec<u32>, WgslError> {
    Err(WgslError::Disabled("spirv"))
}

#[cfg(not(feature = "msl"))]
fn msl(_: &Kernel) -> Result<String, WgslError> {
    Err(WgslError::Disabled("msl"))
}

#[cfg(not(feature = "hlsl"))]
fn hlsl(_: &Kernel) -> Result<String, WgslError> {
    Err(WgslError::Disabled("hlsl"))
}

#[cfg(not(feature = "glsl"))]
fn glsl(_: &Kernel) -> Result<String, WgslError> {
    Err(WgslError::Disabled("glsl"))
}

#[cfg(feature = "spirv")]
use backends::spirv;

#[cfg(feature = "msl")]
use backends::msl;

#[cfg(feature = "hlsl")]
use backends::hlsl;

#[cfg(feature = "glsl")]
use backends::glsl;

#[cfg(any(feature = "spirv", feature = "msl", feature = "hlsl", feature = "glsl"))]
mod backends {
    use crate::WgslError;
    use crate::options::WgslOptions;
    use crate::validate::parse;
    use satura_kernel::Kernel;

    /// The kernel as a checked module.
    fn module(
        kernel: &Kernel,
        options: &WgslOptions,
    ) -> Result<(naga::Module, naga::valid::ModuleInfo), WgslError> {
        parse(&crate::to_wgsl(kernel, options))
    }

    /// The bindings of group 0, the parameters' included.
    #[cfg(any(feature = "msl", feature = "hlsl", feature = "glsl"))]
    fn bindings(kernel: &Kernel) -> impl Iterator<Item = (naga::ResourceBinding, u32)> {
        let count = kernel.buffers.len() as u32 + u32::from(kernel.params > 0);
        (0..count).map(|binding| (naga::ResourceBinding { group: 0, binding }, binding))
    }

    #[cfg(feature = "spirv")]
    pub(super) fn spirv(kernel: &Kernel) -> Result<Vec<u32>, WgslError> {
        use naga::back::spv;
        let (module, info) = module(kernel, &WgslOptions::default())?;
        let options = spv::Options {
            // Subgroup operations came with this version.
            lang_version: (1, 3),
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: naga::proc::BoundsCheckPolicies::default(),
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..spv::Options::default()
        };
        spv::write_vec(&module, &info, &options, None)
            .map_err(|error| WgslError::Untranslatable("SPIR-V", error.to_string()))
    }

    #[cfg(feature = "msl")]
    pub(super) fn msl(kernel: &Kernel) -> Result<String, WgslError> {
        use naga::back::msl;
        let fail = |message: String| WgslError::Untranslatable("MSL", message);
        let (module, info) = module(kernel, &WgslOptions::default())?;
        let mut resources = msl::EntryPointResources {
            immediates_buffer: u8::try_from(kernel.buffers.len()).ok(),
            // naga asks for it because buffers are arrays of open length; the code reads it only for checks, which are off.
            sizes_buffer: u8::try_from(kernel.buffers.len() + 1).ok(),
            ..msl::EntryPointResources::default()
        };
        for (at, binding) in bindings(kernel) {
            let slot = u8::try_from(binding).map_err(|_| fail("more than 256 buffers".to_owned()))?;
            let target = msl::BindTarget { buffer: Some(slot), mutable: true, ..msl::BindTarget::default() };
            resources.resources.insert(at, target);
        }
        let options = msl::Options {
            lang_version: (2, 4),
            per_entry_point_map: [("main".to_owned(), resources)].into_iter().collect(),
            fake_missing_bindings: false,
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..msl::Options::default()
        };
        let (text, translation) =
            msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
                .map_err(|error| fail(error.to_string()))?;
        match translation.entry_point_names.into_iter().find_map(Result::err) {
            Some(error) => Err(fail(error.to_string())),
            None => Ok(text),
        }
    }

    #[cfg(feature = "hlsl")]
    pub(super) fn hlsl(kernel: &Kernel) -> Result<String, WgslError> {
        use naga::back::hlsl;
        let (module, info) = module(kernel, &WgslOptions::default())?;
        let target = |space, register| hlsl::BindTarget { space, register, ..hlsl::BindTarget::default() };
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_2,
            binding_map: bindings(kernel).map(|(at, binding)| (at, target(0, binding))).collect(),
            fake_missing_bindings: false,
            // naga adds the counts of workgroups, which Direct3D lacks as a built-in, as constants.
            special_constants_binding: Some(target(2, 0)),
            immediates_target: Some(target(1, 0)),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: false,
            force_loop_bounding: false,
            ..hlsl::Options::default()
        };
        let pipeline = hlsl::PipelineOptions::default();
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .map_err(|error| WgslError::Untranslatable("HLSL", error.to_string()))?;
        Ok(text)
    }

    #[cfg(feature = "glsl")]
    pub(super) fn glsl(kernel: &Kernel) -> Result<String, WgslError> {
        use crate::options::ParamSpace;
        use naga::back::glsl;
        let fail = |message: String| WgslError::Untranslatable("GLSL", message);
        let (module, info) =
            module(kernel, &WgslOptions { params: ParamSpace::Uniform, ..WgslOptions::default() })?;
        let mut options = glsl::Options {
            version: glsl::Version::Desktop(450),
            writer_flags: glsl::WriterFlags::empty(),
            zero_initialize_workgroup_memory: false,
            ..glsl::Options::default()
        };
        for (at, binding) in bindings(kernel) {
            let slot = u8::try_from(binding).map_err(|_| fail("more than 256 buffers".to_owned()))?;
            options.binding_map.insert(at, slot);
        }
        let pipeline = glsl::PipelineOptions {
            shader_stage: naga::ShaderStage::Compute,
            entry_point: "main".to_owned(),
            multiview: None,
        };
        let mut text = String::new();
        glsl::Writer::new(
            &mut text,
            &module,
            &info,
            &options,
            &pipeline,
            naga::proc::BoundsCheckPolicies::default(),
        )
        .and_then(|mut writer| writer.write())
        .map_err(|error| fail(error.to_string()))?;
        Ok(text)
    }
}
