//! The filetest harness: graphs as text with the expectation in the same file, as a library, so that a crate outside can run its own ops and passes through it.
//!
//! A file opens with a TOML header in `;!` comments; its key `test` names the command that judges the file:
//!
//! ```text
//! ;! test = "run"
//! graph @f(%x: f32[2], %y: f32[2]) {
//!   %0 = add %x, %y
//!   return %0
//! }
//! ; run: @f(f32[2](1.0, 2.0), f32[2](3.0, 4.0)) == f32[2](4.0, 6.0)
//! ; error: @f(f32[2](1.0, 2.0), f32[3](3.0, 4.0, 5.0)) ~ "expected f32[2]"
//! ```
//!
//! Each command is one file in `commands/` and one line of [`commands`]. A key that the command does not know is an error, as is a file whose command does not exist.
//! Every text that parses is printed, parsed and printed again, and both prints must agree. Commands with an expected text rewrite it when `SATURA_BLESS=1` is set, which is
//! refused where `CI` is set.
//!
//! A target with `harness = false` runs it:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     let config = satura_filetests::Config::default();
//!     satura_filetests::run_tests("filetests", config)
//! }
//! ```

mod calls;
mod commands;
mod config;
mod coverage;
mod devices;
mod file;
mod harness;
mod interpreter;

pub use commands::{Command, commands};
pub use config::{Config, Device, Required, Skips};
pub use coverage::missing;
pub use devices::available;
pub use file::TestFile;
pub use harness::run_tests;
