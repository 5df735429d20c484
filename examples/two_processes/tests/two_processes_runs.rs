//! What the example promises, tested on the built program.

#[path = "../../support/program.rs"]
mod program;

use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than any wait here takes on the slowest machine.
const STUCK: Duration = Duration::from_secs(60);

fn two_processes(args: &[&str]) -> Command {
    let program = program::program("two_processes", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    two_processes(args).output().expect("the program starts")
}

/// The report's line of this name, without the name.
#[track_caller]
fn figure(output: &Output, name: &str) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found = text.lines().filter_map(|line| line.strip_prefix(name));
    let line = found.next().unwrap_or_else(|| panic!("{name}: {output:?}"));
    line.trim().to_string()
}

#[track_caller]
fn assert_intact(output: &Output, values: u64) {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    let counted = format!("{values} sent, {values} counted");
    assert_eq!(figure(output, "values  "), counted);
    assert_eq!(figure(output, "gaps"), "0");
    assert_eq!(figure(output, "doubled"), "0");
    assert!(figure(output, "wrong").starts_with("0, sum "));
    assert!(figure(output, "wrong").ends_with(" as sent"));
}

/// One line on standard error, and this exit code.
#[track_caller]
fn assert_complains(output: &Output, code: i32, about: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(output.stdout, b"", "{output:?}");
    assert_eq!(text.lines().count(), 1, "{output:?}");
    assert!(text.contains(about), "{output:?}");
}

/// The process whose parent is `parent`, as /proc shows it.
fn child_of(parent: &Child) -> u32 {
    let task = parent.id();
    let path = format!("/proc/{task}/task/{task}/children");
    let start = Instant::now();
    loop {
        let children = std::fs::read_to_string(&path).unwrap_or_default();
        match children.split_whitespace().next().map(str::parse) {
            Some(Ok(child)) => return child,
            _ => assert!(start.elapsed() < STUCK, "no child in {path}"),
        }
        sleep(Duration::from_millis(1));
    }
}

fn kill(process: u32) {
    let status = Command::new("kill")
        .args(["-9", &process.to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn without_a_kill_every_value_arrives() {
    let output = run(&["--values", "100000", "--kills", "0"]);
    assert_intact(&output, 100_000);
    assert_eq!(figure(&output, "kills"), "0, each consumer replaced");
    assert_eq!(
        figure(&output, "again"),
        "0 values seen twice, counted once"
    );
}

#[test]
fn consumers_are_killed_and_nothing_is_lost_or_doubled() {
    let output = run(&["--values", "400000", "--kills", "20"]);
    assert_intact(&output, 400_000);
    assert_eq!(figure(&output, "kills"), "20, each consumer replaced");
}

#[test]
fn a_consumer_that_someone_else_kills_is_replaced() {
    let mut parent = two_processes(&["--values", "5000000", "--kills", "0"]);
    let parent = parent.spawn().expect("the program starts");
    kill(child_of(&parent));
    let output = parent.wait_with_output().expect("the program ends");
    assert_intact(&output, 5_000_000);
    assert_eq!(figure(&output, "kills"), "1, each consumer replaced");
}

#[test]
fn a_consumer_whose_producer_is_killed_ends() {
    let mut parent = two_processes(&["--values", "1000000000000"]);
    let parent = parent.spawn().expect("the program starts");
    let child = child_of(&parent);
    // Time to take its end of the ring; without it the test shows less, but does not fail.
    sleep(Duration::from_millis(100));
    kill(parent.id());
    // The child has the other end of the pipes, so this returns when both have ended.
    let output = parent.wait_with_output().expect("the program ends");
    assert_eq!(output.stdout, b"", "{child}: {output:?}");
}

#[test]
fn a_consumer_without_shared_memory_says_so() {
    let output = run(&["consumer"]);
    assert_complains(&output, 1, "standard input: the descriptor is not a memfd");
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    for (args, about) in [
        (&["--values"][..], "missing argument"),
        (&["--values", "many"], "many"),
        (
            &["--kills", "3", "--values", "100"],
            "--kills 3 needs --values 65536",
        ),
        (&["--kills", "18446744073709551615"], "needs --values"),
        (&["consumer", "me"], "me"),
        (&["--frob"], "--frob"),
    ] {
        assert_complains(&run(args), 2, about);
    }
}

#[test]
fn help_names_the_options() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert!(
        ["--values", "--kills", "Exit codes"]
            .iter()
            .all(|word| text.contains(word))
    );
}
