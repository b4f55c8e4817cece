//! What can go wrong between a file and a result. Every error has a stable code and, where there is something to do, says what.

use crate::bind::BindError;
use satura_import::ImportError;
use satura_ir::{ExecError, ParseError, VerifyError};
use satura_opt::PrepareError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why something could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A model was refused. At least one diagnostic says why and where.
    Import(ImportError),
    /// A text is not a graph.
    Text {
        /// The file.
        path: PathBuf,
        /// The place and the reason.
        error: ParseError,
        /// The whole text.
        text: String,
    },
    /// A graph breaks an invariant.
    Verify(VerifyError),
    /// The format is not supported by this build.
    Format {
        /// The file.
        path: PathBuf,
        /// What it seems to be, and what is supported.
        message: String,
    },
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Inputs or sizes do not fit the model.
    Bind(BindError),
    /// The graph could not be made ready for a device.
    Prepare(PrepareError),
    /// The device could not compile or run the graph.
    Exec {
        /// The device.
        device: String,
        /// Why.
        error: ExecError,
    },
    /// There is no such device here.
    Device {
        /// What was asked for.
        wanted: String,
        /// Why there is none.
        message: String,
    },
    /// A graph could not be turned into kernels for a target.
    Codegen(String),
    /// A model could not be written.
    #[cfg(feature = "onnx")]
    Write(satura_onnx::WriteError),
}

impl Error {
    /// A file error.
    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        Error::Io { path: path.to_path_buf(), error }
    }

    /// The stable code, such as `path-escape`; scripts may match it.
    pub fn code(&self) -> &str {
        match self {
            Error::Import(error) => error.code().map_or("import", |code| code.text()),
            Error::Text { .. } => "text",
            Error::Verify(_) => "invalid-graph",
            Error::Format { .. } => "format",
            Error::Io { .. } => "io",
            Error::Bind(error) => error.code(),
            Error::Prepare(_) => "prepare",
            Error::Exec { error, .. } => match error {
                ExecError::Input { .. } => "input",
                ExecError::Node { .. } => "node",
                ExecError::Unsupported(_) => "unsupported",
                ExecError::Device(_) => "device-failed",
                _ => "internal",
            },
            Error::Device { .. } => "no-device",
            Error::Codegen(_) => "codegen",
            #[cfg(feature = "onnx")]
            Error::Write(error) => error.code(),
        }
    }

    /// The error as messages, one for each thing that is wrong. Never empty.
    pub fn lines(&self) -> Vec<String> {
        match self {
            #[cfg(feature = "onnx")]
            Error::Write(error) => error.lines(),
            other => vec![other.to_string()],
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Bind(error) => error.help(),
            Error::Device { .. } => Some(
                "`satura devices` lists what there is; `--device cpu` and `--device reference` always work"
                    .to_owned(),
            ),
            Error::Exec { error: ExecError::Internal(_), .. }
            | Error::Codegen(_)
            | Error::Prepare(PrepareError::Pass(_)) => {
                Some("this is a bug of the compiler: please report it with the model".to_owned())
            }
            Error::Exec { error: ExecError::Unsupported(_) | ExecError::Device(_), .. } => {
                Some("`--device cpu` and `--device reference` run what this device cannot".to_owned())
            }
            Error::Import(_)
            | Error::Text { .. }
            | Error::Verify(_)
            | Error::Format { .. }
            | Error::Io { .. } => None,
            Error::Prepare(_) | Error::Exec { .. } => None,
            #[cfg(feature = "onnx")]
            Error::Write(error) => error.help().map(str::to_owned),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Import(error) => error.fmt(f),
            Error::Text { path, error, .. } => write!(f, "{}:{error}", path.display()),
            Error::Verify(error) => error.fmt(f),
            Error::Format { path, message } => write!(f, "{}: {message}", path.display()),
            Error::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Error::Bind(error) => error.fmt(f),
            Error::Prepare(error) => error.fmt(f),
            Error::Exec { device, error } => write!(f, "on {device}: {error}"),
            Error::Device { wanted, message } => write!(f, "device {wanted}: {message}"),
            Error::Codegen(message) => f.write_str(message),
            #[cfg(feature = "onnx")]
            Error::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        Error::Import(error)
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Self {
        Error::Bind(error)
    }
}

impl From<PrepareError> for Error {
    fn from(error: PrepareError) -> Self {
        Error::Prepare(error)
    }
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        Error::Verify(error)
    }
}

#[cfg(feature = "onnx")]
impl From<satura_onnx::WriteError> for Error {
    fn from(error: satura_onnx::WriteError) -> Self {
        Error::Write(error)
    }
}
