//! The example that a test runs as its user would: found beside the test, or built. An example has no `CARGO_BIN_EXE_…`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The example `name` of the package in this directory.
pub fn program(name: &str, package: &str) -> PathBuf {
    let package = Path::new(package);
    beside_this_test(name, package).unwrap_or_else(|| build(name, package))
}

/// The path where `cargo test` puts the example, which it builds before it runs a test. None if the file
/// is missing or older than its sources, because cargo was asked to build this test alone.
fn beside_this_test(name: &str, package: &Path) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let test = env::current_exe().ok()?;
    let path = test.parent()?.parent()?.join("examples").join(file);
    let built = changed(&path)?;
    let sources = ["src", "Cargo.toml", "../../src", "../../Cargo.toml"];
    let newest = sources.iter().map(|source| newest(&package.join(source)));
    newest
        .max()?
        .is_none_or(|newest| newest <= built)
        .then_some(path)
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// When the file, or the last of the files below it, was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| newest(&entry.path()))
            .max(),
        Err(_) => changed(path),
    }
}

/// Lets cargo build the program and reads the path from its output. Cargo holds no lock while tests run.
fn build(name: &str, package: &Path) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(package)
        .args(["build", "--example", name]);
    command.args(["--quiet", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{name} does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut paths = messages.lines().filter_map(|line| {
        let (_, rest) = line.split_once(r#""executable":""#)?;
        rest.split_once('"').map(|(path, _)| PathBuf::from(path))
    });
    paths.next_back().expect("cargo says what it built")
}
