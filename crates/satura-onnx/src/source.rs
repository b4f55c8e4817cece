//! Opening files: regular ones only, bounded, mapped into memory without copying.

use bytes::Bytes;
use memmap2::Mmap;
use satura_import::{Code, Diagnostic};
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

/// Files below this many bytes are read, not mapped: it costs nothing, and no later change of the file can reach them.
const READ_BELOW: u64 = 1 << 20;

/// An opened file.
pub(crate) struct Source {
    /// The whole content.
    pub(crate) bytes: Bytes,
    /// What the opened descriptor says about the file.
    pub(crate) metadata: Metadata,
}

/// Opens a regular file of at most `limit` bytes.
pub(crate) fn open(path: &Path, limit: u64, map: bool) -> Result<Source, Diagnostic> {
    let failed = |error: std::io::Error| {
        Diagnostic::error(Code::Io, format!("the file cannot be read: {error}")).in_file(path)
    };
    // Before opening: opening a pipe would wait for a writer.
    refuse_special(&std::fs::metadata(path).map_err(failed)?, path)?;
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    refuse_special(&metadata, path)?;
    if metadata.len() > limit {
        let message = format!("the file has {} bytes, the limit is {limit}", metadata.len());
        return Err(Diagnostic::error(Code::ResourceLimit, message)
            .in_file(path)
            .help("raise the limit if you trust the file"));
    }
    let bytes = if map && metadata.len() >= READ_BELOW {
        // SAFETY: the mapping is private and read-only, and its length is the file's now. That no other process shortens or rewrites the file while the
        // model is in use is the contract of `Options::map_files`, which turns mapping off.
        let mapping = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Bytes::from_owner(mapping)
    } else {
        let mut content = Vec::new();
        (&mut file).take(limit.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
        if u64::try_from(content.len()).map_or(true, |len| len > limit) {
            return Err(Diagnostic::error(
                Code::ResourceLimit,
                format!("the file grew beyond the limit of {limit} bytes"),
            )
            .in_file(path));
        }
        Bytes::from(content)
    };
    Ok(Source { bytes, metadata })
}

fn refuse_special(metadata: &Metadata, path: &Path) -> Result<(), Diagnostic> {
    if metadata.is_file() {
        return Ok(());
    }
    let error = |message| Diagnostic::error(Code::NotAFile, message).in_file(path);
    if metadata.is_dir() {
        return Err(error("this is a folder, not a file").help("give the path of the .onnx file itself"));
    }
    Err(error("this is not a regular file")
        .help("pipes, sockets and devices are not read; copy the model into a file"))
}

/// Whether two files are one: always `false` where the system cannot tell.
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        a.dev() == b.dev() && a.ino() == b.ino()
    }
    #[cfg(not(unix))]
    {
        let _ = (a, b);
        false
    }
}

/// How many names the file has.
pub(crate) fn hard_links(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::nlink(metadata)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        1
    }
}
