//! Options, and what is missing.

use std::os::unix::process::CommandExt;
use std::process::Output;

use crate::run::{command, not_run};

/// The one line that a refused run prints.
#[track_caller]
fn complaint(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn help_lists_commands_and_options() {
    let output = command().arg("--help").output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    for name in [
        "echo",
        "sink",
        "--seconds",
        "--peer",
        "--rate",
        "--window",
        "--payload",
        "--blocks",
        "--chunk",
        "--ring",
        "--compare",
        "--live",
    ] {
        let lists = |line: &str| line.trim_start().starts_with(name);
        assert!(said.lines().any(lists), "{name} in {said}");
    }
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    for (args, culprit) in [
        ("", "echo or sink"),
        ("both", "both"),
        ("echo sink", "sink"),
        ("echo --seconds never", "--seconds"),
        ("echo --chunk 3000", "--chunk"),
        ("echo --ring 100", "--ring"),
        ("echo --peer nobody", "--peer"),
        ("echo --payload 1473", "--payload"),
        ("sink --peer ping", "sink"),
        ("echo --loud", "--loud"),
    ] {
        let output = command().args(args.split_whitespace()).output().unwrap();
        let said = complaint(&output, 2);
        assert!(said.contains(culprit), "{args}: {said}");
    }
}

#[test]
fn a_user_without_privileges_is_told_so_in_one_line() {
    // The test may be root: nobody is not. Without privileges this fails, and the program runs as it is.
    let mut nobody = command();
    nobody
        .args(["echo", "--seconds", "0.1"])
        .uid(65534)
        .gid(65534);
    let output = match nobody.output() {
        Ok(output) => output,
        Err(_) => command()
            .args(["echo", "--seconds", "0.1"])
            .output()
            .unwrap(),
    };
    if output.status.success() {
        return not_run("nobody cannot reach the program's folder");
    }
    let said = complaint(&output, 3);
    assert!(said.contains("cannot run here: "), "{said}");
    assert!(said.contains("root"), "{said}");
}

#[test]
fn a_missing_program_is_named_in_one_line() {
    let output = command()
        .args(["echo", "--seconds", "0.1"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let said = complaint(&output, 3);
    assert!(said.contains("'ip'") || said.contains("root"), "{said}");
}
