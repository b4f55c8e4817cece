//! Writing results: all of them are there before the first is written, and a file is there whole or not at all.

use crate::report::Failure;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Bytes of a file name that are kept, below what every file system takes.
const NAME_BYTES: usize = 180;

/// Writes one file by way of a temporary file beside it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new("io", format!("cannot write {}: {error}", path.display()));
    let name =
        path.file_name().ok_or_else(|| Failure::new("io", format!("{} names no file", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    let temporary: PathBuf = path.with_file_name(hidden);
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of the attempt; if it cannot be removed either, the first error says why.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

/// Writes files into a folder, which is made if it is not there.
pub(crate) fn write_all(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::new("io", format!("cannot make the folder {}: {error}", dir.display())))?;
    files.iter().try_for_each(|(name, bytes)| write(&dir.join(name), bytes))
}

/// A file name for each name: `/`, `:`, `\` and control characters become `_`, long names are cut, and names that meet are numbered.
pub(crate) fn file_names(names: &[String], extension: &str) -> Vec<String> {
    let mut used = BTreeSet::new();
    names
        .iter()
        .map(|name| {
            let mut stem: String = name
                .chars()
                .map(|c| if matches!(c, '/' | ':' | '\\') || c.is_control() { '_' } else { c })
                .collect();
            let mut end = stem.len().min(NAME_BYTES);
            while !stem.is_char_boundary(end) {
                end -= 1;
            }
            stem.truncate(end);
            let mut file = format!("{stem}.{extension}");
            let mut number = 2;
            while !used.insert(file.clone()) {
                file = format!("{stem}_{number}.{extension}");
                number += 1;
            }
            file
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::file_names;

    #[test]
    fn names_become_files_that_differ() {
        let names = ["a/b:0", "a_b_0", "..", "x\\y\n", &"é".repeat(200)].map(str::to_owned);
        let files = file_names(&names, "npy");
        assert_eq!(files[..4], ["a_b_0.npy", "a_b_0_2.npy", "...npy", "x_y_.npy"]);
        assert_eq!(files[4].len(), 184);
    }
}
