//! `satura compile`: a model's kernels as files.

use super::{load, whole};
use crate::args::{CompileArgs, ProfileArg, TargetArg};
use crate::files::write_all;
use crate::inputs::Sizes;
use crate::progress::spin;
use crate::report::Failure;
use crate::{Context, Outcome};
use satura::kernel::DeviceProfile;
use satura::{Target, specialise};

pub(crate) fn run(cx: &Context, args: &CompileArgs) -> Result<Outcome, Failure> {
    let model = load(cx, &args.model)?;
    let mut sizes = Sizes::read(&args.sizes, &model.graph)?;
    let model = whole(model, &mut sizes)?;
    let bindings = sizes.bindings(&model.graph)?;
    let graph = specialise(&model.graph, &bindings, &sizes.shapes)?;
    let profile = match args.profile {
        ProfileArg::Auto => satura::adapter_profile(cx.adapter.as_deref()).unwrap_or_else(DeviceProfile::web),
        ProfileArg::Web => DeviceProfile::web(),
        ProfileArg::Lavapipe => DeviceProfile::lavapipe8(),
        ProfileArg::Desktop => DeviceProfile::nvidia32(),
    };
    let target = match args.target {
        TargetArg::Wgsl => Target::Wgsl,
        TargetArg::Spirv => Target::Spirv,
        TargetArg::Msl => Target::Msl,
        TargetArg::Hlsl => Target::Hlsl,
        TargetArg::Glsl => Target::Glsl,
    };
    let compilation = spin("compiling", || satura::compile(&graph, &profile, target))?;
    write_all(&args.output, &compilation.files)?;
    let kernels = compilation.files.len() - 1;
    let mut text = if args.explain { compilation.explain() } else { String::new() };
    text.push_str(&format!("wrote {kernels} kernels and plan.json to {}\n", args.output.display()));
    Ok(Outcome::done(text))
}
