//! The instructions that the hosted build executes, counted by valgrind's callgrind.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;

/// Whether valgrind is installed.
pub fn is_installed() -> bool {
    let mut version = Command::new("valgrind");
    version.arg("--version").stdout(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Builds the program whose functions are counted, below `target_dir`, and returns its path.
///
/// # Panics
/// If it does not build.
pub fn build(target_dir: &Path) -> PathBuf {
    cargo::build("callgrind", &["--release"], target_dir);
    target_dir.join("release/callgrind")
}

/// Runs the program with one argument; `output` is where callgrind writes. Returns the instructions
/// of each function, those of its callees included.
///
/// # Panics
/// If the program or valgrind fails.
pub fn run(program: &Path, argument: &str, output: &Path) -> HashMap<String, u64> {
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(output);
    let result = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(file)
        .args([program.as_os_str(), argument.as_ref()])
        .output()
        .expect("valgrind starts");
    let messages = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "valgrind failed: {messages}");
    inclusive(&std::fs::read_to_string(output).expect("callgrind wrote its output"))
}

/// Sums up a profile ("Callgrind Format Specification", version 1) by function.
///
/// Within a function every line of cost counts: its own, and after each `calls=` that of the callee.
fn inclusive(profile: &str) -> HashMap<String, u64> {
    let mut names = HashMap::new();
    let mut costs = HashMap::new();
    let mut current = None;
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("fn=").or(line.strip_prefix("cfn=")) {
            let id = intern(function, &mut names);
            if line.starts_with("fn=") {
                current = Some(id);
            }
        } else if let (Some(function), Some(cost)) = (current, cost(line)) {
            *costs.entry(function).or_default() += cost;
        }
    }
    let named = |(id, cost)| Some((names.get(id)?.to_string(), cost));
    costs.into_iter().filter_map(named).collect()
}

/// A name is written once as `(id) name`, and later as `(id)`.
fn intern<'a>(function: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    match function.split_once(' ') {
        Some((id, name)) => {
            names.insert(id, name);
            id
        }
        None => function,
    }
}

/// The cost in a line like `12 345`: first the position, absolute or relative, then the cost.
fn cost(line: &str) -> Option<u64> {
    let (place, cost) = line.split_once(' ')?;
    let is_place = place.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c));
    is_place.then(|| cost.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_of_callees_count_for_the_caller() {
        let profile = "events: Ir\nfn=(1) main\n0 10\ncfn=(2) work\ncalls=3 0\n0 30\n+1 5\n\n\
                       fn=(2)\n0 30\n";
        let costs = inclusive(profile);
        assert_eq!((costs["main"], costs["work"]), (45, 30));
    }
}
