//! External data: tensors whose bytes lie in other files of the model's folder.
//!
//! A file is used only if, links resolved, it lies in the folder of the model (or below it), is a regular file other than the model itself, and has no
//! second name by which it could be a file from elsewhere. It is checked again after opening, and read through the opened descriptor alone.

use crate::options::Options;
use crate::proto::StringStringEntryProto;
use crate::sha1::sha1_hex;
use crate::source::{self, Source};
use satura_import::{Code, Diagnostic, escape};
use satura_tensor::Bytes;
use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Longer locations are refused.
const LONGEST_LOCATION: usize = 4096;

struct Opened {
    bytes: Bytes,
    /// The path by which the model names it, and the one that links lead to.
    paths: [PathBuf; 2],
    /// The ranges read so far, for the overlap warning.
    ranges: Vec<(usize, usize)>,
    checked: Option<String>,
}

/// Opens external files, each once.
pub(crate) struct ExternalFiles {
    base: Option<PathBuf>,
    model: Option<Metadata>,
    options: Options,
    opened: HashMap<String, Opened>,
    warnings: Vec<Diagnostic>,
}

/// What a tensor says about its external data.
#[derive(Default)]
struct Entry {
    location: Option<String>,
    offset: Option<u64>,
    length: Option<u64>,
    checksum: Option<String>,
}

impl ExternalFiles {
    /// Files below `base`; none where there is no folder. `model` is the model's own file.
    pub(crate) fn new(base: Option<&Path>, model: Option<Metadata>, options: &Options) -> Self {
        ExternalFiles {
            base: base.map(Path::to_path_buf),
            model,
            options: options.clone(),
            opened: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    /// The `needed` bytes that the entries name, sharing the file's memory.
    pub(crate) fn read(
        &mut self,
        entries: &[StringStringEntryProto],
        needed: usize,
    ) -> Result<Bytes, Diagnostic> {
        let entry = self.entry(entries)?;
        let Some(location) = entry.location else {
            return Err(Diagnostic::error(
                Code::ExternalData,
                "the location of the external data is missing",
            ));
        };
        if let Some(length) = entry.length
            && usize::try_from(length).ok() != Some(needed)
        {
            let message =
                format!("the tensor needs {needed} bytes, its external data is said to have {length}");
            return Err(Diagnostic::error(Code::TensorLength, message));
        }
        if !self.opened.contains_key(&location) {
            let file = self.open(&location)?;
            self.opened.insert(location.clone(), file);
        }
        let file = self.opened.get_mut(&location).expect("it was opened above");
        let size = file.bytes.len();
        let range = usize::try_from(entry.offset.unwrap_or(0))
            .ok()
            .and_then(|start| Some((start, start.checked_add(needed)?)))
            .filter(|(_, end)| *end <= size);
        let Some((start, end)) = range else {
            let offset = entry.offset.unwrap_or(0);
            let message = format!(
                "{needed} bytes from {offset} on reach beyond \"{}\", which has {size}",
                escape(&location)
            );
            return Err(Diagnostic::error(Code::ExternalData, message)
                .help("the data file is cut off or belongs to another model"));
        };
        if let Some(checksum) = entry.checksum {
            let digest = file.checked.get_or_insert_with(|| sha1_hex(&file.bytes));
            if !digest.eq_ignore_ascii_case(&checksum) {
                let message = format!(
                    "\"{}\" has SHA-1 {digest}, the model says {}",
                    escape(&location),
                    escape(&checksum)
                );
                return Err(Diagnostic::error(Code::Checksum, message)
                    .help("the data file belongs to another model or is damaged"));
            }
        }
        file.ranges.push((start, end));
        Ok(file.bytes.slice(start..end).expect("the range was checked"))
    }

    /// What was odd, once everything is read.
    pub(crate) fn take_warnings(&mut self) -> Vec<Diagnostic> {
        let mut warnings = std::mem::take(&mut self.warnings);
        let mut files: Vec<_> = self.opened.iter_mut().collect();
        files.sort_by_key(|(location, _)| location.as_str());
        for (location, file) in files {
            file.ranges.sort_unstable();
            file.ranges.dedup();
            if file.ranges.windows(2).any(|pair| pair[1].0 < pair[0].1) {
                let message = format!("tensors share part of their bytes in \"{}\"", escape(location));
                warnings.push(Diagnostic::warning(Code::ExternalData, message));
            }
        }
        warnings
    }

    /// The files that were opened, by every name that was followed to them, sorted.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.opened.values().flat_map(|file| file.paths.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn entry(&mut self, entries: &[StringStringEntryProto]) -> Result<Entry, Diagnostic> {
        let mut entry = Entry::default();
        for StringStringEntryProto { key, value } in entries {
            let twice = match key.as_str() {
                "location" => entry.location.replace(value.clone()).is_some(),
                "offset" => entry.offset.replace(number(key, value)?).is_some(),
                "length" => entry.length.replace(number(key, value)?).is_some(),
                "checksum" => entry.checksum.replace(value.clone()).is_some(),
                _ => {
                    let message = format!("unknown key \"{}\" of external data", escape(key));
                    if self.warnings.len() < self.options.limits.errors {
                        self.warnings.push(Diagnostic::warning(Code::Ignored, message));
                    }
                    false
                }
            };
            if twice {
                return Err(Diagnostic::error(
                    Code::ExternalData,
                    format!("the key \"{key}\" of external data is given twice"),
                ));
            }
        }
        Ok(entry)
    }

    fn open(&self, location: &str) -> Result<Opened, Diagnostic> {
        let Some(base) = &self.base else {
            return Err(Diagnostic::error(
                Code::ExternalData,
                "the model has external data, and no folder to look for it in",
            )
            .help("read the model from its file, or give the folder"));
        };
        check_location(location)?;
        let shown = escape(location);
        let escapes = |message: String| {
            Diagnostic::error(Code::PathEscape, message)
                .help("external data must lie in the folder of the model")
        };
        let missing = |error: std::io::Error| {
            Diagnostic::error(Code::ExternalData, format!("\"{shown}\" cannot be opened: {error}"))
                .help("copy the data files into the folder of the model")
        };
        let base = base.canonicalize().map_err(missing)?;
        let asked = base.join(location);
        let real = match asked.canonicalize() {
            Ok(real) => real,
            // A link that leads nowhere, or in a circle, is not a file of this folder.
            Err(error) if has_link(&base, location) => {
                return Err(escapes(format!("\"{shown}\" is a link that cannot be followed: {error}")));
            }
            Err(error) => return Err(missing(error)),
        };
        if !real.starts_with(&base) {
            return Err(escapes(format!("\"{shown}\" leads out of the folder of the model")));
        }
        let Source { bytes, metadata } =
            source::open(&real, self.options.limits.file_bytes, self.options.map_files).map_err(|d| {
                if d.code == Code::NotAFile { Diagnostic { code: Code::ExternalData, ..d } } else { d }
            })?;
        // Whoever replaces the path by a link meanwhile is found here: the opened file must still be the one at the checked path.
        let again = asked.canonicalize().map_err(missing)?;
        let named = std::fs::symlink_metadata(&again).map_err(missing)?;
        if again != real || (cfg!(unix) && !source::same_file(&named, &metadata)) {
            return Err(escapes(format!("\"{shown}\" changed while it was opened")));
        }
        if self.model.as_ref().is_some_and(|model| source::same_file(model, &metadata)) {
            return Err(Diagnostic::error(Code::ExternalData, format!("\"{shown}\" is the model itself")));
        }
        if source::hard_links(&metadata) > 1 && !self.options.allow_hard_links {
            return Err(escapes(format!(
                "\"{shown}\" has a second name (a hard link), so it may be a file from elsewhere"
            ))
            .help("copy the file, or allow hard links"));
        }
        let bytes = Bytes::new(Arc::new(bytes));
        Ok(Opened { bytes, paths: [asked, real], ranges: Vec::new(), checked: None })
    }
}

/// Whether a part of the path below `base` is a symbolic link.
fn has_link(base: &Path, location: &str) -> bool {
    let mut path = base.to_path_buf();
    Path::new(location).components().any(|part| {
        path.push(part);
        std::fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_symlink())
    })
}

