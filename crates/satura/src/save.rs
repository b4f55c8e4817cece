//! Writing a model, in the format that the name of the file says.

use crate::{Error, Model};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a model is written.
#[derive(Clone, Debug, Default)]
pub struct SaveOptions {
    /// The version of ONNX's standard operator set. `None`: that of the file that the model was read from, or the nearest one that is written.
    pub opset: Option<i64>,
    /// Weights of this many bytes or more go to a file of their own; `None`: only where one file cannot hold them.
    pub external_data_above: Option<u64>,
    /// Say type and shape of every value, not of inputs and outputs only.
    pub value_info: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The files, the one that was asked for first.
    pub files: Vec<PathBuf>,
    /// The ops that the format has no word for and that were written in terms of others, with the number of such nodes.
    pub expanded: BTreeMap<String, usize>,
}

/// A format that is written.
struct Format {
    /// The ending of its files' names.
    ending: &'static str,
    /// An error where the options ask for what the format does not have.
    check: fn(&SaveOptions) -> Result<(), Error>,
    save: fn(&Model, &Path, &SaveOptions) -> Result<Saved, Error>,
}

/// The one list of formats that are written.
const FORMATS: &[Format] = &[
    #[cfg(feature = "onnx")]
    Format { ending: "onnx", check: onnx::check, save: onnx::save },
];

fn format_of(path: &Path) -> Result<&'static Format, Error> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    FORMATS.iter().find(|format| format.ending.eq_ignore_ascii_case(ending)).ok_or_else(|| {
        let known: Vec<String> = FORMATS.iter().map(|format| format!(".{}", format.ending)).collect();
        let message = match known.is_empty() {
            true => "this build writes no models: the feature `onnx` is off".to_owned(),
            false => {
                format!("the ending of the name says the format, and {} can be written", known.join(", "))
            }
        };
        Error::Format { path: path.to_path_buf(), message }
    })
}

/// Whether [`save`] would take this name and these options; for errors before a model is read.
pub fn check_save(path: &Path, options: &SaveOptions) -> Result<(), Error> {
    (format_of(path)?.check)(options)
}

/// Writes a model as it is: what was read comes back op by op where the format can say it. The ending of the file's name says the format: `.onnx`.
///
/// All files are whole before the first takes the place of an old one; files that the model is read from are never replaced, except for the model's own file by the new one.
pub fn save(model: &Model, path: &Path, options: &SaveOptions) -> Result<Saved, Error> {
    let format = format_of(path)?;
    (format.check)(options)?;
    model.check_whole()?;
    (format.save)(model, path, options)
}

#[cfg(feature = "onnx")]
mod onnx {
    use super::{SaveOptions, Saved};
    use crate::{Error, Model};
    use satura_onnx::{WRITTEN_OPSETS, WriteError, WriteOptions, write_file};
    use std::ffi::OsStr;
    use std::path::{Path, PathBuf};

    pub(super) fn check(options: &SaveOptions) -> Result<(), Error> {
        match options.opset {
            Some(opset) if !WRITTEN_OPSETS.contains(&opset) => Err(WriteError::Opset(opset).into()),
            _ => Ok(()),
        }
    }

    pub(super) fn save(model: &Model, path: &Path, options: &SaveOptions) -> Result<Saved, Error> {
        let own = model.opset.unwrap_or(WriteOptions::default().opset);
        let mut keep = model.data_files.clone();
        // A model may come again in its own place: what is mapped of the old file stays mapped after the new one took the name.
        if place(path) != place(&model.path) {
            keep.push(model.path.clone());
        }
        let options = WriteOptions {
            opset: options.opset.unwrap_or(own.clamp(*WRITTEN_OPSETS.start(), *WRITTEN_OPSETS.end())),
            external_threshold: options.external_data_above,
            value_info: options.value_info,
            keep,
        };
        let satura_onnx::Saved { files, expanded } = write_file(&model.graph, path, &options)?;
        Ok(Saved { files, expanded })
    }

    /// The folder, links resolved, and the name in it.
    fn place(path: &Path) -> Option<(PathBuf, &OsStr)> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.canonicalize().ok()?, path.file_name()?))
    }
}
