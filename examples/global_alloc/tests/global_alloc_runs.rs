//! What the example promises, tested on the built program.

#[path = "../../support/program.rs"]
mod program;

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    let program = program::program("global_alloc", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program).args(args).output();
    output.expect("the program starts")
}

/// The words of the report's line that starts with these.
#[track_caller]
fn line(output: &Output, start: &[&str]) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| line.split_whitespace());
    let found = lines
        .map(Iterator::collect)
        .find(|words: &Vec<&str>| words.starts_with(start));
    let words = found.unwrap_or_else(|| panic!("{start:?}: {output:?}"));
    words.into_iter().map(str::to_string).collect()
}

/// A size's line: served, to the system, most in use, number of blocks, in use at the end.
#[track_caller]
fn size(output: &Output, bytes: &str) -> [u64; 5] {
    let words = line(output, &[bytes]);
    let numbers = words.iter().skip(1).map(|word| word.parse());
    let numbers: Result<Vec<u64>, _> = numbers.collect();
    numbers.unwrap().try_into().unwrap()
}

const SIZES: [&str; 3] = ["64", "768", "8192"];
/// The program's threads have ended; what std keeps until the end of the process remains.
const STD_KEEPS: u64 = 8;

#[test]
fn the_pools_serve_everything_without_a_page_fault() {
    let output = run(&["--rounds", "400", "--warm-up", "400"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    for bytes in SIZES {
        let [served, to_system, most, blocks, left] = size(&output, bytes);
        assert!(served >= 400, "{output:?}");
        assert_eq!(to_system, 0, "{output:?}");
        assert!(most <= blocks && left <= STD_KEEPS, "{output:?}");
    }
    assert_eq!(line(&output, &["larger"])[2], "0");
    assert_eq!(line(&output, &["book"])[1], "4000");
    assert_eq!(line(&output, &["leaked"])[1], "0");
    let faults = line(&output, &["page", "faults"]);
    assert_eq!((&*faults[2], &*faults[4]), ("0", "0"), "{output:?}");
}

#[test]
fn what_finds_no_block_goes_to_the_system_and_is_counted() {
    let output = run(&["--rounds", "50", "--warm-up", "150", "--empty"]);
    assert!(output.status.success(), "{output:?}");
    for bytes in SIZES {
        let [served, to_system, most, blocks, left] = size(&output, bytes);
        assert_eq!((served, most, left), (0, blocks, blocks), "{output:?}");
        assert!(to_system >= 50, "{output:?}");
    }
    assert_eq!(line(&output, &["leaked"])[1], "0");
}

#[test]
fn no_rounds_at_all_are_a_run_too() {
    let output = run(&["--rounds", "0", "--warm-up", "0"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(line(&output, &["rounds"])[1], "0");
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    for args in [
        &["--rounds", "-1"][..],
        &["--rounds", "4294967296"],
        &["--warm-up"],
        &["x"],
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
    let names = ["--rounds", "--warm-up", "--empty", "Exit codes"];
    assert!(names.iter().all(|name| text.contains(name)));
}
