//! `roundtrip`: the file below its header is exactly what its graphs print as.

use crate::{Config, Skips, TestFile};
use satura_ir::print_module;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {}

pub(super) fn run(file: &TestFile, config: &Config, _: &Skips) -> Result<(), String> {
    let Header {} = file.header()?;
    file.check_body(&print_module(&file.module(&config.registry)?))
}
