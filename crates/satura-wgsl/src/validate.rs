//! Checking text with naga.

use crate::WgslError;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// Checks that WGSL text parses and is valid for devices with immediates, subgroup operations and half floats. The directive `enable subgroups;`, which naga does
/// not know, is passed over.
///
/// # Errors
/// The first fault, with its place in the text.
pub fn validate(text: &str) -> Result<(), WgslError> {
    parse(text).map(|_| ())
}

/// The text as a checked module.
pub(crate) fn parse(text: &str) -> Result<(naga::Module, ModuleInfo), WgslError> {
    let text = text.replace("enable subgroups;\n", "\n");
    let module = naga::front::wgsl::parse_str(&text)
        .map_err(|error| WgslError::Invalid(error.emit_to_string(&text)))?;
    let capabilities = Capabilities::IMMEDIATES
        | Capabilities::SUBGROUP
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|error| WgslError::Invalid(error.emit_to_string(&text)))?;
    Ok((module, info))
}
