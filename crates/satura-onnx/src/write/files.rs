//! Files that come to be whole or not at all, alone or together.
//!
//! A file is written under a hidden name in the folder of its target, brought to the disk, and renamed. What it replaces is never opened, so what other processes (or this
//! one) have mapped of it stays as it is.

use super::WriteError;
use crate::source::same_file;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

fn failed(path: &Path, error: Error) -> WriteError {
    WriteError::Io { path: path.to_path_buf(), error }
}

/// The folder that a file lies in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name beside `target` that no other file of this process has.
fn hidden(target: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    // The target's own name is no part of it: that may be as long as the file system allows.
    target.with_file_name(format!(".satura-{}-{number}.tmp", std::process::id()))
}

/// What lies at a path, links not followed; `None` where nothing does.
fn present(path: &Path) -> Result<Option<Metadata>, WriteError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

/// An error unless a file may come to `target`: the folder is there, what is replaced is a file or a link, and none of those in `keep`.
pub(super) fn check(target: &Path, keep: &[PathBuf]) -> Result<(), WriteError> {
    if !std::fs::metadata(folder(target)).map_err(|error| failed(target, error))?.is_dir() {
        return Err(failed(target, ErrorKind::NotADirectory.into()));
    }
    let Some(old) = present(target)? else { return Ok(()) };
    if old.is_dir() {
        return Err(failed(target, Error::new(ErrorKind::IsADirectory, "this is a folder")));
    }
    if !old.is_file() && !old.is_symlink() {
        return Err(failed(target, Error::new(ErrorKind::InvalidInput, "this is not a regular file")));
    }
    let kept = |path: &PathBuf| {
        let same = |other: Metadata| same_file(&old, &other);
        std::fs::symlink_metadata(path).is_ok_and(same)
            || place(path).is_some_and(|p| Some(p) == place(target))
    };
    match keep.iter().any(kept) {
        true => Err(WriteError::Kept(target.to_path_buf())),
        false => Ok(()),
    }
}

/// The folder, links resolved, and the name in it.
fn place(path: &Path) -> Option<(PathBuf, OsString)> {
    Some((folder(path).canonicalize().ok()?, path.file_name()?.to_owned()))
}

/// A whole file that is not at its place yet; removed if it is dropped before.
pub(super) struct Pending {
    hidden: PathBuf,
    target: PathBuf,
}

