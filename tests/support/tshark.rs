//! Runs tshark on a capture, if it is installed.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;

/// Whether tshark is installed. If not, prints that `test` was skipped.
pub fn is_there(test: &str) -> bool {
    let is_there = Command::new("tshark").arg("-v").output().is_ok();
    if !is_there {
        println!("SKIPPED {test}: tshark is not installed");
    }
    is_there
}

/// Returns a line for each frame of a file: the values of `fields`, separated by tabs. `options` are
/// tshark's.
///
/// A damaged capture has lines up to the damage. Any other error of tshark, such as an unknown field,
/// fails the test.
pub fn lines(file: &Path, options: &[&str], fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields"]).args(options);
    for name in fields {
        command.args(["-e", name]);
    }
    let text = output(command.arg("-r").arg(file));
    text.lines().map(str::to_owned).collect()
}

/// Returns tshark's full text for a protocol.
pub fn shown(file: &Path, options: &[&str], protocol: &str) -> String {
    let mut command = Command::new("tshark");
    command.args(["-n", "-V", "-O", protocol]).args(options);
    output(command.arg("-r").arg(file))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    let is_read = output.status.success() || !text.is_empty();
    assert!(is_read, "{command:?}: {error}");
    text
}
