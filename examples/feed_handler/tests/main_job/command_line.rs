//! Options, good and bad.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::run::{feed_handler, program};

const OPTIONS: [&str; 12] = [
    "--seconds",
    "--rate",
    "--block-size",
    "--pool-blocks",
    "--pcap",
    "--filter",
    "--target",
    "--plot",
    "--metrics",
    "--metrics-wait",
    "--json",
    "--help",
];

/// The options are refused in one line that names the wrong one.
#[track_caller]
fn assert_refused(options: &[&str], culprit: &str) {
    let run = feed_handler(options);
    let complaint = run.complaint();
    assert!(complaint.contains(culprit), "{options:?}: {complaint}");
}

#[test]
fn help_lists_every_option() {
    for help in ["--help", "-h"] {
        let run = feed_handler([help]);
        assert!(run.status.success(), "{run:?}");
        assert_eq!(run.stderr, "");
        assert!(run.stdout.contains("Usage: feed_handler"), "{run:?}");
        for option in OPTIONS {
            let lists = |line: &str| line.trim_start().starts_with(option);
            assert!(run.stdout.lines().any(lists), "{option} in {run:?}");
        }
    }
}

#[test]
fn an_output_that_takes_nothing_is_one_line_of_complaint() {
    for options in [&["--help"][..], &["--seconds", "0.05", "--json"]] {
        let full = File::options().write(true).open("/dev/full");
        let mut command = Command::new(program());
        command
            .args(options)
            .stdout(full.expect("/dev/full exists"));
        let output = command.output().expect("the program starts");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(
            complaint.starts_with("feed_handler: output: "),
            "{complaint}"
        );
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[test]
fn unknown_options_are_refused_by_name() {
    for unknown in ["--bogus", "-x", "--jsonn", "positional"] {
        assert_refused(&[unknown], unknown);
    }
    assert_refused(&["--json=1"], "--json");
}

#[test]
fn a_filter_that_is_none_is_refused_with_the_place() {
    let pcap = ["--pcap", "whatever.pcap", "--filter"];
    for (filter, place) in [
        ("udp and", "byte 7"),
        ("upd", "byte 0"),
        ("port 70000", "byte 5"),
        ("", "the expression is empty"),
    ] {
        let options: Vec<&str> = pcap.into_iter().chain([filter]).collect();
        assert_refused(&options, "--filter");
        assert_refused(&options, place);
    }
    assert_refused(&["--filter", "udp"], "--pcap");
}

#[test]
fn missing_values_are_refused_by_name() {
    for option in [
        "--seconds",
        "--rate",
        "--block-size",
        "--pool-blocks",
        "--pcap",
        "--filter",
        "--target",
        "--plot",
        "--metrics",
        "--metrics-wait",
    ] {
        assert_refused(&[option], option);
        assert_refused(&["--json", option], option);
    }
    assert_refused(&["--seconds", "--json"], "--seconds");
}

#[test]
fn values_that_are_no_numbers_in_range_are_refused_by_name() {
    let wrong = [
        "",
        "-1",
        "x",
        "1x",
        "nan",
        "inf",
        "1e30",
        "0x10",
        "99999999999999999999999",
    ];
    for option in ["--seconds", "--rate", "--block-size", "--pool-blocks"] {
        for value in wrong {
            assert_refused(&[option, value], option);
        }
        assert_refused(&[&format!("{option}=-1")], option);
    }
    for option in ["--seconds", "--block-size", "--pool-blocks"] {
        assert_refused(&[option, "0"], option);
        assert_refused(&[option, "18446744073709551615"], option);
    }
    for option in ["--rate", "--block-size", "--pool-blocks"] {
        assert_refused(&[option, "1.5"], option);
    }
    assert_refused(&["--seconds", "0.049"], "--seconds");
    assert_refused(&["--seconds", "86401"], "--seconds");
}

#[test]
fn metrics_are_served_on_loopback_only() {
    for address in [
        "",
        "9184",
        "localhost:9184",
        "0.0.0.0:9184",
        "192.0.2.1:9184",
        "127.0.0.1",
        "[::]:9184",
    ] {
        assert_refused(&["--metrics", address], "--metrics");
    }
    assert_refused(&["--metrics-wait", "1"], "--metrics-wait needs --metrics");
    for wait in ["", "-1", "x", "nan", "86401"] {
        let options = ["--metrics", "127.0.0.1:0", "--metrics-wait", wait];
        assert_refused(&options, "--metrics-wait takes");
    }
}

#[test]
fn blocks_smaller_than_a_datagram_are_refused_by_name() {
    for size in ["1", "20", "1471"] {
        assert_refused(&["--block-size", size], "--block-size");
    }
}

#[test]
fn what_is_not_text_is_refused_in_one_line() {
    let bytes = OsStr::from_bytes;
    let run = feed_handler([bytes(b"--rate"), bytes(b"\xFF\xFE")]);
    assert!(run.complaint().contains("--rate"), "{run:?}");
    feed_handler([bytes(b"--two\nlines")]).complaint();
    feed_handler([bytes(b"--pcap"), bytes(b"no\nsuch\x1B[2Jfile")]).complaint();
}
