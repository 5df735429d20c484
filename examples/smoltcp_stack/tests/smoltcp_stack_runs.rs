//! What the example promises, tested on the built program.

#[path = "../../support/program.rs"]
mod program;

use std::env;
use std::process::{Command, Output};

/// The exit code of a run for which something is missing.
const CANNOT_RUN: i32 = 3;
/// Unoptimised code takes its time.
const MEBIBYTES: &str = if cfg!(debug_assertions) { "2" } else { "64" };

fn run(args: &[&str]) -> Output {
    let program = program::program("smoltcp_stack", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program).args(args).output();
    output.expect("the program starts")
}

/// The three figures of the line that starts with a name: the rate over the pool, that over the heap, and the ratio.
#[track_caller]
fn figures(output: &Output, name: &str) -> [f64; 3] {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let line = lines.next().unwrap_or_else(|| panic!("{name}: {output:?}"));
    let figures: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
    figures.try_into().unwrap()
}

#[track_caller]
fn assert_reports(output: &Output, names: &[&str]) {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with(&format!("{MEBIBYTES} MiB, 2 runs")));
    assert!(text.ends_with("blocks in use at the end: 0\n"), "{text}");
    for name in names {
        let [pool, heap, ratio] = figures(output, name);
        // The rates are rounded to whole numbers.
        assert!(pool >= 1.0 && heap >= 1.0, "{text}");
        let slack = 0.01 + ratio * (1.0 / pool + 1.0 / heap);
        assert!((pool / heap - ratio).abs() <= slack, "{text}");
    }
}

#[test]
fn a_stream_crosses_the_loopback_over_the_pool_and_over_the_heap() {
    let output = run(&["loopback", "--mebibytes", MEBIBYTES, "--runs", "2"]);
    let names = [
        "frames of up to 1514 bytes, checksums",
        "frames of up to 1514 bytes, no checksums",
        "frames of up to 9014 bytes, no checksums",
    ];
    assert_reports(&output, &names);
}

/// It fails if FRAMEPOOL_TAP is `required` and it cannot run.
#[test]
fn a_stream_goes_to_the_kernel_and_back_over_a_tap_device() {
    let output = run(&["tap", "--mebibytes", MEBIBYTES, "--runs", "2"]);
    if output.status.code() == Some(CANNOT_RUN) {
        let said = String::from_utf8_lossy(&output.stderr);
        eprintln!("NOT RUN: {}", said.trim());
        let required = env::var_os("FRAMEPOOL_TAP").is_some_and(|value| value == "required");
        assert!(!required, "required, but NOT RUN: {said}");
        assert!(output.stdout.is_empty());
        return;
    }
    assert_reports(&output, &["to the kernel", "from the kernel"]);
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    for args in [
        &[][..],
        &["bridge"],
        &["tap", "tap"],
        &["tap", "--runs", "0"],
        &["loopback", "--mebibytes", "4096"],
        &["loopback", "--mebibytes"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(output.stdout, b"", "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.lines().count(), 1, "{output:?}");
    }
}

#[test]
fn help_names_the_options() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    let names = ["loopback", "tap", "--mebibytes", "--runs", "Exit codes"];
    assert!(names.iter().all(|name| text.contains(name)));
}
