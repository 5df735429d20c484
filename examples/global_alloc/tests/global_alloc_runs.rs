//! What the example promises, tested on the built program.

#[path = "../../support/program.rs"]
mod program;

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    run_example("global_alloc", args)
}

fn run_example(name: &str, args: &[&str]) -> Output {
    let program = program::program(name, env!("CARGO_MANIFEST_DIR"));
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

/// A size's line: most in use, number of blocks, in use at the end.
#[track_caller]
fn size(output: &Output, bytes: &str) -> [u64; 3] {
    let words = line(output, &[bytes]);
    numbers(&words[1..]).try_into().unwrap()
}

fn numbers(words: &[String]) -> Vec<u64> {
    let numbers = words.iter().filter_map(|word| {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        digits.parse().ok()
    });
    numbers.collect()
}

/// All requests, those served, and those that went to the system.
#[track_caller]
fn requests(output: &Output) -> [u64; 3] {
    let words = line(output, &["requests"]);
    let [all, _per_second, served, to_system] = numbers(&words).try_into().unwrap();
    [all, served, to_system]
}

const SIZES: [&str; 3] = ["64", "768", "8192"];
/// The program's threads have ended; what std and the report keep until the end of the process remains.
const KEPT: u64 = 30;

#[test]
fn the_pools_serve_everything_without_a_page_fault() {
    let output = run(&["--rounds", "400", "--warm-up", "400"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    for bytes in SIZES {
        let [most, blocks, left] = size(&output, bytes);
        assert!(most <= blocks && left <= KEPT, "{output:?}");
    }
    let [all, served, to_system] = requests(&output);
    assert!(all > 400 * 100, "{output:?}");
    assert_eq!((served, to_system), (all, 0), "{output:?}");
    // Sizes in the profile add up to all.
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().filter(|line| line.ends_with(" %"));
    let row = |line: &str| {
        numbers(
            &line
                .split_whitespace()
                .map(str::to_string)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(rows.map(|line| row(line)[1]).sum::<u64>(), all, "{text}");
    assert!(
        text.lines()
            .filter(|line| line.starts_with("memory"))
            .count()
            == 3,
        "{text}"
    );
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
        let [most, blocks, left] = size(&output, bytes);
        assert_eq!((most, left), (blocks, blocks), "{output:?}");
    }
    let [all, served, to_system] = requests(&output);
    assert_eq!((served, to_system), (0, all), "{output:?}");
    assert!(all > 50 * 100, "{output:?}");
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

#[test]
fn a_heap_serves_everything_without_a_page_fault() {
    let output = run_example(
        "global_alloc_heap",
        &["--rounds", "400", "--warm-up", "400"],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    let [most, total, refused] = numbers(&line(&output, &["most", "in", "use"]))
        .try_into()
        .unwrap();
    assert!(0 < most && most < total && total >= 60 << 20, "{output:?}");
    assert_eq!(refused, 0, "{output:?}");
    assert_eq!(line(&output, &["book"])[1], "4000");
    let faults = line(&output, &["page", "faults"]);
    assert_eq!((&*faults[2], &*faults[4]), ("0", "0"), "{output:?}");

    let output = run_example("global_alloc_heap", &["--empty"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
