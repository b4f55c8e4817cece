//! The compiler as one library: load a model, look into it, run it on a device, compare it, write its kernels.
//!
//! ```no_run
//! use satura::{Device, DeviceKind, Inputs, LoadOptions, Session, load};
//!
//! let model = load("model.onnx".as_ref(), &LoadOptions::default())?;
//! let device = Device::open(DeviceKind::Auto, None)?;
//! let mut session = Session::new(&model, &device, Default::default());
//! let image = satura::tensor::read_npy(&std::fs::read("image.npy")?)?;
//! for (name, tensor) in session.run(&Inputs::from([("image".to_owned(), image)]))? {
//!     println!("{name}: {:?}", tensor.shape());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crates behind it are [`ir`], [`tensor`], [`opt`], [`pass`] and [`kernel`]. Features: `onnx` (the reader), `cpu` and `wgpu` (the back ends); all are on by default, and
//! the reference evaluator is always there.
//!
//! Invariants: nothing here knows a command line or prints. A session gives the same outputs as the reference evaluator on the model as it was read, within the tolerances of
//! `satura_tensor::tolerances`.

mod bind;
mod compile;
mod device;
mod error;
mod flops;
mod inspect;
mod model;
mod plan_json;
mod random;
mod session;
mod verify;

pub use bind::{BindError, InputShapes, Inputs, describe_inputs, order_inputs, solve, unbound};
pub use compile::{Compilation, compile};
pub use device::{AdapterSummary, DEVICE_NAMES, Device, DeviceKind, adapter_profile, adapters, device_kinds};
pub use error::Error;
pub use inspect::{Summary, summarise};
#[cfg(feature = "onnx")]
pub use model::read_onnx_tensor;
pub use model::{LoadOptions, Model, load};
pub use random::random_inputs;
pub use satura_wgsl::Target;
pub use session::{Compiled, Session, ready_for, shapes_of, specialise};
pub use verify::{Compared, Side, Verdict, verify};

pub use satura_import as import;
pub use satura_ir as ir;
pub use satura_kernel as kernel;
pub use satura_lower as lower;
pub use satura_opt as opt;
pub use satura_pass as pass;
pub use satura_tensor as tensor;
