//! The compiler as one library: load a model, look into it, run it on a device, compare it, write it again, write its kernels.
//!
//! ```no_run
//! use satura::{Device, DeviceKind, Inputs, LoadOptions, Session, load};
//!
//! let model = load("model.onnx".as_ref(), &LoadOptions::default())?;
//! let device = Device::open(DeviceKind::Auto, None)?;
//! let mut session = Session::new(&model, &device, Default::default());
//! let image = satura::tensor::read_npy(&std::fs::read("image.npy")?)?;
//! for (name, value) in session.run(&Inputs::from([("image".to_owned(), image.into())]))? {
//!     println!("{name}: {}", value.describe());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crates behind it are [`ir`], [`tensor`], [`opt`], [`pass`] and [`kernel`]. Features: `onnx` (the reader and the writer), `autodiff` (gradients that models ask for), `cpu` and `wgpu` (the back ends); all are on by default, and
//! the reference evaluator is always there.
//!
//! Invariants: nothing here knows a command line or prints. A session gives the same outputs as the reference evaluator on the model as it was read, within the tolerances of
//! `satura_tensor::tolerances`.

mod bind;
mod compare;
mod compile;
mod device;
mod error;
mod fallback;
mod fix;
mod flops;
#[cfg(all(feature = "autodiff", feature = "onnx"))]
mod gradient;
mod inspect;
mod model;
mod plan_json;
mod random;
mod save;
mod session;
mod specialise;
mod verify;

pub use bind::{BindError, InputShapes, Inputs, describe_inputs, order_inputs, solve, unbound};
pub use compare::compare_data;
pub use compile::{Compilation, compile};
pub use device::{AdapterSummary, DEVICE_NAMES, Device, DeviceKind, adapter_profile, adapters, device_kinds};
pub use error::Error;
pub use inspect::{Summary, summarise};
#[cfg(feature = "onnx")]
pub use model::read_onnx_datum;
pub use model::{LoadOptions, Model, Open, load};
pub use random::random_inputs;
pub use satura_wgsl::Target;
pub use save::{SaveOptions, Saved, check_save, save};
pub use session::{Compiled, Session, shapes_of};
pub use specialise::{ready_for, specialise};
pub use verify::{Compared, Side, Verdict, verify};

pub use satura_import as import;
pub use satura_ir as ir;
pub use satura_kernel as kernel;
pub use satura_lower as lower;
pub use satura_opt as opt;
pub use satura_pass as pass;
pub use satura_tensor as tensor;