impl Pending {
    /// Writes the content of `target` under a hidden name.
    pub(super) fn write(
        target: &Path,
        fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<Pending, WriteError> {
        let (file, hidden) = create(target)?;
        let pending = Pending { hidden, target: target.to_path_buf() };
        let mut buffered = BufWriter::new(file);
        // Brought to the disk before it gets its name: after a power cut the name must not stand for a part of the content.
        let written = fill(&mut buffered).and_then(|()| buffered.into_inner()?.sync_all());
        written.map_err(|error| failed(target, error))?;
        Ok(pending)
    }
}

/// Opens a new file beside `target`; never one that is there, which may be a link to elsewhere.
fn create(target: &Path) -> Result<(File, PathBuf), WriteError> {
    loop {
        let hidden = hidden(target);
        match OpenOptions::new().write(true).create_new(true).open(&hidden) {
            Ok(file) => return Ok((file, hidden)),
            // Left behind by a process of the same number that was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(target, error)),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Nothing is there after the rename; and if it cannot be removed, the first error says why.
        let _ = std::fs::remove_file(&self.hidden);
    }
}

/// A file that had to make way; moved back if it is dropped.
struct Aside {
    hidden: PathBuf,
    target: PathBuf,
}

impl Aside {
    fn move_away(target: &Path) -> Result<Option<Aside>, WriteError> {
        if present(target)?.is_none() {
            return Ok(None);
        }
        let hidden = hidden(target);
        std::fs::rename(target, &hidden).map_err(|error| failed(target, error))?;
        Ok(Some(Aside { hidden, target: target.to_path_buf() }))
    }

    fn discard(self) {
        // It is hidden and has been replaced: that it stays is no reason to fail.
        let _ = std::fs::remove_file(&self.hidden);
        std::mem::forget(self);
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // The error on the way here is the one to report.
        let _ = std::fs::rename(&self.hidden, &self.target);
    }
}

/// Gives whole files their names: all of them, or none, and what was there before is there again.
///
/// One file takes the place of an old one in one step. Several cannot, so the old ones go out of the way first, the last of them (the model) before the others (its weights):
/// at no time does an old model lie beside new weights or a new one beside old weights.
pub(super) fn place_all(files: Vec<Pending>) -> Result<(), WriteError> {
    let mut old = Vec::new();
    if files.len() > 1 {
        for file in files.iter().rev() {
            old.extend(Aside::move_away(&file.target)?);
        }
    }
    for (at, file) in files.iter().enumerate() {
        if let Err(error) = std::fs::rename(&file.hidden, &file.target) {
            for placed in &files[..at] {
                // Back under its hidden name, where it is removed with the others.
                let _ = std::fs::rename(&placed.target, &placed.hidden);
            }
            return Err(failed(&file.target, error));
        }
    }
    old.into_iter().for_each(Aside::discard);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Pending, check, place_all};
    use crate::WriteError;
    use std::path::{Path, PathBuf};

    /// An empty folder for one test.
    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("satura-onnx-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        path
    }

    fn pending(path: PathBuf, text: &str) -> Pending {
        Pending::write(&path, |file| file.write_all(text.as_bytes()))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn content(folder: &Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).expect("the folder is there").flatten();
        let text = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_else(|_| "folder".to_owned());
        let mut all: Vec<_> =
            entries.map(|e| (e.file_name().to_string_lossy().into_owned(), text(e.path()))).collect();
        all.sort();
        std::fs::remove_dir_all(folder).expect("it is this test's own");
        all
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn files_are_replaced_together() {
        let dir = folder("together");
        std::fs::write(dir.join("m"), "old").expect("it can be written");
        place_all(vec![pending(dir.join("w"), "weights"), pending(dir.join("m"), "model")])
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(content(&dir), pairs(&[("m", "model"), ("w", "weights")]));
    }

    #[test]
    fn what_was_there_comes_back() {
        let dir = folder("back");
        std::fs::write(dir.join("w"), "old weights").expect("it can be written");
        let files = vec![pending(dir.join("w"), "weights"), pending(dir.join("m"), "model")];
        // What the last step renames is gone.
        std::fs::remove_file(&files[1].hidden).expect("it is there");
        assert!(matches!(place_all(files), Err(WriteError::Io { path, .. }) if path == dir.join("m")));
        assert_eq!(content(&dir), pairs(&[("w", "old weights")]));
    }

    #[test]
    fn a_failed_attempt_leaves_nothing() {
        let dir = folder("nothing");
        let full = |file: &mut dyn std::io::Write| {
            file.write_all(&[0; 1 << 16])?;
            Err(std::io::ErrorKind::StorageFull.into())
        };
        assert!(matches!(Pending::write(&dir.join("m"), full), Err(WriteError::Io { .. })));
        assert_eq!(content(&dir), []);
    }

    #[test]
    fn what_is_kept_is_found_under_other_names() {
        let dir = folder("kept");
        std::fs::write(dir.join("w"), "weights").expect("it can be written");
        let keep = [dir.join("w")];
        assert!(check(&dir.join("m"), &keep).is_ok());
        assert!(matches!(check(&dir.join(".").join("w"), &keep), Err(WriteError::Kept(_))));
        #[cfg(unix)]
        {
            std::fs::hard_link(dir.join("w"), dir.join("hard")).expect("links can be made");
            assert!(matches!(check(&dir.join("hard"), &keep), Err(WriteError::Kept(_))));
            // Replacing a link leaves alone what it leads to, unless the link itself is kept.
            std::os::unix::fs::symlink("w", dir.join("soft")).expect("links can be made");
            assert!(check(&dir.join("soft"), &keep).is_ok());
            assert!(matches!(check(&dir.join("soft"), &[dir.join("soft")]), Err(WriteError::Kept(_))));
        }
        assert!(matches!(check(&dir, &keep), Err(WriteError::Io { .. })));
        assert!(matches!(check(&dir.join("no/m"), &keep), Err(WriteError::Io { .. })));
        assert!(matches!(check(&dir.join("w/m"), &keep), Err(WriteError::Io { .. })));
        std::fs::remove_dir_all(&dir).expect("it is this test's own");
    }
}
