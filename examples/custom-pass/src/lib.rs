//! What a researcher's crate looks like: it depends on Satura's public crates only, and adds
//!
//! - an op, [`ScaleShift`]: its rule, its attributes in the text form, and its decomposition, which makes it run on every back end;
//! - a pass, [`FUSE_SCALE_SHIFT`]: one rule that finds the op in a graph of primitives;
//! - their filetests in `filetests/`, run by `tests/filetests.rs` through the harness that Satura's own passes use, which also runs every graph before and after the pass.
//!
//! To start your own: copy this folder, register your ops in [`registry`], list your passes in [`passes`], write a `.sat` file for each and set `SATURA_BLESS=1` once to have its
//! expectation written. `cargo test -p custom-pass` is then all there is to run.
//!
//! ```
//! use satura_ir::{ConstStore, parse_module, print_graph};
//! use satura_pass::{PassManager, RunConfig};
//!
//! let text = "graph @f(%x: f32[2]) {
//!   %k = const{value=f32[](2.0)}
//!   %c = const{value=f32[](1.0)}
//!   %0 = mul %x, %k
//!   %1 = add %0, %c
//!   return %1 as \"y\"
//! }";
//! let mut graph = parse_module(text, &ConstStore::default(), &custom_pass::registry())?.graphs.remove(0);
//! let manager = PassManager::new(custom_pass::passes());
//! manager.run(&manager.parse("fuse-scale-shift")?, &mut graph, &RunConfig::default())?;
//! assert!(print_graph(&graph).contains("example.scale_shift{scale=2.0, shift=1.0} %x"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fuse;
mod scale_shift;

pub use fuse::FUSE_SCALE_SHIFT;
pub use scale_shift::ScaleShift;

use satura_ir::OpRegistry;
use satura_pass::PassInfo;

/// The ops of this crate, for parsers of the text form.
pub fn registry() -> OpRegistry {
    let mut registry = OpRegistry::default();
    registry.register(ScaleShift::NAME, ScaleShift::parse);
    registry
}

/// The passes of this crate.
pub fn passes() -> &'static [PassInfo] {
    &[FUSE_SCALE_SHIFT]
}
