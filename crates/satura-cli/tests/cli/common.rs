//! Running the built binary in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder for one test, empty at first.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder of that name.
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).expect("the folder is this test's own");
        }
        std::fs::create_dir_all(&path).expect("cargo's folder for tests can be written");
        Folder(path)
    }

    /// Writes a file and gives its name.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.0.join(name), bytes).expect("the folder can be written");
        name.to_owned()
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The content of a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("the file is there")
    }

    /// The names in a folder below, sorted; empty if there is no such folder.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(name)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Runs the binary in the folder and gives exit code, standard output and standard error as one text.
pub(crate) fn satura(folder: &Folder, args: &[&str]) -> String {
    report(folder, Command::new(env!("CARGO_BIN_EXE_satura")).args(args))
}

/// Runs a command in the folder and gives the same.
pub(crate) fn report(folder: &Folder, command: &mut Command) -> String {
    let output = command
        .current_dir(&folder.0)
        .env_remove("SATURA_ADAPTER")
        .output()
        .expect("the binary was built for this test");
    let mut text = match output.status.code() {
        Some(code) => format!("exit code {code}\n"),
        None => "ended by a signal\n".to_owned(),
    };
    for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
        if !bytes.is_empty() {
            let lines = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
            text.push_str(&format!("-- {name}\n{}\n", lines.join("\n")));
        }
    }
    text
}
