//! Options and missing tools: one line, and an exit code that says which.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firmware-host"))
        .args(arguments)
        .output()
        .unwrap()
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn help_says_what_it_does_and_names_the_exit_codes() {
    let output = run(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    for word in ["QEMU", "--target", "--frames", "--qemu", "Exit codes"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}

#[test]
fn a_wrong_option_is_named() {
    for wrong in [
        &["--bogus"][..],
        &["--target", "x86_64-unknown-none"],
        &["--target"],
        &["--frames", "0"],
        &["--frames", "many"],
        &["extra"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(one_line(&output).contains(wrong[0].trim_start_matches('-')));
    }
}

#[test]
fn without_qemu_it_says_what_to_install() {
    for missing in ["/nonexistent/qemu-system-arm", "no\nsuch\nprogram"] {
        let output = run(&["--qemu", missing]);
        assert_eq!(output.status.code(), Some(3));
        assert!(one_line(&output).contains("install QEMU"));
    }
}

#[test]
fn a_program_that_is_not_qemu_is_an_error() {
    // Accepts every argument and prints nothing.
    let output = run(&["--qemu", "true"]);
    let expected = match output.status.code() {
        // The target is looked for first.
        Some(3) => "is not installed",
        _ => "did not start",
    };
    assert!(one_line(&output).contains(expected));
    assert!(!output.status.success());
}
