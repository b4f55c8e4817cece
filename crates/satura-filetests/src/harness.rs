//! Finding files and running each as one trial.

use crate::coverage::missing;
use crate::{Config, Device, Skips, TestFile, commands};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs every `.sat` file below `dir`, by path, with the command line of the test binary (filters, `--list`, ..). Prints what was skipped.
pub fn run_tests(dir: impl AsRef<Path>, config: Config) -> ExitCode {
    let arguments = Arguments::from_args();
    let (config, skips) = (Arc::new(config), Arc::new(Skips::default()));
    let mut trials = Vec::new();
    let mut files = Vec::new();
    match find(dir.as_ref()) {
        Err(error) => trials.push(failure("files", error)),
        Ok(paths) if paths.is_empty() => {
            trials.push(failure("files", format!("no .sat file below {}", dir.as_ref().display())));
        }
        Ok(paths) => {
            for path in paths {
                let name = path.strip_prefix(dir.as_ref()).unwrap_or(&path).display().to_string();
                match TestFile::read(&path, &name) {
                    Err(error) => trials.push(failure(&name, error)),
                    Ok(file) => files.push(file),
                }
            }
        }
    }
    for device in &config.devices {
        if let Device::Absent(name, reason) = device {
            skips.add(name, reason);
        }
    }
    trials.push(coverage_trial(&files, &config));
    for file in files {
        let (config, skips) = (config.clone(), skips.clone());
        trials.push(Trial::test(file.name.clone(), move || {
            run_file(&file, &config, &skips).map_err(Failed::from)
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    report(&skips.list());
    conclusion.exit_code()
}

fn failure(name: &str, error: String) -> Trial {
    Trial::test(name.to_owned(), move || Err(Failed::from(error)))
}

fn coverage_trial(files: &[TestFile], config: &Config) -> Trial {
    let missing = missing(files, config);
    Trial::test(
        "coverage",
        move || {
            if missing.is_empty() { Ok(()) } else { Err(Failed::from(missing.join("\n"))) }
        },
    )
}

pub(crate) fn run_file(file: &TestFile, config: &Config, skips: &Skips) -> Result<(), String> {
    let name = file.command()?;
    let command = commands().iter().find(|command| command.name == name).ok_or_else(|| {
        let known: Vec<&str> = commands().iter().map(|command| command.name).collect();
        format!("there is no command `{name}`; the commands are {}", known.join(", "))
    })?;
    (command.run)(file, config, skips)
}

#[expect(clippy::print_stderr, reason = "a test binary reports to its user")]
fn report(skips: &[String]) {
    for skip in skips {
        eprintln!("skipped: {skip}");
    }
    if !skips.is_empty() {
        eprintln!("{} skipped", skips.len());
    }
}

fn find(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", dir.display()))?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sat") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, error: &str) {
        let file =
            TestFile::new(Path::new("x.sat"), "x.sat", text.to_owned(), false).expect("the header is TOML");
        let config = Config { devices: Vec::new(), ..Config::default() };
        let result = run_file(&file, &config, &Skips::default());
        match result {
            Ok(()) => assert_eq!(error, "", "an error was expected"),
            Err(message) => assert!(!error.is_empty() && message.contains(error), "{message}"),
        }
    }

    /// A harness that passes everything would hide every fault: each kind of wrong expectation must fail.
    #[test]
    fn wrong_expectations_fail() {
        let add = "graph @f(%x: f32[2]) {\n  %0 = add %x, %x\n  return %0\n}\n";
        check(&format!(";! test = \"run\"\n{add}; run: @f(f32[2](1.0, 2.0)) == f32[2](2.0, 4.0)\n"), "");
        check(
            &format!(";! test = \"run\"\n{add}; run: @f(f32[2](1.0, 2.0)) == f32[2](2.0, 5.0)\n"),
            "element 1",
        );
        check(
            &format!(";! test = \"run\"\n{add}; run: @f(f32[2](1.0, 2.0)) == f32[1](2.0)\n"),
            "expected f32[1]",
        );
        check(
            &format!(";! test = \"run\"\n{add}; run: @g(f32[2](1.0, 2.0)) == f32[2](2.0, 4.0)\n"),
            "no graph @g",
        );
        check(&format!(";! test = \"run\"\n{add}; error: @f(f32[2](1.0, 2.0)) ~ \"x\"\n"), "ran");
        check(
            &format!(";! test = \"run\"\n{add}; error: @f(f32[3](1.0, 2.0, 3.0)) ~ \"f32[4]\"\n"),
            "f32[4]",
        );
        check(&format!(";! test = \"run\"\n{add}"), "no `; run:`");
        check(&format!(";! test = \"walk\"\n{add}"), "no command `walk`");
        check(&format!(";! test = \"run\"\n;! tolerence = \"exact\"\n{add}"), "tolerence");
        check(&format!(";! test = \"verify\"\n{add}"), "no error");
        check(&format!(";! test = \"roundtrip\"\n{add}"), "prints as");
        check(&format!(";! test = \"pass\"\n;! pass = \"none-such\"\n{add}"), "none-such");
        check(&format!(";! test = \"pass\"\n;! pass = \"fold{{limt=3}}\"\n{add}"), "limt");
    }
}
