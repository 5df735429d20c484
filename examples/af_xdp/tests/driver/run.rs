//! Runs the program as a user would, and reads its report.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The exit code of a run for which something is missing.
const CANNOT_RUN: i32 = 3;

/// Says that a test could not run. It fails if the environment requires it.
#[track_caller]
pub fn not_run(reason: &str) {
    eprintln!("NOT RUN: {reason}");
    let required = env::var_os("FRAMEPOOL_AF_XDP").is_some_and(|value| value == "required");
    assert!(!required, "required, but NOT RUN: {reason}");
}

/// Tests with traffic take turns, so that they do not take each other's cores.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run's report: a name and a value in each line.
#[derive(Debug)]
pub struct Report(String);

impl Report {
    /// The number at the start of a value.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let values = self.0.lines().filter_map(|line| line.strip_prefix(name));
        let mut numbers = values.filter_map(|value| value.split_whitespace().next()?.parse().ok());
        numbers.next().unwrap_or_else(|| panic!("{name}: {self:?}"))
    }
}

/// The report of a run, unless it cannot run here.
#[track_caller]
pub fn report(args: &str) -> Option<Report> {
    let _alone = alone();
    let output = command().args(args.split_whitespace()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Some(Report(String::from_utf8(output.stdout).unwrap())),
        Some(CANNOT_RUN) => {
            not_run(said.trim());
            None
        }
        _ => panic!("{args}: {output:?}"),
    }
}

/// The program, to be given options.
pub fn command() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(build));
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// Lets cargo build the program and reads the path from its output: an example has no `CARGO_BIN_EXE_…`. Cargo
/// holds no lock while tests run.
fn build() -> PathBuf {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--example", "af_xdp", "--quiet"])
        .args(["--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "cargo builds the example");
    let messages = String::from_utf8(output.stdout).unwrap();
    let executable = messages
        .lines()
        .filter_map(|line| line.split_once("\"executable\":\""))
        .filter_map(|(_, rest)| rest.split_once('"'))
        .map(|(path, _)| Path::new(path).to_path_buf())
        .next_back();
    executable.expect("cargo names the program")
}