/// Refuses what is not a plain relative path, on any system: absolute paths, `..`, drive letters, URLs, backslashes.
fn check_location(location: &str) -> Result<(), Diagnostic> {
    let refuse = |reason: &str| {
        let message = format!("the location \"{}\" of external data {reason}", escape(location));
        Err(Diagnostic::error(Code::PathEscape, message)
            .help("external data must be named by a path within the folder of the model"))
    };
    if location.is_empty() {
        return refuse("is empty");
    }
    if location.len() > LONGEST_LOCATION {
        return refuse("is too long");
    }
    if location.contains(['\0', '\\']) {
        return refuse("has a character that is not allowed");
    }
    let scheme = location.split(['/', '.']).next().unwrap_or_default();
    if scheme.contains(':') {
        return refuse("has a drive letter or is a URL");
    }
    let mut names = 0;
    for part in Path::new(location).components() {
        match part {
            Component::Normal(_) => names += 1,
            Component::CurDir => {}
            Component::ParentDir => return refuse("leaves the folder of the model"),
            Component::RootDir | Component::Prefix(_) => return refuse("is absolute"),
        }
    }
    if names == 0 { refuse("names no file") } else { Ok(()) }
}

/// A number in decimal digits and nothing else.
fn number(key: &str, text: &str) -> Result<u64, Diagnostic> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        let message =
            format!("the {key} of external data must be a number of bytes, it is \"{}\"", escape(text));
        Diagnostic::error(Code::ExternalData, message)
    })
}
